"""What can be done to a server with one press: words, questions, and the use case behind each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from identity import policy
from identity.actors import Actor
from servers.delete import delete_server
from servers.legal import LEGAL
from servers.models import Server
from servers.power import reboot_server, start_server, stop_server
from servers.states import TaskState, VmState

Words = str | Promise


@dataclass(frozen=True)
class PowerAction:
    """An action; `choices` are the ways to do it as (value, label, explanation)."""

    name: str
    rule: str
    label: Words
    icon: str
    question: Words
    explanation: Words
    accepted: Words
    possible_in: frozenset[VmState]
    is_dangerous: bool = False
    choices: tuple[tuple[str, Words, Words], ...] = ()

    @property
    def needs_confirmation(self) -> bool:
        """Whether it is asked about first."""
        return bool(self.question)


@dataclass(frozen=True)
class PowerButton:
    """An action on a server, and whether it can be pressed now."""

    action: PowerAction
    is_possible: bool


_RULE = "os_compute_api:servers"
ACTIONS = {
    action.name: action
    for action in (
        PowerAction(
            "start",
            f"{_RULE}:start",
            _("Start"),
            "player-play",
            "",
            "",
            _("%(name)s is being started."),
            LEGAL["start"].states,
        ),
        PowerAction(
            "stop",
            f"{_RULE}:stop",
            _("Stop"),
            "player-stop",
            _("Stop %(name)s?"),
            _("The server is asked to shut down. It keeps its disk, addresses and quota."),
            _("%(name)s is being stopped."),
            LEGAL["stop"].states,
        ),
        PowerAction(
            "reboot",
            f"{_RULE}:reboot",
            _("Reboot"),
            "refresh",
            _("Reboot %(name)s?"),
            "",
            _("%(name)s is being rebooted."),
            LEGAL["reboot"].states | LEGAL["hard reboot"].states,
            choices=(
                ("SOFT", _("Soft"), _("Its operating system shuts down and starts again.")),
                ("HARD", _("Hard"), _("Power off and on. Unsaved data is lost.")),
            ),
        ),
        PowerAction(
            "delete",
            f"{_RULE}:delete",
            _("Delete"),
            "trash",
            _("Delete %(name)s?"),
            _("The server, its disks and its addresses are gone for good."),
            _("%(name)s is being deleted."),
            LEGAL["delete"].states,
            is_dangerous=True,
        ),
    )
}


def buttons_for(server: Server, actor: Actor) -> list[PowerButton]:
    """The actions the actor may ask for, each with whether the server's state allows it."""
    return [
        PowerButton(action, _is_possible(action, server))
        for action in ACTIONS.values()
        if policy.allows(actor, action.rule, project_id=server.project_id, user_id=server.user_id)
    ]


def _is_possible(action: PowerAction, server: Server) -> bool:
    """A hint for the eye only: the use case decides."""
    if action.name == "delete":
        return server.task_state != TaskState.DELETING and not server.adopted_name
    return (
        server.task_state is None
        and server.launched_at is not None
        and server.vm_state in action.possible_in
    )


def choices_for(action: PowerAction, server: Server) -> list[tuple[str, Words, Words]]:
    """The ways to do it that the server's state allows: one that is off has no one to ask."""
    if action.name == "reboot" and server.vm_state != VmState.ACTIVE:
        return [choice for choice in action.choices if choice[0] == "HARD"]
    return list(action.choices)


def act(action: PowerAction, server: Server, *, choice: str, actor: Actor, now: datetime) -> None:
    """Ask for it.

    Raises:
        CloudError: what the use case raises.
    """
    uses: dict[str, Callable[..., None]] = {
        "start": start_server,
        "stop": stop_server,
        "reboot": reboot_server,
        "delete": delete_server,
    }
    extra: dict[str, Any] = {"hard": choice == "HARD"} if action.name == "reboot" else {}
    uses[action.name](server=server, actor=actor, now=now, **extra)
