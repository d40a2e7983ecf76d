"""Change what is known of a volume: name, description, metadata, whether it boots; its status."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from identity import policy
from identity.actors import Actor
from volumes.errors import InvalidVolume, InvalidVolumeRequest, MetadataNotFound
from volumes.models import Attachment, Transfer, Volume
from volumes.states import VolumeStatus


def update_volume(
    *, volume: Volume, changes: Mapping[str, Any], actor: Actor, now: datetime
) -> None:
    """Set name, description or metadata.

    Raises:
        Forbidden: the actor may not.
    """
    policy.require(actor, "volume:update", project_id=volume.project_id)
    if changes:
        Volume.objects.filter(pk=volume.pk).update(**changes, updated_at=now)


def set_metadata(
    *, volume: Volume, metadata: Mapping[str, str], merge: bool, actor: Actor, now: datetime
) -> dict[str, str]:
    """Replace the metadata, or merge into it; returns what it is now.

    Raises:
        Forbidden: the actor may not.
    """
    rule = "create" if merge else "update"
    policy.require(actor, f"volume:{rule}_volume_metadata", project_id=volume.project_id)
    with transaction.atomic():
        current = Volume.objects.select_for_update().get(pk=volume.pk)
        current.metadata = {**current.metadata, **metadata} if merge else dict(metadata)
        current.updated_at = now
        current.save(update_fields=["metadata", "updated_at"])
    return dict(current.metadata)


def remove_metadata(*, volume: Volume, key: str, actor: Actor, now: datetime) -> None:
    """Take one key out of the metadata.

    Raises:
        MetadataNotFound: the volume has no such key.
        Forbidden: the actor may not.
    """
    policy.require(actor, "volume:delete_volume_metadata", project_id=volume.project_id)
    with transaction.atomic():
        current = Volume.objects.select_for_update().get(pk=volume.pk)
        if key not in current.metadata:
            raise MetadataNotFound.of(volume.pk, key)
        del current.metadata[key]
        current.updated_at = now
        current.save(update_fields=["metadata", "updated_at"])


def set_bootable(*, volume: Volume, is_bootable: bool, actor: Actor, now: datetime) -> None:
    """Say whether a server can boot from it.

    Raises:
        Forbidden: the actor may not.
    """
    policy.require(actor, "volume_extension:set_bootable", project_id=volume.project_id)
    Volume.objects.filter(pk=volume.pk).update(is_bootable=is_bootable, updated_at=now)


def set_readonly(*, volume: Volume, is_readonly: bool, actor: Actor, now: datetime) -> None:
    """Say whether servers that get the volume from now on may write on it.

    Raises:
        InvalidVolume: it is not free: whoever has it got it as it is.
        Forbidden: the actor may not.
    """
    policy.require(actor, "volume:update_readonly_flag", project_id=volume.project_id)
    rows = Volume.objects.filter(pk=volume.pk, status=VolumeStatus.AVAILABLE)
    if not rows.update(is_readonly=is_readonly, updated_at=now):
        raise InvalidVolume(
            f"Invalid volume: Volume {volume.pk} status must be available to update readonly flag."
        )


def reset_status(*, volume: Volume, status: str, actor: Actor, now: datetime) -> None:
    """Set the status by hand; whether a server has the volume cannot be set so.

    Raises:
        InvalidVolumeRequest: no such status, or one that contradicts its attachment.
        Forbidden: the actor is no administrator.
    """
    rule = "volume_extension:volume_admin_actions:reset_status"
    policy.require(actor, rule, project_id=volume.project_id)
    allowed = {VolumeStatus.AVAILABLE, VolumeStatus.ERROR, VolumeStatus.IN_USE}
    if status not in allowed:
        raise InvalidVolumeRequest(
            f"Invalid input received: the status can be set to "
            f"{', '.join(sorted(allowed))}, not to {status}."
        )
    with transaction.atomic():
        current = Volume.objects.select_for_update().get(pk=volume.pk)
        has_server = Attachment.objects.filter(volume=volume).exists()
        if has_server != (status == VolumeStatus.IN_USE) and status != VolumeStatus.ERROR:
            raise InvalidVolumeRequest(
                "Invalid input received: the status contradicts the volume's attachment."
            )
        # A blank volume lies nowhere until it is first attached.
        has_source = current.image_id or current.snapshot_id or current.source_volume_id
        is_nowhere = bool(has_source) and current.hypervisor_id is None
        never_made = current.status == VolumeStatus.ERROR and is_nowhere
        if never_made and status != VolumeStatus.ERROR:
            raise InvalidVolumeRequest(
                "Invalid input received: the volume was never made: delete it."
            )
        # One whose status is set is offered to nobody any more.
        Transfer.objects.filter(volume=volume).delete()
        current.status = status
        current.updated_at = now
        current.save(update_fields=["status", "updated_at"])


def set_image_metadata(
    *, volume: Volume, metadata: Mapping[str, str], actor: Actor, now: datetime
) -> dict[str, str]:
    """Merge into what the volume keeps of its image; servers that boot from it go by it.

    Raises:
        Forbidden: the actor may not.
    """
    policy.require(actor, "volume:update", project_id=volume.project_id)
    with transaction.atomic():
        current = Volume.objects.select_for_update().get(pk=volume.pk)
        current.image_metadata = {**current.image_metadata, **metadata}
        current.updated_at = now
        current.save(update_fields=["image_metadata", "updated_at"])
    return dict(current.image_metadata)


def unset_image_metadata(*, volume: Volume, key: str, actor: Actor, now: datetime) -> None:
    """Take one key out of it.

    Raises:
        MetadataNotFound: the volume has no such key.
        Forbidden: the actor may not.
    """
    policy.require(actor, "volume:update", project_id=volume.project_id)
    with transaction.atomic():
        current = Volume.objects.select_for_update().get(pk=volume.pk)
        if key not in current.image_metadata:
            raise MetadataNotFound.of(volume.pk, key)
        del current.image_metadata[key]
        current.updated_at = now
        current.save(update_fields=["image_metadata", "updated_at"])
