"""Resize and cold migration: the server stops, its disks go to another host, and it starts there.

Until the last step nothing of the server's row says so: whatever fails before is undone, and the
server goes on where it was. Its source keeps its guest and disks until the move is confirmed. On
its own host, where there is none with room, its disks are kept beside instead.

What a failed move left on another host is a debt there, so that nobody waits for that host.
"""

from __future__ import annotations

import dataclasses
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from hypervisors import cold_copy, disks, guests
from hypervisors.cold_copy import Disk
from hypervisors.errors import ImageBeingUploaded
from hypervisors.guests import DiskSpec
from hypervisors.models import Hypervisor
from images.bring import bring_to_host
from images.models import Image, ImageStatus
from networks import server_ports, wiring
from operations.errors import Wait
from operations.kinds import DEFAULT_QUEUE, TRANSFER_QUEUE, Context, Kind, Step
from quotas.consume import hold_exactly
from scheduling.errors import NoValidHost
from scheduling.models import Allocation
from scheduling.place import place_server
from scheduling.request_spec import RequestSpec
from scheduling.stay import hold_just, stay_on_host
from servers import history
from servers.attached_volumes import attachments_of
from servers.config_drive import config_drive
from servers.destination import hosts_owing
from servers.errors import InvalidState
from servers.guest_spec import disk_plan, guest_facts, guest_spec
from servers.models import Migration, Server
from servers.moves import (
    COLD,
    UNDER_WAY,
    amounts_of,
    as_before,
    as_moved,
    end_cold_moves,
    goes_to,
    own,
)
from servers.operations.build import zone_of
from servers.operations.cleanup import enqueue_cleanup
from servers.operations.facts import server_of
from servers.operations.power import CLEAN_STOP_S
from servers.options import pool_of
from servers.resize import RESIZE
from servers.states import MigrationStatus, MigrationType, PowerState, TaskState, VmState

logger = logging.getLogger(__name__)

DEADLINE_S = 6 * 3600.0
SCHEDULE, MIGRATE = "conductor_migrate_server", "cold_migrate"
PREPARE, SEND, FINISH = "compute_prep_resize", "compute_resize_instance", "compute_finish_resize"
# Made anew with the new flavor; the others are the guest's own.
RENEWED = ("swap", "config")


@dataclasses.dataclass(frozen=True)
class Move:
    """A move and what it is of; `server` as its row says, on `source`."""

    server: Server
    migration: Migration
    source: Hypervisor
    destination: Hypervisor

    @property
    def stays(self) -> bool:
        """Whether the server stays on its host."""
        return self.source.pk == self.destination.pk

    @property
    def is_to_run(self) -> bool:
        """Whether the guest ran when it began."""
        return bool(self.migration.before["vm_state"] == VmState.ACTIVE)

    def moved(self) -> Server:
        """The server, in memory alone, as it is to be."""
        return as_moved(self.server, self.migration, zone_of(self.destination))


def migration_of(context: Context) -> Migration:
    """The move's record, with its hosts."""
    rows = Migration.objects.select_related("source", "destination")
    return rows.get(pk=context.params["migration"])


def move_of(context: Context) -> Move:
    """The move once it has a destination.

    Raises:
        NoValidHost: one of its hosts was removed.
    """
    migration = migration_of(context)
    if migration.source is None or migration.destination is None:
        raise NoValidHost("A host of this move has been removed.")
    return Move(server_of(context), migration, migration.source, migration.destination)


def place(context: Context) -> dict[str, Any]:
    """Choose a host and claim its resources; the server's own one where no other has room."""
    migration = migration_of(context)
    if migration.source is None:
        raise NoValidHost("The server's host has been removed.")
    if migration.destination is None:
        begin_event(context, SCHEDULE)
        begin_event(context, MIGRATE)
        _choose(context, migration, migration.source)
        migration = migration_of(context)
    host = migration.destination_name
    end_event(context, MIGRATE)
    end_event(context, SCHEDULE)
    begin_event(context, PREPARE, host)
    return {"host": host}


def _choose(context: Context, migration: Migration, source: Hypervisor) -> None:
    server = server_of(context)
    spec = RequestSpec.from_json(migration.before["new_request_spec"])
    asked: dict[str, Any] = {
        "server_id": server.pk,
        "operation_id": context.operation_id,
        "request_id": context.request_id,
        "now": timezone.now(),
    }
    # What an earlier move left is still to be taken away: the server cannot come there.
    held = Allocation.objects.filter(server_id=server.pk, created_at__lt=migration.created_at)
    without = list(held.values_list("hypervisor__name", flat=True))
    without += [host.name for host in hosts_owing(server.pk)]
    wanted = dataclasses.replace(spec, wanted_host=context.params["host"])
    try:
        _refuse_bound(server)
        allocation = place_server(spec=wanted, without=[source.name, *without], **asked)
        destination = allocation.hypervisor
        rows = Migration.objects.filter(pk=migration.pk)
        rows.update(**goes_to(destination), updated_at=timezone.now())
    except NoValidHost as refusal:
        if migration.type == MigrationType.MIGRATION:
            raise
        _stay(migration, source, spec, asked, refusal)


def _refuse_bound(server: Server) -> None:
    if attachments_of(server):
        raise NoValidHost("No valid host was found. The server's volumes are on its host.")


def _stay(
    migration: Migration,
    source: Hypervisor,
    spec: RequestSpec,
    asked: dict[str, Any],
    refusal: NoValidHost,
) -> None:
    with transaction.atomic():
        rows = Migration.objects.select_for_update().filter(pk=migration.pk, destination=None)
        if not rows.exists():
            return
        try:
            stay_on_host(hypervisor=source, spec=spec, **asked)
        except NoValidHost as also:
            raise NoValidHost(f"{refusal} {also}") from also
        Migration.objects.filter(pk=migration.pk).update(
            **goes_to(source), updated_at=timezone.now()
        )


def unplace(context: Context) -> None:
    """Have the destination rid of all that came there, or hold just what the server has here."""
    migration = migration_of(context)
    destination = migration.destination or _noted_nowhere(context, migration)
    if destination is None:
        return
    if destination.pk != migration.source_id:
        # It gives the claim back, now or when the host is there.
        enqueue_cleanup(
            server_id=context.subject,
            hypervisor=destination,
            ports=wiring.port_facts(context.subject),
            request_id=context.request_id,
        )
        return
    hold_just(
        server_id=context.subject,
        hypervisor_id=destination.pk,
        spec=RequestSpec.from_json(migration.before["request_spec"]),
        now=timezone.now(),
    )


def abandon(server_id: UUID, *, request_id: str, now: datetime) -> None:
    """Book what a move that was cut short has at its destination as a debt there."""
    cut_short = Migration.objects.select_related("destination").filter(
        server_id=server_id, type__in=COLD, status__in=UNDER_WAY
    )
    for migration in cut_short:
        host = migration.destination
        if host is not None and host.pk != migration.source_id:
            enqueue_cleanup(
                server_id=server_id,
                hypervisor=host,
                ports=wiring.port_facts(server_id),
                request_id=request_id,
            )
    end_cold_moves(server_id, now=now)


def _noted_nowhere(context: Context, migration: Migration) -> Hypervisor | None:
    """A host that was claimed by a worker that died before it could say so."""
    held = Allocation.objects.select_related("hypervisor").filter(
        server_id=context.subject, created_at__gte=migration.created_at
    )
    found = held.exclude(hypervisor=migration.source).first()
    return found.hypervisor if found else None


def stop_guest(context: Context) -> None:
    """Switch the guest off, cleanly if it does so in time."""
    move = move_of(context)
    end_event(context, PREPARE, move.destination.name)
    begin_event(context, SEND, move.source.name)
    _task(context, TaskState.RESIZE_MIGRATING)
    _note(context, MigrationStatus.MIGRATING)
    guests.stop_guest(move.source, context.subject, CLEAN_STOP_S)


def start_again(context: Context) -> None:
    """Let the guest run where it was, if it did."""
    move = move_of(context)
    if move.is_to_run:
        guests.start_guest(move.source, context.subject)


def look(context: Context) -> dict[str, Any]:
    """See what disks there are."""
    move = move_of(context)
    found = cold_copy.disks_to_move(
        move.source, context.subject, has_root=move.server.image_id is not None
    )
    return {"disks": [dataclasses.asdict(disk) for disk in found]}


def _disks(context: Context) -> list[Disk]:
    return [Disk(**each) for each in context.outputs["look"]["disks"]]


def bring_bases(context: Context) -> None:
    """Have on the other host what the disks lie over."""
    move = move_of(context)
    if move.stays:
        return
    for disk in _disks(context):
        if disk.base:
            _bring_base(context, move, disk)


def _bring_base(context: Context, move: Move, disk: Disk) -> None:
    """From the catalogue, or where the image was deleted, from the server's host."""
    image = Image.objects.filter(
        pk=cold_copy.image_of_base(disk.base), status=ImageStatus.ACTIVE
    ).first()
    pool = pool_of(move.server, move.destination)
    if image is not None and disk.base.endswith(f"-{image.sha256[:16]}"):
        bring_to_host(
            image=image,
            hypervisor=move.destination,
            operation_id=context.operation_id,
            pool_name=pool.name,
        )
        return
    try:
        cold_copy.bring_base(
            disk.base,
            (move.source, disk.pool),
            pool,
            operation_id=context.operation_id,
            now=timezone.now(),
        )
    except ImageBeingUploaded as busy:
        raise Wait(str(busy)) from busy


def copy_disks(context: Context) -> None:
    """Bring the disks to the other host, or keep them as they are beside."""
    move, found = move_of(context), _disks(context)
    if move.stays:
        cold_copy.keep_disks(move.source, context.subject, found)
    else:
        total = sum(disk.allocation_bytes for disk in found)
        before = 0
        for disk in found:
            _copy(context, move, disk, before, total)
            before += disk.allocation_bytes
    _task(context, TaskState.RESIZE_MIGRATED)
    _note(context, MigrationStatus.POST_MIGRATING)
    end_event(context, SEND, move.source.name)
    begin_event(context, FINISH, move.destination.name)


def _copy(context: Context, move: Move, disk: Disk, before: int, total: int) -> None:
    def watch(done: int) -> None:
        context.checkpoint()
        share = min(99, 100 * (before + done) // total) if total else 0
        Server.objects.filter(pk=context.subject).update(progress=share)

    watch(0)
    pool = pool_of(move.server, move.destination)
    cold_copy.copy_disk(disk, source=move.source, target=pool, watch=watch)


def put_back(context: Context) -> None:
    """On the server's own host its disks and guest as they were; elsewhere there is a debt."""
    move = move_of(context)
    if not move.stays:
        return
    if move.server.task_state != TaskState.RESIZE_FINISH:
        cold_copy.drop_kept(move.source, context.subject)
        return
    if guests.guest_info(move.source, context.subject) is not None:
        guests.stop_guest(move.source, context.subject, 0)
    restore_in_place(move)


def restore_in_place(move: Move) -> None:
    """Give the server, on its own host, the disks that were kept, and the guest that it had."""
    server = as_before_move(move)
    cold_copy.put_back(move.source, server.pk)
    plan = disk_plan(server, base_volume=None, config_drive=_drive(server))
    pool = pool_of(server, move.source).name
    wanted = [disk.volume for disk in disks.disk_specs(pool, server.pk, plan)]
    kept = [f"{server.pk}_console.log"]
    cold_copy.drop_others(move.source, server.pk, [*wanted, *kept])
    made = disks.renew_disks(move.source, pool, server.pk, plan, RENEWED)
    define_at(server, move.source, made)


def as_before_move(move: Move) -> Server:
    """The server, in memory alone, as it was."""
    return as_before(move.server, move.migration)


def prepare_disks(context: Context) -> dict[str, Any]:
    """Let the disks grow to the new flavor, and make swap and config drive for it."""
    _task(context, TaskState.RESIZE_FINISH)
    move = move_of(context)
    server = move.moved()
    plan = disk_plan(server, base_volume=None, config_drive=_drive(server))
    pool = pool_of(server, move.destination).name
    made = disks.renew_disks(move.destination, pool, server.pk, plan, RENEWED)
    return {"disks": [dataclasses.asdict(disk) for disk in made]}


def _drive(server: Server) -> bytes | None:
    return config_drive(guest_facts(server)) if server.has_config_drive else None


def define_guest(context: Context) -> None:
    """Make the ports real there, and define the guest with the new flavor."""
    move = move_of(context)
    made = [DiskSpec(**each) for each in context.outputs["prepare_disks"]["disks"]]
    define_at(move.moved(), move.destination, made)


def define_at(server: Server, host: Hypervisor, made: Any) -> None:
    """Have the guest of a server, as it is in memory, defined on a host, off."""
    wired = wiring.wire_ports(hypervisor=host, server_id=server.pk)
    guests.define_guest(host, guest_spec(server, host, disks=made, wired=wired))


def start_guest(context: Context) -> None:
    """Start the guest if it ran before, with its addresses given by DHCP."""
    move = move_of(context)
    if move.is_to_run:
        start_with_leases(move.server, move.destination)


def start_with_leases(server: Server, host: Hypervisor) -> None:
    """Start a server's guest and have its addresses given by DHCP."""
    leases = wiring.leases_of(server.pk)
    with ThreadPoolExecutor(1) as beside:
        leasing = beside.submit(
            wiring.lease_addresses, hypervisor=host, leases=leases, hostname=server.hostname
        )
        guests.start_guest(host, server.pk)
        leasing.result()


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
        _note(context, MigrationStatus.FINISHED)
        if move.is_to_run:
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
        if move.is_to_run:
            server_ports.mark_ports_active(
                server_id=context.subject, host=move.source.name, now=now
            )
        _note(context, MigrationStatus.POST_MIGRATING)


def on_failed(context: Context, error: dict[str, Any]) -> None:
    """The server is as it was; the action and the record say why."""
    now = timezone.now()
    migration = migration_of(context)
    server = Server.objects.alive().filter(pk=context.subject).first()
    if server is not None and own(context.subject).update(
        task_state=None, progress=0, updated_at=now
    ):
        hold_exactly(
            project_id=server.project_id,
            subject=server.pk,
            amounts=amounts_of(server.flavor),
            now=now,
            user_id=server.user_id,
        )
    _note(context, MigrationStatus.ERROR)
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


def begin_event(context: Context, event: str, host: str = "") -> None:
    """An event of the operation's action begins."""
    history.begin_event(
        server_id=context.subject,
        request_id=context.request_id,
        event=event,
        host=host,
        now=timezone.now(),
    )


def end_event(context: Context, event: str, host: str = "", error: str = "") -> None:
    """An event of the operation's action ends."""
    history.end_event(
        server_id=context.subject,
        request_id=context.request_id,
        event=event,
        host=host,
        error=error,
        now=timezone.now(),
    )


def _task(context: Context, task: TaskState) -> None:
    own(context.subject).update(task_state=task, updated_at=timezone.now())


def _note(context: Context, status: MigrationStatus) -> None:
    Migration.objects.filter(pk=context.params["migration"]).update(
        status=status, updated_at=timezone.now()
    )


def _copy_queue(context: Context) -> str:
    """Minutes of copying must not hold up reboots and deletes."""
    return TRANSFER_QUEUE


def _base_queue(context: Context) -> str:
    migration = migration_of(context)
    if migration.destination is None or migration.destination_id == migration.source_id:
        return DEFAULT_QUEUE
    return TRANSFER_QUEUE


def go_on(context: Context) -> None:
    """The destination is away: what it has of the server is a debt in any case (`unplace`)."""
    logger.warning("Server %s goes back while its destination is away.", context.subject)


RESIZE_KIND = Kind(
    RESIZE,
    steps=[
        Step("place", place, unplace),
        Step("stop_guest", stop_guest, start_again),
        Step("look", look),
        Step("bring_bases", bring_bases, queue=_base_queue),
        Step("copy_disks", copy_disks, put_back, queue=_copy_queue),
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
