"""Delete volumes."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from identity import policy
from identity.actors import Actor
from operations.enqueue import enqueue, supersede
from volumes.errors import InvalidVolume
from volumes.models import Attachment, Snapshot, Volume
from volumes.snapshots import delete_snapshot
from volumes.states import AT_REST, VolumeStatus

DELETE_NAME = "volume.delete"


def delete_volume(*, volume: Volume, cascade: bool, actor: Actor, now: datetime) -> None:
    """Delete a volume, with `cascade` its snapshots too.

    Raises:
        InvalidVolume: a server has it, it has snapshots, or its status does not allow it.
        Forbidden: the actor may not.
    """
    policy.require(actor, "volume:delete", project_id=volume.project_id)
    with transaction.atomic():
        if not Volume.objects.become(volume.pk, VolumeStatus.DELETING, of=AT_REST):
            raise _in_the_way(volume)
        _check_free(volume)
        snapshots = list(Snapshot.objects.filter(volume=volume))
        if snapshots and not cascade:
            raise InvalidVolume(
                f"Invalid volume: Volume {volume.pk} has {len(snapshots)} dependent snapshots; "
                "delete them first, or ask for cascade."
            )
        if any(snapshot.project_id != volume.project_id for snapshot in snapshots):
            raise InvalidVolume(
                f"Invalid volume: Volume {volume.pk} has snapshots of the project that it was "
                "transferred from, which alone deletes them."
            )
        for snapshot in snapshots:
            delete_snapshot(snapshot=snapshot, actor=actor, now=now)
        enqueue(
            DELETE_NAME,
            subject=volume.pk,
            params={"volume": str(volume.pk)},
            request_id=actor.request_id,
            now=now,
        )


def force_delete_volume(*, volume: Volume, actor: Actor, now: datetime) -> None:
    """Delete a volume whatever its status, and also when its host will not come back.

    Raises:
        InvalidVolume: a server has it, or it has snapshots.
        Forbidden: the actor is no administrator.
    """
    policy.require(actor, "volume:force_delete", project_id=volume.project_id)
    with transaction.atomic():
        Volume.objects.become(volume.pk, VolumeStatus.DELETING, of=VolumeStatus.values)
        _check_free(volume)
        if Snapshot.objects.filter(volume=volume).exists():
            raise InvalidVolume(f"Invalid volume: Volume {volume.pk} has dependent snapshots.")
        supersede(
            DELETE_NAME,
            subject=volume.pk,
            params={"volume": str(volume.pk), "force": True},
            request_id=actor.request_id,
            now=now,
        )


def _check_free(volume: Volume) -> None:
    """The caller holds the row, so that nobody attaches it meanwhile."""
    if Attachment.objects.filter(volume=volume).exists():
        raise InvalidVolume(f"Invalid volume: Volume {volume.pk} is attached to a server.")


def _in_the_way(volume: Volume) -> InvalidVolume:
    status = Volume.objects.filter(pk=volume.pk).values_list("status", flat=True).first()
    return InvalidVolume(
        "Invalid volume: Volume status must be available or error or error_restoring or "
        "error_extending or error_managing and must not be migrating, attached, belong to a "
        f"group, have snapshots, awaiting a transfer, or be disassociated from snapshots after "
        f"volume transfer; it is {status}."
    )
