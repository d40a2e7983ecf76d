"""The volumes of a server: back in the database from what its guest says of them.

Volumes that no server had are not known to any guest: their files are reported as strays, with
their ids in their names, and are deleted by nobody unasked.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from hypervisors.guests import GuestMetadata, VolumeRecord
from hypervisors.models import Hypervisor
from quotas.consume import record_use
from volumes.find import default_type
from volumes.models import Attachment, Volume
from volumes.states import AttachmentStatus, VolumeStatus


def restore_volumes(record: GuestMetadata, *, host: Hypervisor, now: datetime) -> list[str]:
    """Make what is missing, inside the caller's transaction; what is to be said about it."""
    notes = []
    for each in record.volumes:
        volume = _volume(record, each, host, now)
        held = Attachment.objects.filter(volume=volume).first()
        if held is not None:
            if str(held.server_id) != record.server_id:
                notes.append(f"The volume {volume.pk} is with server {held.server_id}.")
            continue
        Attachment.objects.create(
            id=UUID(each.attachment_id),
            volume=volume,
            server_id=UUID(record.server_id),
            status=AttachmentStatus.ATTACHED,
            device=each.device,
            tag=each.tag,
            delete_on_termination=each.delete_on_termination,
            boot_index=each.boot_index,
            host_name=host.name,
            created_at=each.attached_at or now,
            attached_at=each.attached_at or now,
        )
        Volume.objects.filter(pk=volume.pk).update(
            status=VolumeStatus.IN_USE, hypervisor=host, pool=each.pool
        )
    return notes


def _volume(record: GuestMetadata, each: VolumeRecord, host: Hypervisor, now: datetime) -> Volume:
    project_id = each.project_id or record.project_id
    volume, is_new = Volume.objects.get_or_create(
        pk=UUID(each.id),
        defaults={
            "project_id": project_id,
            "user_id": each.user_id or record.user_id,
            "name": each.name,
            "description": each.description,
            "size_gib": each.size_gib,
            "status": VolumeStatus.IN_USE,
            "type": default_type(),
            "availability_zone": record.availability_zone,
            "metadata": dict(each.metadata),
            "image_metadata": dict(each.image_metadata),
            "is_bootable": each.is_bootable,
            "is_readonly": each.is_readonly,
            "image_id": UUID(each.image_id) if each.image_id else None,
            "hypervisor": host,
            "pool": each.pool,
            "created_at": each.created_at or now,
        },
    )
    if is_new:
        amounts = {"volumes": 1, "gigabytes": each.size_gib}
        record_use(project_id=project_id, subject=volume.pk, amounts=amounts, now=now)
    return volume
