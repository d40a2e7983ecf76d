"""Revert a resize or migration: the server goes back to where and what it was.

First its guest is gone from where it is: until then a failure changes nothing. Then its row says
that it is back, and a failure leaves it there in ERROR, with its disks as they were. What is left
on the other host is a debt there.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from hypervisors import guests
from networks import server_ports, wiring
from operations.kinds import Context, Kind, Step
from quotas.consume import hold_exactly
from scheduling.request_spec import RequestSpec
from scheduling.stay import hold_just
from servers import history
from servers.guest_spec import server_disks
from servers.models import Migration, Server
from servers.moves import amounts_of, as_before
from servers.operations.cleanup import enqueue_cleanup
from servers.operations.events import begin_event, end_event
from servers.operations.moving import (
    Move,
    define_at,
    migration_of,
    move_of,
    note,
    start_with_leases,
)
from servers.operations.resize_disks import restore_in_place
from servers.resize import REVERT
from servers.states import MigrationStatus, PowerState, TaskState, VmState

EVENT, FINISH = "compute_revert_resize", "compute_finish_revert_resize"


def begin(context: Context) -> dict[str, Any]:
    """Note what is where."""
    migration = migration_of(context)
    begin_event(context, EVENT, migration.destination_name)
    note(context, MigrationStatus.REVERTING)
    return {"host": migration.destination_name, "back": migration.source_name}


def remove_guest(context: Context) -> None:
    """Switch the guest off where it is; on another host it is forgotten there."""
    move = move_of(context)
    if not move.stays:
        guests.remove_guest(move.destination, context.subject)
    elif guests.guest_info(move.source, context.subject) is not None:
        guests.stop_guest(move.source, context.subject, 0)


def go_back(context: Context) -> None:
    """From here on the server is where and what it was; the rest of the other host is a debt."""
    now = timezone.now()
    move = move_of(context)
    generation = move.server.generation + 1
    back = as_before(move.server, move.migration)
    with transaction.atomic():
        changed = (
            _own(context)
            .exclude(vm_state=VmState.ERROR)
            .update(
                flavor=back.flavor,
                request_spec=back.request_spec,
                hypervisor=move.source,
                availability_zone=back.availability_zone,
                power_state=PowerState.SHUTDOWN,
                generation=generation,
                updated_at=now,
            )
        )
        if changed and not move.stays:
            enqueue_cleanup(
                server_id=context.subject,
                hypervisor=move.destination,
                ports=wiring.port_facts(context.subject),
                request_id=context.request_id,
            )
        end_event(context, EVENT, move.destination.name)
        begin_event(context, FINISH, move.source.name)


def define_guest(context: Context) -> None:
    """Have the guest of before on its host, with its disks and ports."""
    move = move_of(context)
    if move.keeps_beside:
        restore_in_place(move)
        return
    server = as_before(move.server, move.migration)
    define_at(server, move.source, server_disks(server, move.source))


def start_guest(context: Context) -> None:
    """Start the guest, if it ran before."""
    move = move_of(context)
    start_with_leases(move.server, move.source, is_to_run=move.is_to_run)


def end(context: Context) -> None:
    """The server is what it was."""
    now = timezone.now()
    move = move_of(context)
    fields = {"vm_state": VmState.STOPPED, "power_state": PowerState.SHUTDOWN}
    if move.is_to_run:
        fields = {"vm_state": VmState.ACTIVE, "power_state": PowerState.RUNNING}
    with transaction.atomic():
        _own(context).update(**fields, task_state=None, progress=0, updated_at=now)
        _hold_as_before(move)
        server_ports.mark_ports_active(server_id=context.subject, host=move.source.name, now=now)
        note(context, MigrationStatus.REVERTED)
        end_event(context, FINISH, move.source.name)


def _hold_as_before(move: Move) -> None:
    now = timezone.now()
    server = as_before(move.server, move.migration)
    hold_exactly(
        project_id=server.project_id,
        subject=server.pk,
        amounts=amounts_of(server.flavor),
        now=now,
        user_id=server.user_id,
    )
    hold_just(
        server_id=server.pk,
        hypervisor_id=move.source.pk,
        spec=RequestSpec.from_json(server.request_spec),
        now=now,
    )


def on_failed(context: Context, error: dict[str, Any]) -> None:
    """Still resized, or back in ERROR; the action says why."""
    now = timezone.now()
    migration = migration_of(context)
    message, detail = str(error.get("message", "")), str(error.get("detail", ""))
    if _is_back(context, migration):
        move = move_of(context)
        if _own(context).update(vm_state=VmState.ERROR, task_state=None, updated_at=now):
            _hold_as_before(move)
            note(context, MigrationStatus.ERROR)
        end_event(context, FINISH, migration.source_name, error=message)
    else:
        _own(context).update(task_state=None, updated_at=now)
        note(context, MigrationStatus.FINISHED)
        end_event(context, EVENT, migration.destination_name, error=message)
    history.mark_action_failed(server_id=context.subject, request_id=context.request_id, now=now)
    history.record_fault(server_id=context.subject, message=message, details=detail, now=now)


def _is_back(context: Context, migration: Migration) -> bool:
    """Whether the row says so."""
    back = Server.objects.filter(
        pk=context.subject,
        hypervisor=migration.source,
        flavor__flavorid=migration.before["flavor"]["flavorid"],
    )
    return back.exists()


def _own(context: Context) -> Any:
    """The server's row while it is this operation's to change."""
    rows = Server.objects.alive().filter(pk=context.subject)
    return rows.filter(task_state=TaskState.RESIZE_REVERTING)


REVERT_KIND = Kind(
    REVERT,
    steps=[
        # No undo anywhere: it goes back, which is what an undo would be.
        Step("begin", begin),
        Step("remove_guest", remove_guest),
        Step("go_back", go_back),
        Step("define_guest", define_guest),
        Step("start_guest", start_guest),
        Step("end", end),
    ],
    retries=5,
    on_failed=on_failed,
)
