"""Start, stop and reboot servers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from identity import policy
from identity.actors import Actor
from operations.enqueue import enqueue
from servers.action_log import record_action
from servers.errors import InvalidState
from servers.models import Server
from servers.states import TaskState, VmState


@dataclass(frozen=True)
class _PowerChange:
    action: str
    task: TaskState
    expect: frozenset[VmState]


_START = _PowerChange("start", TaskState.POWERING_ON, frozenset({VmState.STOPPED}))
_STOP = _PowerChange("stop", TaskState.POWERING_OFF, frozenset({VmState.ACTIVE, VmState.ERROR}))
_SOFT_REBOOT = _PowerChange("reboot", TaskState.REBOOTING, frozenset({VmState.ACTIVE}))
_HARD_REBOOT = _PowerChange(
    "reboot",
    TaskState.REBOOTING_HARD,
    frozenset({VmState.ACTIVE, VmState.STOPPED, VmState.ERROR}),
)


def start_server(*, server: Server, actor: Actor, now: datetime) -> None:
    """Switch a stopped server on.

    Raises:
        InvalidState: it is not stopped, or a task is under way.
        Forbidden: the actor may not.
    """
    _change(server, _START, {}, actor=actor, now=now)


def stop_server(*, server: Server, actor: Actor, now: datetime) -> None:
    """Switch a server off.

    Raises:
        InvalidState: it is not running, or a task is under way.
        Forbidden: the actor may not.
    """
    _change(server, _STOP, {}, actor=actor, now=now)


def reboot_server(*, server: Server, hard: bool, actor: Actor, now: datetime) -> None:
    """Reboot a server: by its own operating system, or hard, by the switch.

    Raises:
        InvalidState: it is not running (hard: nor stopped), or a task is under way.
        Forbidden: the actor may not.
    """
    change = _HARD_REBOOT if hard else _SOFT_REBOOT
    _change(server, change, {"hard": hard}, actor=actor, now=now)


def _change(
    server: Server, change: _PowerChange, params: dict[str, Any], *, actor: Actor, now: datetime
) -> None:
    rule = f"os_compute_api:servers:{change.action}"
    policy.require(actor, rule, project_id=server.project_id, user_id=server.user_id)
    if server.vm_state in change.expect and server.launched_at is None:
        raise InvalidState(
            f"Cannot '{change.action}' instance {server.pk} while it is in launched_at None"
        )
    with transaction.atomic():
        Server.objects.begin_task(
            server, change.task, action=change.action, expect=set(change.expect)
        )
        record_action([server.pk], change.action, actor=actor, now=now)
        enqueue(
            f"server.{change.action}",
            subject=server.pk,
            params=params,
            request_id=actor.request_id,
            now=now,
        )
