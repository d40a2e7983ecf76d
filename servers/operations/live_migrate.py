"""Live migration: a running server goes to another host, with its disks, and hardly notices.

Until the guest has been handed over nothing of the server's row changes; then the row follows in
one transaction with the debt of what is left on the source. Whoever comes after a worker that died
asks the hosts where the guest is (`hypervisors.settle`): it goes on from there. What a migration
that failed left on the destination is a debt there too, so nobody waits for that host. A guest that
was switched (post-copy) is waited for, however long a host is away: all else would cost it.
"""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from cloudportal.errors import CloudError, Unavailable
from hypervisors import move, settle
from hypervisors.errors import HostUnreachable, MoveRefused
from hypervisors.models import HostState, Hypervisor
from hypervisors.settle import Side
from images.models import Image
from networks import server_ports, wiring
from operations.errors import Wait
from operations.kinds import DEFAULT_QUEUE, TRANSFER_QUEUE, Context, Kind, Step
from operations.models import UNFINISHED, Operation
from scheduling.place import place_server, release_server
from servers import history
from servers.destination import hosts_owing, spec_of_move
from servers.errors import MigrationAborted
from servers.live_migration import ABORT, NOT_BEGUN, disks_stay
from servers.models import Migration, Server
from servers.operations import base_image
from servers.operations.build import zone_of
from servers.operations.departure import (
    destination_of,
    is_there,
    migration_of,
    names_to_avoid,
    note_destination,
    note_migration,
    owe,
)
from servers.operations.events import begin_event, end_event, fail_events
from servers.operations.facts import PLACE, chosen_host, host_of, server_of
from servers.operations.live_watch import ABORTED, LiveWatch, end_asked, has_switched
from servers.options import pool_of
from servers.states import MigrationStatus, MigrationType, TaskState, VmState

logger = logging.getLogger(__name__)

KIND = "server.live_migrate"
# Moves that leave one host at a time, unless asked otherwise: they share its network.
MOVES_AT_ONCE = 1
ROUNDS = 3
TURN_S = 1.0
SCHEDULE = "conductor_live_migrate_instance"
CHECK_DESTINATION = "compute_check_can_live_migrate_destination"
CHECK_SOURCE = "compute_check_can_live_migrate_source"
PREPARE = "compute_pre_live_migration"
MIGRATE = "compute_live_migration"
ARRIVE = "compute_post_live_migration_at_destination"
ROLL_BACK = "compute_rollback_live_migration_at_destination"


def _move(context: Context) -> move.Move:
    server, destination = server_of(context), destination_of(context)
    return move.Move(
        server_id=server.pk,
        source=host_of(server),
        destination=destination,
        pool=pool_of(server, destination).name,
        is_paused=server.vm_state == VmState.PAUSED,
        # One that is halted changes nothing, so its memory comes to its end anyway.
        may_post_copy=settings.LIVE_MIGRATION_POSTCOPY and server.vm_state != VmState.PAUSED,
    )


def _heed_abort(context: Context) -> None:
    if migration_of(context).asked == ABORT:
        raise MigrationAborted(ABORTED)


def place(context: Context) -> dict[str, Any]:
    """Choose a host other than the present one and claim its resources."""
    _heed_abort(context)
    server = server_of(context)
    source = host_of(server)
    if source.state != HostState.UP or source.is_forced_down:
        raise HostUnreachable("The server's host does not answer.", detail=source.name)
    begin_event(context, SCHEDULE)
    _check_wish(context, source)
    avoided = names_to_avoid(context, since=migration_of(context).created_at)
    allocation = place_server(
        server_id=server.pk,
        spec=spec_of_move(
            server, host=context.params["host"], is_forced=context.params["is_forced"]
        ),
        without=[source.name, *avoided, *move.hosts_unfit(source)],
        operation_id=context.operation_id,
        request_id=context.request_id,
        now=timezone.now(),
    )
    host = allocation.hypervisor
    note_destination(context, host)
    end_event(context, SCHEDULE)
    return {"hypervisor": host.pk, "host": host.name}


def _check_wish(context: Context, source: Hypervisor) -> None:
    """What was asked for and cannot be, is told by its reason rather than by a filter's name."""
    refusal = disks_stay(server_of(context), source, context.params["copies_disks"])
    wanted = Hypervisor.objects.filter(name=context.params["host"]).first()
    if wanted is not None and not refusal:
        refusal = move.obstacle(source, wanted)
    if refusal:
        raise MoveRefused(f"Migration pre-check error: {refusal}.")


def unplace(context: Context) -> None:
    """Give the claim back, unless the server is there now or something of it has to be removed."""
    placed = context.outputs.get(PLACE)
    with transaction.atomic():
        server = server_of(context)
        keeping = [host.name for host in hosts_owing(context.subject)]
        if server.hypervisor is not None:
            keeping.append(server.hypervisor.name)
        if placed is None or placed["host"] not in keeping:
            release_server(server_id=context.subject, but_on=keeping)


def take_turn(context: Context) -> None:
    """Wait until fewer servers leave the host; of those that wait none is before another."""
    _heed_abort(context)
    source = host_of(server_of(context))
    with transaction.atomic():
        Hypervisor.objects.select_for_update().get(pk=source.pk)
        at_work = Operation.objects.filter(kind=KIND, state__in=UNFINISHED)
        leaving = Migration.objects.filter(
            source=source,
            type=MigrationType.LIVE,
            status__in=(
                MigrationStatus.PREPARING,
                MigrationStatus.RUNNING,
                MigrationStatus.POST_MIGRATING,
            ),
            server_id__in=at_work.values("subject"),
        ).exclude(pk=context.params["migration"])
        # Those that were asked for before there was this have no word about it.
        if leaving.count() >= (context.params.get("at_once") or MOVES_AT_ONCE):
            raise Wait(f"Other servers are leaving {source}.", seconds=TURN_S)
        note_migration(context, status=MigrationStatus.PREPARING)


def check(context: Context) -> None:
    """See on both hosts whether the guest can move, before anything is made."""
    _heed_abort(context)
    wanted = _move(context)
    copies = context.params["copies_disks"]
    refusal = disks_stay(server_of(context), wanted.source, copies, wanted.destination)
    if refusal:
        raise MoveRefused(f"Migration pre-check error: {refusal}.")
    begin_event(context, CHECK_DESTINATION, wanted.destination.name)
    begin_event(context, CHECK_SOURCE, wanted.source.name)
    move.check_move(wanted, may_overcommit=context.params["may_overcommit"])
    end_event(context, CHECK_SOURCE, wanted.source.name)
    end_event(context, CHECK_DESTINATION, wanted.destination.name)


def bring_image(context: Context) -> None:
    """Have the image that the disks lie over at the destination; without it all is copied."""
    _heed_abort(context)
    server = server_of(context)
    image = Image.objects.filter(pk=server.image_id).first() if server.image_id else None
    if image is not None:
        base_image.bring(context, server, destination_of(context), image)


def _to_transfer(context: Context) -> str:
    """An image, or a guest's memory, may take minutes: reboots and deletes do not wait for it."""
    return DEFAULT_QUEUE if is_there(context) else TRANSFER_QUEUE


def prepare(context: Context) -> None:
    """Networks, filters and addresses of the ports, at the destination."""
    _heed_abort(context)
    server, host = server_of(context), destination_of(context)
    begin_event(context, PREPARE, host.name)
    wiring.wire_ports(hypervisor=host, server_id=server.pk)
    wiring.lease_addresses(
        hypervisor=host, leases=wiring.leases_of(server.pk), hostname=server.hostname
    )
    end_event(context, PREPARE, host.name)


def leave_destination(context: Context) -> None:
    """What was made at the destination is taken away there, when it answers; once is enough."""
    host = chosen_host(context)
    if host is not None and not is_there(context):
        owe(context, host)


def migrate(context: Context) -> None:
    """Let the guest go over, and the server's row follow it."""
    if is_there(context):
        return
    wanted = _move(context)
    if not _is_at_destination(context, wanted):
        _heed_abort(context)
        note_migration(context, status=MigrationStatus.RUNNING)
        begin_event(context, MIGRATE, wanted.source.name)
        try:
            move.move_guest(wanted, LiveWatch(context, wanted).look)
        except CloudError:
            if not has_switched(context) or not _is_at_destination(context, wanted):
                raise
    _arrive(context, wanted)


def _is_at_destination(context: Context, wanted: move.Move) -> bool:
    """Let the guest be on one host; whether that is the destination.

    Raises:
        Wait: it has been switched, and cannot be brought there now.
        CloudError: a host cannot be asked.
    """
    try:
        side = settle.settle(wanted)
        if side == Side.BETWEEN:
            note_migration(context, status=MigrationStatus.POST_MIGRATING)
            settle.finish_switched(wanted, LiveWatch(context, wanted).look)
            side = Side.DESTINATION
    except CloudError as error:
        if not has_switched(context):
            raise
        level = logging.INFO if isinstance(error, Unavailable) else logging.WARNING
        logger.log(level, "%s is on its way: %s %s", context.subject, error, error.detail)
        raise Wait(
            f"The rest of the guest's memory is on its way: {error}", seconds=TURN_S
        ) from error
    return side == Side.DESTINATION


def _arrive(context: Context, wanted: move.Move) -> None:
    """The server is at its destination: one transaction for all that says so."""
    try:
        move.bring_console(wanted)
    except CloudError as error:
        # A log is no reason to hold the server up: the guest is there.
        logger.warning("The console log of %s stays behind: %s", context.subject, error.detail)
    now = timezone.now()
    host = wanted.destination
    with transaction.atomic():
        mine = Server.objects.filter(hypervisor=wanted.source)
        if not mine.change(
            context.subject,
            hypervisor=host,
            availability_zone=zone_of(host),
            generation=F("generation") + 1,
            task_state=None,
            progress=0,
            updated_at=now,
        ):
            return  # it was deleted, or is elsewhere, and whoever did that sees to both hosts
        server_ports.mark_ports_active(server_id=context.subject, host=host.name, now=now)
        owe(context, wanted.source)
        note_migration(context, status=MigrationStatus.COMPLETED)
        end_event(context, MIGRATE, wanted.source.name)
        begin_event(context, ARRIVE, host.name)
        end_event(context, ARRIVE, host.name)
        if migration_of(context).asked == ABORT:
            end_asked(context, error="The server had arrived before.")


def come_back(context: Context) -> None:
    """After a failure the guest goes on where it is; that may be the destination after all."""
    if is_there(context):
        return
    wanted = _move(context)
    if _is_at_destination(context, wanted):
        _arrive(context, wanted)


def after_undo(context: Context, error: dict[str, Any]) -> bool:
    """Try another host, when nobody chose this one and it refused the guest."""
    host = chosen_host(context)
    if host is not None:
        error["host"] = host.name
    refused = error.get("type") == "MoveRefused" and host is not None
    if not refused or context.params["host"] or len(context.rounds) + 1 >= ROUNDS:
        return False
    fail_events(context, error)
    note_migration(context, status=MigrationStatus.QUEUED)
    return True


def on_failed(context: Context, error: dict[str, Any]) -> None:
    """The server is as before, free for the next request; the migration says what happened."""
    if is_there(context):
        return
    now = timezone.now()
    message, detail = str(error.get("message", "")), str(error.get("detail", ""))
    row = migration_of(context)
    status = MigrationStatus.FAILED
    if error.get("type") == MigrationAborted.__name__ and row.asked == ABORT:
        status = MigrationStatus.CANCELLED
        end_asked(context)
    elif row.status in NOT_BEGUN:
        status = MigrationStatus.ERROR
    note_migration(context, status=status)
    Server.objects.alive().filter(pk=context.subject, task_state=TaskState.MIGRATING).update(
        task_state=None, progress=0, updated_at=now
    )
    fail_events(context, error)
    if context.outputs.get(PLACE):
        host = context.outputs[PLACE]["host"]
        begin_event(context, ROLL_BACK, host)
        end_event(context, ROLL_BACK, host)
    history.mark_action_failed(server_id=context.subject, request_id=context.request_id, now=now)
    history.record_fault(server_id=context.subject, message=message, details=detail, now=now)


LIVE_MIGRATE = Kind(
    KIND,
    steps=[
        Step(PLACE, place, unplace),
        # Others wait for as long as the migration's status says so, and it ends with the operation.
        Step("take_turn", take_turn),
        Step("check", check),
        Step("bring_image", bring_image, leave_destination, queue=_to_transfer),
        Step("prepare", prepare, leave_destination),
        Step("migrate", migrate, come_back, queue=_to_transfer),
    ],
    # How long it may wait for its turn nobody knows; the transfer has its own limit.
    deadline_s=None,
    after_undo=after_undo,
    on_failed=on_failed,
)
