"""Take a volume back to what it was when its latest snapshot was made."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from identity import policy
from identity.actors import Actor
from operations.enqueue import enqueue
from volumes.errors import InvalidVolume, InvalidVolumeRequest
from volumes.models import Attachment, Snapshot, Volume
from volumes.states import SnapshotStatus, VolumeStatus

REVERT_NAME = "volume.revert"
# One in error may be what a revert that failed has left: it is asked for again.
_ALLOWED = (VolumeStatus.AVAILABLE, VolumeStatus.ERROR)


def revert_volume(*, volume: Volume, snapshot: Snapshot, actor: Actor, now: datetime) -> None:
    """Begin to take a volume that nobody has back to its latest snapshot; it keeps its size.

    Raises:
        InvalidVolume: its status does not allow it, or a server has it.
        InvalidVolumeRequest: the snapshot is not the volume's latest one, or is not available.
        Forbidden: the actor may not.
    """
    policy.require(actor, "volume:revert_to_snapshot", project_id=volume.project_id)
    with transaction.atomic():
        current = Volume.objects.select_for_update().get(pk=volume.pk)
        latest = current.snapshots.order_by("-created_at", "-id").first()
        if latest is None or latest.pk != snapshot.pk:
            raise InvalidVolumeRequest(
                f"Invalid input received: Snapshot {snapshot.pk} is not the latest one of volume "
                f"{volume.pk}."
            )
        is_held = Attachment.objects.filter(volume=current).exists()
        if current.status not in _ALLOWED or is_held:
            raise InvalidVolume(
                f"Invalid volume: Can't revert volume {volume.pk} to its latest snapshot "
                f"{snapshot.pk}. Volume's status must be 'available'."
            )
        _hold(snapshot, current, now)
        Volume.objects.become(volume.pk, VolumeStatus.REVERTING, of=[current.status])
        enqueue(
            REVERT_NAME,
            subject=volume.pk,
            params={"snapshot": str(snapshot.pk)},
            request_id=actor.request_id,
            now=now,
        )


def _hold(snapshot: Snapshot, volume: Volume, now: datetime) -> None:
    """Nobody deletes the snapshot meanwhile."""
    rows = Snapshot.objects.filter(pk=snapshot.pk, status=SnapshotStatus.AVAILABLE)
    if not rows.update(status=SnapshotStatus.RESTORING, updated_at=now):
        raise InvalidVolumeRequest(
            f"Invalid snapshot: Can't revert volume {volume.pk} to its latest snapshot "
            f"{snapshot.pk}. Snapshot's status must be 'available'."
        )
