"""Evacuate: a server is built anew on another host, for its own is down.

Its disks are kept where the other host has the same files; else they are made of its image.

Nothing of the row changes until all is ready at the new host. Then, in one transaction, the server
is there and what it left is a debt of the old host; only after that, and after a last try to reach
the old host, does the guest start. So however the old host comes back, the guest runs once: before
that transaction the evacuation ends when the host answers again, and after it the debt, which is
tried as soon as the host answers, switches the old guest off and removes it.
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from hypervisors import disks, guests
from hypervisors.cold_copy import drop_kept, put_back
from hypervisors.connections import hurried
from hypervisors.copies import root_volume
from hypervisors.errors import HostUnreachable
from hypervisors.models import Hypervisor
from hypervisors.pools import is_one_store, look_anew
from networks import server_ports, wiring
from operations.kinds import TRANSFER_QUEUE, Context, Kind, Step
from scheduling.models import Allocation
from scheduling.place import place_server, release_server
from servers import history
from servers.destination import hosts_owing, spec_of_move
from servers.evacuation import KIND, check_is_down
from servers.models import Server
from servers.operations import build
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
from servers.operations.resize_place import abandon
from servers.options import pool_of
from servers.states import MigrationStatus, PowerState, TaskState, VmState

logger = logging.getLogger(__name__)

ROUNDS = 3
SCHEDULE = "rebuild_server"
REBUILD = "compute_rebuild_instance"
_TASKS = (
    TaskState.REBUILDING,
    TaskState.REBUILD_BLOCK_DEVICE_MAPPING,
    TaskState.REBUILD_SPAWNING,
)


def _task(context: Context, task: TaskState) -> None:
    Server.objects.filter(task_state__in=_TASKS).change(context.subject, task_state=task)


def give_up(context: Context) -> None:
    """What an operation that made way for this one has on other hosts is taken off them."""
    server = server_of(context)
    held = Allocation.objects.select_related("hypervisor").filter(server_id=server.pk)
    for allocation in held.exclude(hypervisor=server.hypervisor):
        owe(context, allocation.hypervisor)


def place(context: Context) -> dict[str, Any]:
    """Choose another host and claim its resources."""
    server = server_of(context)
    source = host_of(server)
    check_is_down(source)
    begin_event(context, SCHEDULE)
    abandon(server.pk, request_id=context.request_id, now=timezone.now())
    avoided = names_to_avoid(context, since=migration_of(context).created_at)
    allocation = place_server(
        server_id=server.pk,
        spec=spec_of_move(
            server, host=context.params["host"], is_forced=context.params["is_forced"]
        ),
        without=[source.name, *avoided],
        operation_id=context.operation_id,
        request_id=context.request_id,
        now=timezone.now(),
    )
    host = allocation.hypervisor
    note_destination(context, host)
    note_migration(context, status=MigrationStatus.PRE_MIGRATING)
    end_event(context, SCHEDULE)
    begin_event(context, REBUILD, host.name)
    return {"hypervisor": host.pk, "host": host.name}


def unplace(context: Context) -> None:
    """Give the claim back, unless the server is there now or something of it has to be removed."""
    with transaction.atomic():
        server = server_of(context)
        keeping = [host.name for host in hosts_owing(context.subject)]
        if server.hypervisor is not None:
            keeping.append(server.hypervisor.name)
        release_server(server_id=context.subject, but_on=keeping)


def _to_transfer(context: Context) -> str:
    """An image may take minutes: reboots and deletes do not wait for it."""
    return TRANSFER_QUEUE


def bring_image(context: Context) -> dict[str, Any]:
    """Have the image at the new host; not where it has the server's own disks as they were."""
    server = server_of(context)
    host = destination_of(context)
    pool = pool_of(server, host)
    if is_one_store(host_of(server), host, pool.name):
        look_anew(pool)
        # Of a resize that made way for this: the row says which disk is the server's.
        end_move = drop_kept if server.vm_state == VmState.RESIZED else put_back
        end_move(host, server.pk)
        if root_volume(server.pk) in disks.volumes_of(host, pool.name, server.pk):
            return {"volume": None}
    return build.bring_image(context)


def prepare_host(context: Context) -> dict[str, Any]:
    """Networks and filters of the ports, and new disks; those that are there are kept."""
    _task(context, TaskState.REBUILD_BLOCK_DEVICE_MAPPING)
    return build.prepare_host(context)


def leave_destination(context: Context) -> None:
    """What was made at the new host is taken away there, when it answers; once is enough."""
    host = chosen_host(context)
    if host is not None and not is_there(context):
        owe(context, host)


def leave_source(context: Context) -> None:
    """The server is at its new host, and what it has on the old one is to be removed."""
    if is_there(context):
        return
    server, host = server_of(context), destination_of(context)
    source = host_of(server)
    now = timezone.now()
    with transaction.atomic():
        check_is_down(Hypervisor.objects.select_for_update().get(pk=source.pk))
        mine = Server.objects.filter(hypervisor=source)
        mine.change(
            server.pk,
            hypervisor=host,
            availability_zone=build.zone_of(host),
            generation=F("generation") + 1,
            power_state=PowerState.NOSTATE,
            task_state=TaskState.REBUILD_SPAWNING,
            updated_at=now,
        )
        owe(context, source)
        note_migration(context, status=MigrationStatus.DONE)


def silence_source(context: Context) -> None:
    """See once more whether the old host answers: then its guest ends before the new one starts."""
    source = migration_of(context).source
    if source is None or not is_there(context):
        return
    try:
        with hurried():
            guests.remove_guest(source, context.subject)
    except HostUnreachable as error:
        # As it should be; the debt is there for when it is back.
        logger.info("The evacuated host is away: %s", error.detail)


def start_guest(context: Context) -> None:
    """Start the guest, or have all ready for when somebody does."""
    if not context.params["ends_stopped"]:
        build.start_guest(context)
        return
    server = server_of(context)
    wiring.lease_addresses(
        hypervisor=destination_of(context),
        leases=wiring.leases_of(server.pk),
        hostname=server.hostname,
    )


def finish(context: Context) -> None:
    """The server is there."""
    now = timezone.now()
    host = destination_of(context)
    is_off = context.params["ends_stopped"]
    with transaction.atomic():
        Server.objects.filter(hypervisor=host, task_state__in=_TASKS).change(
            context.subject,
            vm_state=VmState.STOPPED if is_off else VmState.ACTIVE,
            power_state=PowerState.SHUTDOWN if is_off else PowerState.RUNNING,
            task_state=None,
            progress=0,
            launched_at=now,
            sealed_admin_password="",
            updated_at=now,
        )
        server_ports.mark_ports_active(server_id=context.subject, host=host.name, now=now)
        end_event(context, REBUILD, host.name)


def after_undo(context: Context, error: dict[str, Any]) -> bool:
    """Try another host, when nobody chose this one and it is the host that failed."""
    host = chosen_host(context)
    if host is None or is_there(context):
        return False
    error["host"] = host.name
    may_go_on = error.get("type") not in {"HostInUse", "GuestPropertyRefused", "DiskTooSmall"}
    if context.params["host"] or not may_go_on or len(context.rounds) + 1 >= ROUNDS:
        return False
    fail_events(context, error)
    return True


def on_failed(context: Context, error: dict[str, Any]) -> None:
    """A server that never left is as before; one that is at its new host goes to ERROR there."""
    now = timezone.now()
    message, detail = str(error.get("message", "")), str(error.get("detail", ""))
    has_left = is_there(context)
    fields: dict[str, object] = {"vm_state": VmState.ERROR} if has_left else {}
    Server.objects.alive().filter(pk=context.subject, task_state__in=_TASKS).update(
        task_state=None, sealed_admin_password="", updated_at=now, **fields
    )
    if not has_left:
        note_migration(context, status=MigrationStatus.ERROR)
    fail_events(context, error)
    history.mark_action_failed(server_id=context.subject, request_id=context.request_id, now=now)
    history.record_fault(server_id=context.subject, message=message, details=detail, now=now)


EVACUATE = Kind(
    KIND,
    steps=[
        # What is wanted by nobody stays a debt.
        Step("give_up", give_up),
        Step(PLACE, place, unplace),
        Step("bring_image", bring_image, leave_destination, queue=_to_transfer),
        Step("prepare_host", prepare_host, leave_destination, queue=build.disk_queue),
        Step("define_guest", build.define_guest, leave_destination),
        # From here on there is no way back: what is on the old host goes.
        Step("leave_source", leave_source),
        Step("silence_source", silence_source),
        Step("start_guest", start_guest),
        Step("finish", finish),
    ],
    deadline_s=3600,
    after_undo=after_undo,
    on_failed=on_failed,
)
