"""Hold a volume for somebody who is about to attach it, by hand."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from identity import policy
from identity.actors import Actor
from volumes.errors import AttachmentOfServer, InvalidVolume
from volumes.models import Attachment, Volume
from volumes.states import VolumeStatus


def reserve_volume(*, volume: Volume, actor: Actor, now: datetime) -> None:
    """Hold a free volume.

    Raises:
        InvalidVolume: it is not free.
        Forbidden: the actor may not.
    """
    policy.require(actor, "volume_extension:volume_actions:attach", project_id=volume.project_id)
    if not Volume.objects.become(volume.pk, VolumeStatus.RESERVED, of=[VolumeStatus.AVAILABLE]):
        raise InvalidVolume(
            f"Invalid volume: Volume {volume.pk} status must be available to reserve."
        )


def unreserve_volume(*, volume: Volume, actor: Actor, now: datetime) -> None:
    """Let go a volume that was held by hand; one that is not held stays as it is.

    Raises:
        InvalidVolume: an attachment holds it.
        Forbidden: the actor may not.
    """
    policy.require(actor, "volume_extension:volume_actions:attach", project_id=volume.project_id)
    with transaction.atomic():
        Volume.objects.select_for_update().get(pk=volume.pk)
        if Attachment.objects.filter(volume=volume).exists():
            raise InvalidVolume(f"Invalid volume: an attachment holds volume {volume.pk}.")
        Volume.objects.become(volume.pk, VolumeStatus.AVAILABLE, of=[VolumeStatus.RESERVED])


def reserve_by_hand(
    *, volume: Volume, server_id: UUID | None, mode: str, actor: Actor, now: datetime
) -> Attachment:
    """Hold a free volume by an attachment that no server sees.

    Raises:
        InvalidVolume: it is not free.
        Forbidden: the actor may not.
    """
    policy.require(actor, "volume:attachment_create", project_id=volume.project_id)
    with transaction.atomic():
        free = [VolumeStatus.AVAILABLE]
        if not Volume.objects.become(volume.pk, VolumeStatus.RESERVED, of=free):
            raise InvalidVolume(
                f"Invalid volume: Volume {volume.pk} status must be available to reserve."
            )
        return Attachment.objects.create(
            volume=volume, server_id=server_id, mode=mode, by_compute=False, created_at=now
        )


def release_by_hand(*, attachment: Attachment, actor: Actor) -> None:
    """End an attachment that was made by hand.

    Raises:
        AttachmentOfServer: the compute service made it.
        Forbidden: the actor may not.
    """
    project_id = attachment.volume.project_id
    policy.require(actor, "volume:attachment_delete", project_id=project_id)
    if attachment.by_compute:
        raise AttachmentOfServer("A server has the volume: detach it through the compute service.")
    with transaction.atomic():
        attachment.delete()
        free = VolumeStatus.AVAILABLE
        Volume.objects.become(attachment.volume_id, free, of=[VolumeStatus.RESERVED])
