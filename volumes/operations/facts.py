"""What the steps of an operation look up: the volume, and whether it is being copied."""

from __future__ import annotations

from uuid import UUID

from hypervisors import volumes as on_hosts
from operations.errors import Wait
from operations.kinds import Context
from volumes.errors import VolumeNotFound
from volumes.models import Snapshot, Volume
from volumes.states import SnapshotStatus, VolumeStatus

COPY_PAUSE_S = 1.0


def volume_of(context: Context) -> Volume:
    """The operation's volume, with its host.

    Raises:
        VolumeNotFound: there is no such row any more.
    """
    volume = Volume.objects.select_related("hypervisor").filter(pk=context.subject).first()
    if volume is None:
        raise VolumeNotFound.of(context.subject)
    return volume


def clear_left(volume_id: UUID) -> None:
    """Delete what the volume left where it was before it moved. Nothing left is fine."""
    volume = Volume.objects.select_related("left_hypervisor").filter(pk=volume_id).first()
    if volume is None or volume.left_hypervisor is None:
        return
    left = (volume.left_hypervisor_id, volume.left_pool)
    if left != (volume.hypervisor_id, volume.pool):
        on_hosts.delete_volume(volume.left_hypervisor, volume.left_pool, volume.storage_name)
    Volume.objects.filter(pk=volume_id).update(left_hypervisor=None, left_pool="")


def wait_for_copies_of(volume_id: UUID) -> None:
    """Let those who copy the volume finish first.

    Raises:
        Wait: one is at it.
    """
    clones = Volume.objects.filter(source_volume_id=volume_id, status=VolumeStatus.CREATING)
    taken = Snapshot.objects.filter(volume=volume_id, status=SnapshotStatus.CREATING)
    uploads = Volume.objects.filter(pk=volume_id, status=VolumeStatus.UPLOADING)
    if clones.exists() or taken.exists() or uploads.exists():
        raise Wait("The volume is being copied.", seconds=COPY_PAUSE_S)
