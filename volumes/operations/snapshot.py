"""Make a snapshot by a copy of its volume, and delete one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from hypervisors import volumes as on_hosts
from hypervisors.errors import NotOnHost
from operations.errors import Wait
from operations.kinds import TRANSFER_QUEUE, Context, Kind, Step
from quotas.consume import release
from volumes.errors import SnapshotNotFound
from volumes.messages import Event, record_message
from volumes.models import Snapshot, Volume
from volumes.operations.facts import COPY_PAUSE_S
from volumes.snapshots import CREATE_SNAPSHOT, DELETE_SNAPSHOT
from volumes.states import SnapshotStatus, VolumeStatus


def _snapshot(context: Context) -> Snapshot:
    rows = Snapshot.objects.select_related("volume", "hypervisor")
    found = rows.filter(pk=context.subject).first()
    if found is None:
        raise SnapshotNotFound(f"Snapshot {context.subject} could not be found.")
    return found


def _guest(context: Context) -> UUID | None:
    """The guest that had the volume when the snapshot was asked for."""
    return UUID(context.params["guest"]) if context.params.get("guest") else None


def copy(context: Context) -> None:
    """Copy the volume beside itself, under the guest that has it.

    Raises:
        Wait: a running guest's disk and its copy are not alike yet.
    """
    snapshot = _snapshot(context)
    guest = _guest(context)
    if snapshot.hypervisor is None:
        raise NotOnHost("The volume is on no host.")
    if guest is not None:
        names = (snapshot.pool, snapshot.storage_name, snapshot.volume.storage_name)
        if not on_hosts.copy_of_guest(snapshot.hypervisor, *names, guest):
            raise Wait("The volume is being copied.", seconds=COPY_PAUSE_S)
        return
    on_hosts.copy_in_pool(
        snapshot.hypervisor,
        snapshot.pool,
        snapshot.storage_name,
        snapshot.volume.storage_name,
        snapshot.size_gib,
    )


def remove(context: Context) -> None:
    """Delete the copy."""
    snapshot = _snapshot(context)
    guest = _guest(context)
    if snapshot.hypervisor is None:
        return
    if guest is not None:
        names = (snapshot.pool, snapshot.storage_name, snapshot.volume.storage_name)
        on_hosts.drop_copy_of_guest(snapshot.hypervisor, *names, guest)
    else:
        on_hosts.delete_volume(snapshot.hypervisor, snapshot.pool, snapshot.storage_name)


def finish(context: Context) -> None:
    """The snapshot is there."""
    rows = Snapshot.objects.filter(pk=context.subject, status=SnapshotStatus.CREATING)
    rows.update(status=SnapshotStatus.AVAILABLE, updated_at=timezone.now())


def on_failed(context: Context, error: dict[str, Any]) -> None:
    """It stays as one in error, for its owner to delete, with the reason."""
    fresh = [SnapshotStatus.CREATING, SnapshotStatus.AVAILABLE]
    rows = Snapshot.objects.filter(pk=context.subject, status__in=fresh)
    snapshot = rows.first()
    rows.update(status=SnapshotStatus.ERROR, updated_at=timezone.now())
    if snapshot is not None:
        record_message(Event.SNAPSHOT, snapshot, context.request_id, error, now=timezone.now())


def delete_storage(context: Context) -> None:
    """Delete its file, once no volume is made from it any more.

    Raises:
        Wait: one is.
    """
    made = Volume.objects.filter(snapshot_id=context.subject, status=VolumeStatus.CREATING)
    reverted = Volume.objects.filter(snapshots=context.subject, status=VolumeStatus.REVERTING)
    if made.exists() or reverted.exists():
        raise Wait("A volume is made from the snapshot.", seconds=COPY_PAUSE_S)
    if Snapshot.objects.filter(pk=context.subject).exists():
        remove(context)


def forget(context: Context) -> None:
    """Give back the quota and forget the snapshot, both at once."""
    with transaction.atomic():
        release(subject=context.subject)
        Snapshot.objects.filter(pk=context.subject).delete()


CREATE = Kind(
    CREATE_SNAPSHOT,
    steps=[
        Step("copy", copy, remove, on_host=True, queue=lambda context: TRANSFER_QUEUE),
        # Nothing outside the row changes, and nothing follows it.
        Step("finish", finish),
    ],
    deadline_s=6 * 3600.0,
    on_failed=on_failed,
)
DELETE = Kind(
    DELETE_SNAPSHOT,
    steps=[
        # No undo anywhere: a delete goes forward.
        Step("delete_storage", delete_storage, on_host=True),
        Step("forget", forget),
    ],
    retries=None,
    deadline_s=None,
)
