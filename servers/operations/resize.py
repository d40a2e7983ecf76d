"""Resize and cold migration: the server stops, its disks go to another host, and it starts there.

Until the last step nothing of the server's row says so: whatever fails before is undone, and the
server goes on where it was. Its source keeps its guest and disks until the move is confirmed. On
its own host, where there is none with room, its disks are kept beside instead.

What a failed move left on another host is a debt there, so that nobody waits for that host.
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction
from django.utils import timezone

from hypervisors import guests
from hypervisors.guests import DiskSpec
from networks import server_ports
from operations.kinds import Context, Kind, Step
from quotas.consume import hold_exactly
from servers import history
from servers.errors import InvalidState
from servers.models import Migration, Server
from servers.moves import amounts_of, as_before, own
from servers.operations.events import begin_event, end_event
from servers.operations.moving import (
    FINISH,
    MIGRATE,
    PREPARE,
    SCHEDULE,
    SEND,
    define_at,
    migration_of,
    move_of,
    note,
    start_with_leases,
    task,
)
from servers.operations.power import CLEAN_STOP_S
from servers.operations.resize_disks import (
    base_queue,
    bring_bases,
    copy_disks,
    copy_queue,
    look,
    prepare_disks,
    put_back,
)
from servers.operations.resize_place import place, unplace
from servers.resize import RESIZE
from servers.states import MigrationStatus, PowerState, TaskState, VmState

logger = logging.getLogger(__name__)

DEADLINE_S = 6 * 3600.0


def stop_guest(context: Context) -> None:
    """Switch the guest off, cleanly if it does so in time."""
    move = move_of(context)
    end_event(context, PREPARE, move.destination.name)
    begin_event(context, SEND, move.source.name)
    task(context, TaskState.RESIZE_MIGRATING)
    note(context, MigrationStatus.MIGRATING)
    guests.stop_guest(move.source, context.subject, CLEAN_STOP_S)


def start_again(context: Context) -> None:
    """Let the guest run where it was, if it did."""
    move = move_of(context)
    if move.is_to_run:
        guests.start_guest(move.source, context.subject)


def define_guest(context: Context) -> None:
    """Make the ports real there, and define the guest with the new flavor."""
    move = move_of(context)
    made = [DiskSpec(**each) for each in context.outputs["prepare_disks"]["disks"]]
    define_at(move.moved(), move.destination, made)


def start_guest(context: Context) -> None:
    """Have its addresses given by DHCP there, and start the guest if it ran before."""
    move = move_of(context)
    start_with_leases(move.server, move.destination, is_to_run=move.is_to_run)


def remove_moved_guest(context: Context) -> None:
    """Before the guest runs where it was, it may not run on the other host."""
    move = move_of(context)
    if not move.stays:
        guests.remove_guest(move.destination, context.subject)


def finish(context: Context) -> None:
    """The server is there, and waits to be confirmed."""
    now = timezone.now()
    move = move_of(context)
    if move.migration.status == MigrationStatus.FINISHED:
        return
    server = move.moved()
    power = PowerState.RUNNING if move.is_to_run else PowerState.SHUTDOWN
    with transaction.atomic():
        changed = own(context.subject).update(
            vm_state=VmState.RESIZED,
            task_state=None,
            power_state=power,
            progress=0,
            flavor=server.flavor,
            request_spec=server.request_spec,
            hypervisor=move.destination,
            availability_zone=server.availability_zone,
            generation=server.generation,
            updated_at=now,
        )
        if not changed:
            raise InvalidState(f"Instance {context.subject} was changed while it was resized.")
        note(context, MigrationStatus.FINISHED)
        server_ports.mark_ports_active(
            server_id=context.subject, host=move.destination.name, now=now
        )
        end_event(context, FINISH, move.destination.name)


def unfinish(context: Context) -> None:
    """The row says again what it said before."""
    move = move_of(context)
    if move.migration.status != MigrationStatus.FINISHED:
        return
    now = timezone.now()
    back = as_before(move.server, move.migration)
    with transaction.atomic():
        Server.objects.alive().filter(pk=context.subject, vm_state=VmState.RESIZED).update(
            vm_state=move.migration.before["vm_state"],
            task_state=TaskState.RESIZE_FINISH,
            power_state=move.migration.before["power_state"],
            flavor=back.flavor,
            request_spec=back.request_spec,
            hypervisor=move.source,
            availability_zone=back.availability_zone,
            updated_at=now,
        )
        server_ports.mark_ports_active(server_id=context.subject, host=move.source.name, now=now)
        note(context, MigrationStatus.POST_MIGRATING)


def on_failed(context: Context, error: dict[str, Any]) -> None:
    """The server is as it was; the action and the record say why."""
    now = timezone.now()
    migration = migration_of(context)
    own(context.subject).update(task_state=None, progress=0, updated_at=now)
    server = Server.objects.alive().filter(pk=context.subject).first()
    if server is not None:
        hold_exactly(
            project_id=server.project_id,
            subject=server.pk,
            amounts=amounts_of(server.flavor),
            now=now,
            user_id=server.user_id,
        )
    note(context, MigrationStatus.ERROR)
    message, detail = str(error.get("message", "")), str(error.get("detail", ""))
    end_open_events(context, migration, message)
    history.mark_action_failed(server_id=context.subject, request_id=context.request_id, now=now)
    history.record_fault(server_id=context.subject, message=message, details=detail, now=now)


def end_open_events(context: Context, migration: Migration, message: str) -> None:
    """The event that was under way ends with the error."""
    done = context.outputs
    if "place" not in done:
        end_event(context, MIGRATE, error=message)
        end_event(context, SCHEDULE, error=message)
    elif "copy_disks" in done:
        end_event(context, FINISH, migration.destination_name, error=message)
    else:
        name, host = (SEND, migration.source_name) if "stop_guest" in done else (
            PREPARE, migration.destination_name
        )  # fmt: skip
        end_event(context, name, host, error=message)


def go_on(context: Context) -> None:
    """The destination is away: what it has of the server is a debt in any case (`unplace`)."""
    logger.warning("Server %s goes back while its destination is away.", context.subject)


RESIZE_KIND = Kind(
    RESIZE,
    steps=[
        Step("place", place, unplace),
        Step("stop_guest", stop_guest, start_again),
        Step("look", look),
        Step("bring_bases", bring_bases, queue=base_queue),
        Step("copy_disks", copy_disks, put_back, queue=copy_queue),
        Step("prepare_disks", prepare_disks),
        Step("define_guest", define_guest),
        Step("start_guest", start_guest, remove_moved_guest, on_host=True),
        # In one transaction; what follows is for the confirmation.
        Step("finish", finish, unfinish),
    ],
    retries=5,
    deadline_s=DEADLINE_S,
    on_failed=on_failed,
    postpone=go_on,
)
