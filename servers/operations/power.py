"""Start, stop and reboot: what is done to the guest, and what the server's state becomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.utils import timezone

from hypervisors import guests
from hypervisors.errors import GuestNotFound
from hypervisors.models import Hypervisor
from operations.kinds import Context, Kind, Step
from servers import history
from servers.models import Server
from servers.operations.facts import server_of
from servers.states import PowerState, TaskState, VmState

# A guest has so long to stop by itself before it is switched off.
CLEAN_STOP_S = 60.0


def _host_of(server: Server) -> Hypervisor:
    if server.hypervisor is None:
        raise GuestNotFound("The server is on no host.")
    return server.hypervisor


def _begin(event: str) -> Callable[[Context], dict[str, Any]]:
    def begin(context: Context) -> dict[str, Any]:
        """Note the start of the event."""
        host = _host_of(server_of(context))
        history.begin_event(
            server_id=context.subject,
            request_id=context.request_id,
            event=event,
            host=host.name,
            now=timezone.now(),
        )
        return {"host": host.name}

    return begin


def _end(event: str, **state: object) -> Callable[[Context], None]:
    def end(context: Context) -> None:
        """Note the new state and the end of the event together."""
        now = timezone.now()
        with transaction.atomic():
            Server.objects.change(context.subject, task_state=None, updated_at=now, **state)
            history.end_event(
                server_id=context.subject,
                request_id=context.request_id,
                event=event,
                host=context.outputs["begin"]["host"],
                now=now,
            )

    return end


def _on_failed(event: str) -> Callable[[Context, dict[str, Any]], None]:
    def on_failed(context: Context, error: dict[str, Any]) -> None:
        """The server keeps its state; the action says that it failed."""
        now = timezone.now()
        Server.objects.change(context.subject, task_state=None, updated_at=now)
        history.end_event(
            server_id=context.subject,
            request_id=context.request_id,
            event=event,
            host=(context.outputs.get("begin") or {}).get("host", ""),
            error=str(error.get("message", "")),
            now=now,
        )
        history.mark_action_failed(
            server_id=context.subject, request_id=context.request_id, now=now
        )
        history.record_fault(
            server_id=context.subject,
            message=str(error.get("message", "")),
            details=str(error.get("detail", "")),
            now=now,
        )

    return on_failed


def _start(context: Context) -> None:
    server = server_of(context)
    guests.start_guest(_host_of(server), server.pk)


def _stop(context: Context) -> None:
    server = server_of(context)
    guests.stop_guest(_host_of(server), server.pk, CLEAN_STOP_S)


def _reboot(context: Context) -> None:
    server = server_of(context)
    hard = bool(context.params.get("hard"))
    task = TaskState.REBOOT_STARTED_HARD if hard else TaskState.REBOOT_STARTED
    Server.objects.change(server.pk, task_state=task)
    guests.reboot_guest(_host_of(server), server.pk, hard=hard)


def _power_kind(name: str, event: str, act: Callable[[Context], None], **state: object) -> Kind:
    return Kind(
        name,
        steps=[
            # No undo: switching a guest back would be a second surprise, not a repair.
            Step("begin", _begin(event)),
            Step("act", act, on_host=True),
            Step("end", _end(event, **state)),
        ],
        retries=5,
        deadline_s=600,
        on_failed=_on_failed(event),
    )


START = _power_kind(
    "server.start",
    "compute_start_instance",
    _start,
    vm_state=VmState.ACTIVE,
    power_state=PowerState.RUNNING,
)
STOP = _power_kind(
    "server.stop",
    "compute_stop_instance",
    _stop,
    vm_state=VmState.STOPPED,
    power_state=PowerState.SHUTDOWN,
)
REBOOT = _power_kind(
    "server.reboot",
    "compute_reboot_instance",
    _reboot,
    vm_state=VmState.ACTIVE,
    power_state=PowerState.RUNNING,
)
