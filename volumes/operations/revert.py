"""Take a volume back to a snapshot.

The volume's file cannot be exchanged at one moment: where the snapshot lies in the same pool, the
old file goes first, and a copy of the snapshot takes its name. The snapshot stays whatever happens,
so what the volume is to be is never lost; a revert that fails in between leaves the volume in
error, and can be asked for again. Where the snapshot lies elsewhere, since the volume has moved,
the volume moves back, and the old file goes last.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from hypervisors import volumes as on_hosts
from hypervisors.models import Hypervisor
from operations.kinds import TRANSFER_QUEUE, Context, Kind, Step
from volumes.errors import NoRoom, SnapshotNotFound
from volumes.messages import Event, record_message
from volumes.models import Snapshot, Volume
from volumes.operations.facts import clear_left, volume_of, wait_for_copies_of
from volumes.revert import REVERT_NAME
from volumes.states import SnapshotStatus, VolumeStatus


def place(context: Context) -> dict[str, Any]:
    """Note where the volume lies and where the snapshot does, once nobody copies the volume."""
    volume, snapshot = volume_of(context), _snapshot(context)
    wait_for_copies_of(volume.pk)
    clear_left(volume.pk)
    return {
        "volume": [volume.hypervisor_id, volume.pool],
        "snapshot": [snapshot.hypervisor_id, snapshot.pool],
        "source": snapshot.storage_name,
    }


def _snapshot(context: Context) -> Snapshot:
    snapshot = Snapshot.objects.filter(pk=UUID(context.params["snapshot"])).first()
    if snapshot is None:
        raise SnapshotNotFound(f"Snapshot {context.params['snapshot']} could not be found.")
    return snapshot


def _is_in_place(context: Context) -> bool:
    placed = context.outputs["place"]
    return bool(placed["volume"] == placed["snapshot"])


def _host(hypervisor_id: int) -> Hypervisor:
    host = Hypervisor.objects.filter(pk=hypervisor_id).first()
    if host is None:
        raise NoRoom("The host of the volume has been removed.")
    return host


def drop_old(context: Context) -> None:
    """Delete the file whose name the copy takes."""
    hypervisor_id, pool = context.outputs["place"]["volume"]
    if hypervisor_id is not None and _is_in_place(context):
        name = on_hosts.volume_name(context.subject)
        on_hosts.delete_volume(_host(hypervisor_id), pool, name)


def copy(context: Context) -> None:
    """Copy the snapshot under the volume's name, at the volume's size."""
    placed = context.outputs["place"]
    hypervisor_id, pool = placed["snapshot"]
    # A snapshot of a blank volume lies nowhere: the volume is blank again.
    if hypervisor_id is not None:
        volume = volume_of(context)
        name, source = volume.storage_name, placed["source"]
        on_hosts.copy_in_pool(_host(hypervisor_id), pool, name, source, volume.size_gib)


def remove(context: Context) -> None:
    """Delete the copy, where it is not the volume itself by now."""
    placed = context.outputs.get("place")
    volume = Volume.objects.filter(pk=context.subject).first()
    if placed is None or volume is None:
        return
    hypervisor_id, pool = placed["snapshot"]
    is_volume = [volume.hypervisor_id, volume.pool] == [hypervisor_id, pool]
    is_half = "copy" not in context.outputs
    if hypervisor_id is not None and (is_half or not is_volume):
        on_hosts.delete_volume(_host(hypervisor_id), pool, volume.storage_name)


def move(context: Context) -> None:
    """From now on the volume is the copy, and what it was goes."""
    placed = context.outputs["place"]
    hypervisor_id, pool = placed["snapshot"]
    if not _is_in_place(context):
        left, left_pool = placed["volume"]
        rows = Volume.objects.filter(pk=context.subject, hypervisor=left, pool=left_pool)
        rows.update(hypervisor=hypervisor_id, pool=pool, left_hypervisor=left, left_pool=left_pool)
    clear_left(context.subject)


def finish(context: Context) -> None:
    """The volume and the snapshot are free."""
    _let_go(context, VolumeStatus.AVAILABLE)


def on_failed(context: Context, error: dict[str, Any]) -> None:
    """The snapshot is there still; the volume too, unless its file may have been deleted."""
    placed = context.outputs.get("place")
    is_whole = placed is None or not _is_in_place(context) or "copy" in context.outputs
    volume = Volume.objects.filter(pk=context.subject).first()
    _let_go(context, VolumeStatus.AVAILABLE if is_whole else VolumeStatus.ERROR)
    if volume is not None:
        record_message(Event.REVERT, volume, context.request_id, error, now=timezone.now())


def _let_go(context: Context, status: VolumeStatus) -> None:
    now = timezone.now()
    with transaction.atomic():
        Volume.objects.become(context.subject, status, of=[VolumeStatus.REVERTING])
        held = Snapshot.objects.filter(
            pk=UUID(context.params["snapshot"]), status=SnapshotStatus.RESTORING
        )
        held.update(status=SnapshotStatus.AVAILABLE, updated_at=now)


def _transfer(context: Context) -> str:
    return TRANSFER_QUEUE


REVERT = Kind(
    REVERT_NAME,
    steps=[
        # Notes only, and clears what was left to be cleared anyway.
        Step("place", place, on_host=True),
        # What was to go is not brought back.
        Step("drop_old", drop_old, on_host=True),
        Step("copy", copy, remove, on_host=True, queue=_transfer),
        # The volume is whole at either place, and stays at the new one.
        Step("move", move, on_host=True),
        # Nothing outside the rows changes, and nothing follows it.
        Step("finish", finish),
    ],
    deadline_s=6 * 3600.0,
    on_failed=on_failed,
)
