"""The disks of a server that moves while it is off: copied elsewhere, or kept beside, and grown."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.utils import timezone

from hypervisors import cold_copy, disks, guests
from hypervisors.cold_copy import Disk
from hypervisors.errors import HostCannot, ImageBeingUploaded
from hypervisors.pools import look_anew
from images.models import Image, ImageStatus
from operations.errors import Wait
from operations.kinds import DEFAULT_QUEUE, TRANSFER_QUEUE, Context
from servers.guest_spec import disk_plan
from servers.models import Server
from servers.moves import as_before
from servers.operations import base_image
from servers.operations.events import begin_event, end_event
from servers.operations.moving import (
    FINISH,
    SEND,
    Move,
    define_at,
    drive,
    migration_of,
    move_of,
    note,
    task,
)
from servers.options import places_for, pool_of
from servers.states import MigrationStatus, TaskState

# Made anew with the new flavor; the others are the guest's own.
RENEWED = ("swap", "config")


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
    if move.keeps_beside:
        return
    if places_for(move.server, move.destination).is_block:
        raise HostCannot("The disks are files, and the other host's pool has block devices.")
    for disk in _disks(context):
        if disk.base:
            _bring_base(context, move, disk)


def _bring_base(context: Context, move: Move, disk: Disk) -> None:
    """From the catalogue, or where the image was deleted, from the server's host."""
    image_id = cold_copy.image_of_base(disk.base)
    images = Image.objects.filter(status=ImageStatus.ACTIVE)
    image = None if image_id is None else images.filter(pk=image_id).first()
    if image is not None and disk.base.endswith(f"-{image.sha256[:16]}"):
        base_image.bring(context, move.server, move.destination, image)
        return
    try:
        cold_copy.bring_base(
            disk.base,
            (move.source, disk.pool),
            pool_of(move.server, move.destination),
            operation_id=context.operation_id,
            now=timezone.now(),
        )
    except ImageBeingUploaded as busy:
        raise Wait(str(busy)) from busy


def copy_disks(context: Context) -> None:
    """Bring the disks to the other host, or keep them as they are beside."""
    move, found = move_of(context), _disks(context)
    if move.keeps_beside:
        cold_copy.keep_disks(move.source, context.subject, found)
    else:
        total = sum(disk.allocation_bytes for disk in found)
        before = 0
        for disk in found:
            _copy(context, move, disk, before, total)
            before += disk.allocation_bytes
    task(context, TaskState.RESIZE_MIGRATED)
    note(context, MigrationStatus.POST_MIGRATING)
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
    """Where they were kept, its disks and guest as they were; elsewhere there is a debt."""
    move = move_of(context)
    if not move.keeps_beside:
        return
    if move.server.task_state != TaskState.RESIZE_FINISH:
        cold_copy.drop_kept(move.source, context.subject)
        return
    if guests.guest_info(move.source, context.subject) is not None:
        guests.stop_guest(move.source, context.subject, 0)
    restore_in_place(move)


def restore_in_place(move: Move) -> None:
    """Give the server, on the host it had, the disks that were kept, and the guest that it had."""
    server = as_before_move(move)
    look_anew(pool_of(server, move.source))
    cold_copy.put_back(move.source, server.pk)
    plan = disk_plan(server, base_volume=None, config_drive=drive(server))
    places = places_for(server, move.source)
    wanted = [disk.volume for disk in disks.disk_specs(places, server.pk, plan)]
    kept = [f"{server.pk}_console.log"]
    cold_copy.drop_others(move.source, server.pk, [*wanted, *kept])
    made = disks.renew_disks(move.source, places, server.pk, plan, RENEWED)
    define_at(server, move.source, made)


def as_before_move(move: Move) -> Server:
    """The server, in memory alone, as it was."""
    return as_before(move.server, move.migration)


def prepare_disks(context: Context) -> dict[str, Any]:
    """Let the disks grow to the new flavor, and make swap and config drive for it."""
    task(context, TaskState.RESIZE_FINISH)
    move = move_of(context)
    server = move.moved()
    plan = disk_plan(server, base_volume=None, config_drive=drive(server))
    look_anew(pool_of(server, move.destination))
    places = places_for(server, move.destination)
    made = disks.renew_disks(move.destination, places, server.pk, plan, RENEWED)
    return {"disks": [dataclasses.asdict(disk) for disk in made]}


def base_queue(context: Context) -> str:
    """To another host it may be minutes."""
    migration = migration_of(context)
    if migration.destination is None or migration.destination_id == migration.source_id:
        return DEFAULT_QUEUE
    return TRANSFER_QUEUE


def copy_queue(context: Context) -> str:
    """Minutes of copying must not hold up reboots and deletes."""
    return TRANSFER_QUEUE
