"""Hand volumes from project to project: one offers it, another one with the key accepts it."""

from __future__ import annotations

import secrets
from datetime import datetime
from uuid import UUID

from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction

from identity import policy
from identity.actors import Actor
from quotas.consume import hand_over
from volumes.errors import InvalidAuthKey, InvalidVolume, InvalidVolumeRequest, TransferNotFound
from volumes.find import visible_types
from volumes.models import Snapshot, Transfer, Volume
from volumes.states import SnapshotStatus, VolumeStatus
from volumes.type_limits import check_type_limits

# Nobody guesses 128 bits, so nothing has to slow down those who try.
_KEY_BYTES = 16
_UNDER_WAY = (SnapshotStatus.CREATING, SnapshotStatus.DELETING)


def offer_volume(
    *, volume: Volume, name: str, no_snapshots: bool, actor: Actor, now: datetime
) -> tuple[Transfer, str]:
    """Offer a free volume, with its snapshots or without; the transfer, and its key in clear.

    The key is told this once: only a hash of it is kept.

    Raises:
        InvalidVolume: it is not free, or something is being done to its snapshots.
        Forbidden: the actor may not.
    """
    policy.require(actor, "volume:create_transfer", project_id=volume.project_id)
    key = secrets.token_hex(_KEY_BYTES)
    with transaction.atomic():
        free, offered = VolumeStatus.AVAILABLE, VolumeStatus.AWAITING_TRANSFER
        if not Volume.objects.become(volume.pk, offered, of=[free]):
            raise InvalidVolume("Invalid volume: status must be available")
        if not no_snapshots:
            _check_snapshots(volume)
        transfer = Transfer.objects.create(
            volume=volume,
            name=name,
            key_hash=make_password(key),
            no_snapshots=no_snapshots,
            source_project_id=volume.project_id,
            created_at=now,
        )
    return transfer, key


def withdraw_transfer(*, transfer: Transfer, actor: Actor) -> None:
    """Offer the volume no more; it is free again.

    Raises:
        Forbidden: the actor may not.
    """
    policy.require(actor, "volume:delete_transfer", project_id=transfer.source_project_id)
    with transaction.atomic():
        Volume.objects.select_for_update().filter(pk=transfer.volume_id).first()
        Transfer.objects.filter(pk=transfer.pk).delete()
        free, offered = VolumeStatus.AVAILABLE, VolumeStatus.AWAITING_TRANSFER
        Volume.objects.become(transfer.volume_id, free, of=[offered])


def accept_transfer(*, transfer_id: UUID | None, key: str, actor: Actor, now: datetime) -> Transfer:
    """Take an offered volume over into the actor's project, with its quota; all or nothing.

    Raises:
        TransferNotFound: there is none, or somebody else was faster.
        InvalidAuthKey: the key is not its own.
        InvalidVolume: the volume is not offered any more, or its snapshots are being worked on.
        OverQuota: it does not fit into the limits of the actor's project.
        Forbidden: the actor may not have volumes.
    """
    policy.require(actor, "volume:accept_transfer", project_id=actor.project_id)
    if not actor.project_id:
        raise InvalidVolumeRequest("Volumes belong to a project; ask for a token that is scoped.")
    transfer = Transfer.objects.filter(pk=transfer_id).first() if transfer_id else None
    if transfer is None:
        raise TransferNotFound.of(transfer_id)
    if not check_password(key, transfer.key_hash):
        raise InvalidAuthKey(
            f"Invalid auth key: Attempt to transfer {transfer.pk} with invalid auth key."
        )
    with transaction.atomic():
        volume = Volume.objects.select_for_update().filter(pk=transfer.volume_id).first()
        # Whoever accepted or withdrew it meanwhile held the volume's row.
        if volume is None or not Transfer.objects.filter(pk=transfer.pk).delete()[0]:
            raise TransferNotFound.of(transfer.pk)
        _take_over(volume, transfer, actor, now)
    return transfer


def _take_over(volume: Volume, transfer: Transfer, actor: Actor, now: datetime) -> None:
    target = actor.project_id or ""
    if not visible_types(actor).filter(pk=volume.type_id).exists():
        raise InvalidVolume(
            f"Invalid volume: Volume {volume.pk} is of a type that the project may not use."
        )
    if volume.status != VolumeStatus.AWAITING_TRANSFER:
        raise InvalidVolume(f"Invalid volume: Volume {volume.pk} is not awaiting a transfer.")
    snapshots = Snapshot.objects.filter(volume=volume, project_id=volume.project_id)
    if transfer.no_snapshots:
        snapshots = snapshots.none()
    else:
        _check_snapshots(volume)
    hand_over(
        subjects=[volume.pk, *snapshots.values_list("pk", flat=True)],
        source=volume.project_id,
        target=target,
        now=now,
    )
    sizes = list(snapshots.values_list("size_gib", flat=True))
    snapshots.update(project_id=target, user_id=actor.user_id, updated_at=now)
    Volume.objects.filter(pk=volume.pk).update(
        project_id=target,
        user_id=actor.user_id,
        status=VolumeStatus.AVAILABLE,
        updated_at=now,
    )
    added = {
        "volumes": 1,
        "snapshots": len(sizes),
        "gigabytes": volume.size_gib + sum(sizes),
    }
    if target != transfer.source_project_id:
        check_type_limits(project_id=target, kind=volume.type, added=added)


def _check_snapshots(volume: Volume) -> None:
    """Whose quota they are may not change while they come or go."""
    if Snapshot.objects.filter(volume=volume, status__in=_UNDER_WAY).exists():
        raise InvalidVolume(
            f"Invalid volume: snapshots of volume {volume.pk} are being made or deleted."
        )
