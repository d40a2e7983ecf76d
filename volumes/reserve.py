"""Hold a volume for somebody who is about to attach it, by hand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from identity import policy
from identity.actors import Actor
from volumes.errors import AttachmentOfServer, InvalidVolume
from volumes.models import Attachment, Volume
from volumes.states import AttachmentStatus, VolumeStatus


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
    *,
    volume: Volume,
    server_id: UUID | None,
    mode: str,
    connector: Mapping[str, Any] | None = None,
    actor: Actor,
    now: datetime,
) -> Attachment:
    """Hold a free volume by an attachment that no server sees; with a connector it is attaching.

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
        attachment = Attachment.objects.create(
            volume=volume, server_id=server_id, mode=mode, by_compute=False, created_at=now
        )
        if connector:
            _connect(attachment, connector)
    return attachment


def connect_by_hand(
    *, attachment: Attachment, connector: Mapping[str, Any], actor: Actor
) -> Attachment:
    """Say who is about to attach a volume that is held by hand; again is fine.

    Raises:
        AttachmentOfServer: the compute service made it.
        InvalidVolume: it has been attached already, or the volume is not held any more.
        Forbidden: the actor may not.
    """
    _require_own(attachment, "volume:attachment_update", actor)
    with transaction.atomic():
        fresh = Attachment.objects.select_for_update().get(pk=attachment.pk)
        if fresh.status not in (AttachmentStatus.RESERVED, AttachmentStatus.ATTACHING):
            raise InvalidVolume(f"Invalid volume: attachment {fresh.pk} is {fresh.status} already.")
        return _connect(fresh, connector)


def complete_by_hand(*, attachment: Attachment, actor: Actor, now: datetime) -> None:
    """Say that a volume that is held by hand is attached.

    Raises:
        AttachmentOfServer: the compute service made it.
        InvalidVolume: nobody said who attaches it.
        Forbidden: the actor may not.
    """
    _require_own(attachment, "volume:attachment_complete", actor)
    with transaction.atomic():
        rows = Attachment.objects.filter(pk=attachment.pk, status=AttachmentStatus.ATTACHING)
        if not rows.update(status=AttachmentStatus.ATTACHED, attached_at=now):
            raise InvalidVolume(f"Invalid volume: attachment {attachment.pk} is not attaching.")
        _become(attachment, VolumeStatus.IN_USE, of=VolumeStatus.ATTACHING)


def _connect(attachment: Attachment, connector: Mapping[str, Any]) -> Attachment:
    attachment.status = AttachmentStatus.ATTACHING
    attachment.host_name = str(connector.get("host") or "")[:255]
    attachment.device = str(connector.get("mountpoint") or "")[:64]
    if connector.get("mode") in {"ro", "rw"}:
        attachment.mode = connector["mode"]
    attachment.save(update_fields=["status", "host_name", "device", "mode"])
    _become(attachment, VolumeStatus.ATTACHING, of=VolumeStatus.RESERVED)
    return attachment


def _become(attachment: Attachment, status: VolumeStatus, *, of: VolumeStatus) -> None:
    if not Volume.objects.become(attachment.volume_id, status, of=[of, status]):
        raise InvalidVolume(f"Invalid volume: Volume {attachment.volume_id} is not {of}.")


def _require_own(attachment: Attachment, rule: str, actor: Actor) -> None:
    policy.require(actor, rule, project_id=attachment.volume.project_id)
    if attachment.by_compute:
        raise AttachmentOfServer("A server has the volume: the compute service attaches it.")


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
        held = [VolumeStatus.RESERVED, VolumeStatus.ATTACHING, VolumeStatus.IN_USE]
        Volume.objects.become(attachment.volume_id, free, of=held)
