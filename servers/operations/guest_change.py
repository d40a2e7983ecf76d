"""An operation that is one change of a guest by its host, between the notes of its event."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from hypervisors.errors import GuestNotFound
from hypervisors.models import Hypervisor
from operations.engine import POSTPONED
from operations.kinds import Context, Kind, Step
from servers import history
from servers.models import Server
from servers.operations.facts import server_of
from servers.states import TaskState, VmState

logger = logging.getLogger(__name__)

DEADLINE_S = 600.0


@dataclass(frozen=True)
class Change:
    """What is done to the guest, and what its server is before and after.

    `act` gets the server and its host. `tasks` are the ones that the operation's own row may be
    in: of a server that something else has taken over meanwhile the state is left alone. `after`
    are the fields of one that went well. `undo` brings the guest back, and `undone` are the fields
    then; with a host that is away it is given up. `failed` are those after any failure.
    `may_be_lost`: after a failure nobody knows how the guest is, so the server goes to ERROR,
    unless that was undone.
    """

    kind: str
    event: str
    act: Callable[[Server, Hypervisor, Context], None]
    tasks: Collection[TaskState] = ()
    after: Mapping[str, object] = field(default_factory=dict)
    undo: Callable[[Server, Hypervisor], None] | None = None
    undone: Mapping[str, object] = field(default_factory=dict)
    failed: Mapping[str, object] = field(default_factory=dict)
    may_be_lost: bool = False
    deadline_s: float = DEADLINE_S

    def operation(self) -> Kind:
        """The kind of operation that does it."""
        return Kind(
            self.kind,
            steps=[
                Step("begin", self._begin),
                # Where there is no undo: switching a guest back would be a second surprise, not a
                # repair.
                Step("act", self._act, self._undo if self.undo else None, on_host=True),
                Step("end", self._end),
            ],
            retries=5,
            deadline_s=self.deadline_s,
            on_failed=self._on_failed,
            postpone=_give_up if self.undo else None,
        )

    def _begin(self, context: Context) -> dict[str, Any]:
        """Note the start of the event."""
        host = _host_of(server_of(context))
        history.begin_event(**self._of_event(context, host.name), now=timezone.now())
        return {"host": host.name}

    def _act(self, context: Context) -> None:
        """Change the guest."""
        server = server_of(context)
        self.act(server, _host_of(server), context)

    def _undo(self, context: Context) -> None:
        """Bring the guest back to how it was."""
        server = server_of(context)
        if self.undo is not None and server.hypervisor is not None:
            self.undo(server, server.hypervisor)

    def _end(self, context: Context) -> None:
        """Note the new state and the end of the event together."""
        now = timezone.now()
        with transaction.atomic():
            if self.after:
                self._own(context).update(task_state=None, updated_at=now, **self.after)
            host = context.outputs["begin"]["host"]
            history.end_event(**self._of_event(context, host), now=now)

    def _on_failed(self, context: Context, error: dict[str, Any]) -> None:
        """The action says that it failed; the server keeps its state where that is known."""
        now = timezone.now()
        fields = {"task_state": None, "updated_at": now, **self.failed, **self._failed(context)}
        self._own(context).update(**fields)
        host = (context.outputs.get("begin") or {}).get("host", "")
        message, detail = str(error.get("message", "")), str(error.get("detail", ""))
        history.end_event(**self._of_event(context, host), error=message, now=now)
        history.mark_action_failed(
            server_id=context.subject, request_id=context.request_id, now=now
        )
        history.record_fault(server_id=context.subject, message=message, details=detail, now=now)

    def _failed(self, context: Context) -> Mapping[str, object]:
        if "begin" not in context.outputs:
            return {}
        if self.undo is not None and POSTPONED not in context.outputs:
            return self.undone
        return {"vm_state": VmState.ERROR} if self.may_be_lost else {}

    def _own(self, context: Context) -> Any:
        mine = Q(task_state=None) | Q(task_state__in=self.tasks)
        return Server.objects.alive().filter(mine, pk=context.subject)

    def _of_event(self, context: Context, host: str) -> dict[str, Any]:
        return {
            "server_id": context.subject,
            "request_id": context.request_id,
            "event": self.event,
            "host": host,
        }


def _host_of(server: Server) -> Hypervisor:
    if server.hypervisor is None:
        raise GuestNotFound("The server is on no host.")
    return server.hypervisor


def _give_up(context: Context) -> None:
    """Nothing is booked: the server goes to ERROR, and whoever wants it back reboots it hard."""
    logger.warning("Server %s is left as it is: its host does not undo it.", context.subject)
