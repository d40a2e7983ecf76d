"""Start the servers whose guests went down with their host; one that was shut down stays off.

A guest that a user, or an administrator, switched off has a reason that libvirt tells. One that
was off when libvirt started has none, as after the host lost its power or booted: the server is
ACTIVE, so it is started again. The reason also tells so when no keeper saw the host go down.

One that is marked `enable_ha` leaves a host that is disabled by then, with its disks, where another
host has room. Its history says why it was started, or moved.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime

from django.db import transaction

from cloudportal.errors import CloudError
from hypervisors.guests import GuestUsage
from hypervisors.models import BuildSlot, Hypervisor
from identity.actors import system_actor
from operations.enqueue import AlreadyAtWork, enqueue
from servers.action_log import record_action
from servers.errors import InvalidState, ServerNotFound
from servers.history import ERROR, explain_action
from servers.legal import LEGAL
from servers.models import Server, ServerAction
from servers.moves import TASKS as MOVING
from servers.resize import migrate_server
from servers.states import PowerState, TaskState, VmState

logger = logging.getLogger(__name__)

ACTION = "start"
# As a start, but of a server that should run.
START_AGAIN = replace(LEGAL["start"], states=frozenset({VmState.ACTIVE}), needs_launch=False)
_EVER = datetime.min.replace(tzinfo=UTC)
# Lost when libvirt came back, which also a guest that crashed while all was well may seem.
_LOST_WITH_LIBVIRT = ("crashed", "daemon")


def went_down_with_host(server: Server, guest: GuestUsage | None) -> bool:
    """Whether the server should run, and its guest is off because its host was."""
    if guest is None or server.vm_state != VmState.ACTIVE:
        return False
    if guest.off_reason == "unknown":
        return True
    # The state is unknown from the time the host went away to the first look at it afterwards.
    was_away = server.power_state == PowerState.NOSTATE
    return was_away and guest.off_reason in _LOST_WITH_LIBVIRT


def start_again(hypervisor: Hypervisor, servers: Collection[Server], now: datetime) -> list[Server]:
    """Start as many of the servers as the host may build at a time; the others' turn comes later.

    Returns those that are not to be started: they were, since the host is back, and failed.
    """
    if not servers:
        return []
    failed = _failed_since(hypervisor.state_since or _EVER, servers)
    left = [server for server in servers if server.pk not in failed]
    if not hypervisor.is_forced_down:
        stuck = set() if hypervisor.is_enabled else _failed_to_leave(hypervisor, left)
        for server in left[: _room(hypervisor)]:
            is_marked = bool(server.options.get("enable_ha"))
            if hypervisor.is_enabled or not is_marked or server.pk in stuck:
                _start(server, now, _reason(hypervisor) if is_marked else "")
            elif not _leave(server, hypervisor, now):
                _start(server, now, _reason(hypervisor))
    # Until its turn comes, nobody may take the server for one that was switched off.
    Server.objects.filter(pk__in=[server.pk for server in left], task_state=None).update(
        power_state=PowerState.NOSTATE
    )
    return [server for server in servers if server.pk in failed]


def _reason(hypervisor: Hypervisor) -> str:
    booted_at = hypervisor.booted_at
    if booted_at is not None and booted_at >= (hypervisor.state_since or _EVER):
        return f"Host {hypervisor.name} has booted: the guest did not run any more."
    return f"The guest went down with its host {hypervisor.name}."


def _leave(server: Server, hypervisor: Hypervisor, now: datetime) -> bool:
    """Have the server moved, while it is off, from the disabled host; False if it cannot be."""
    actor = system_actor(f"req-{uuid.uuid4()}")
    fresh = Server.objects.alive().select_related("hypervisor").filter(pk=server.pk).first()
    if fresh is None:
        return True
    try:
        with transaction.atomic():
            migrate_server(server=fresh, host="", actor=actor, now=now)
            reason = f"{_reason(hypervisor)} That host is disabled."
            explain_action(server_id=server.pk, request_id=actor.request_id, reason=reason)
    except CloudError as error:
        logger.info("Server %s stays on its disabled host: %s", server.pk, error)
        return False
    logger.info("Server %s leaves its host, which was down and is disabled.", server.pk)
    return True


def _start(server: Server, now: datetime, reason: str) -> None:
    request_id = f"req-{uuid.uuid4()}"
    try:
        with transaction.atomic():
            Server.objects.begin_task(server, START_AGAIN, passes_lock=True)
            record_action([server.pk], ACTION, actor=system_actor(request_id), now=now)
            explain_action(server_id=server.pk, request_id=request_id, reason=reason)
            enqueue("server.start", subject=server.pk, params={}, request_id=request_id, now=now)
    except (InvalidState, ServerNotFound, AlreadyAtWork) as error:
        # Somebody was faster; the next look sees what came of it.
        logger.info("Server %s is not started again: %s", server.pk, error)
        return
    logger.info("Server %s is started again: its host was down.", server.pk)


def _room(hypervisor: Hypervisor) -> int:
    starting = Server.objects.filter(
        hypervisor=hypervisor, task_state__in=(TaskState.POWERING_ON, *MOVING)
    )
    building = BuildSlot.objects.filter(hypervisor=hypervisor)
    return max(0, hypervisor.max_concurrent_builds - starting.count() - building.count())


def _failed_since(instant: datetime, servers: Collection[Server]) -> set[uuid.UUID]:
    """Those that the portal itself tried to start since then, in vain."""
    return _failed(ACTION, instant, servers)


def _failed_to_leave(hypervisor: Hypervisor, servers: Collection[Server]) -> set[uuid.UUID]:
    """Those that found no other host since this one is back."""
    return _failed(LEGAL["migrate"].action, hypervisor.state_since or _EVER, servers)


def _failed(action: str, instant: datetime, servers: Collection[Server]) -> set[uuid.UUID]:
    tries = ServerAction.objects.filter(
        server_id__in=[server.pk for server in servers],
        action=action,
        user_id=system_actor().user_id,
        message=ERROR,
        started_at__gte=instant,
    )
    return set(tries.values_list("server_id", flat=True))
