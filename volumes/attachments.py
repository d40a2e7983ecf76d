"""Which server has which volume: made, changed and ended here, inside the callers' transactions.

A volume's status and its attachment change together, and the database knows one attachment a
volume at the most: so no volume is with two servers, however many requests race.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from volumes.errors import InvalidVolume, VolumeNotFound
from volumes.models import Attachment, Volume
from volumes.states import AttachmentStatus, VolumeStatus


@dataclass(frozen=True, kw_only=True)
class NewAttachment:
    """How a server is to have a volume."""

    device: str = ""
    tag: str = ""
    delete_on_termination: bool = False
    boot_index: int | None = None


def held_by(server_ids: Collection[UUID]) -> dict[UUID, list[Attachment]]:
    """The attachments of volumes that are disks of these servers' guests, in one query."""
    found: dict[UUID, list[Attachment]] = defaultdict(list)
    if server_ids:
        rows = Attachment.objects.filter(
            server_id__in=server_ids, status=AttachmentStatus.ATTACHED, by_compute=True
        )
        for each in rows.select_related("volume").order_by("created_at", "id"):
            if each.server_id is not None:
                found[each.server_id].append(each)
    return found


def attach(*, volume_id: UUID, server_id: UUID, wanted: NewAttachment, now: datetime) -> Attachment:
    """Begin to attach a volume that is free.

    Raises:
        VolumeNotFound: it is gone.
        InvalidVolume: it is not free.
    """
    if not Volume.objects.become(volume_id, VolumeStatus.ATTACHING, of=[VolumeStatus.AVAILABLE]):
        raise _not_free(volume_id)
    return _create(volume_id, server_id, wanted, now)


def attach_new(
    *, volume: Volume, server_id: UUID, wanted: NewAttachment, now: datetime
) -> Attachment:
    """Attach a volume that is being made for the server; it is the server's from its first day."""
    return _create(volume.pk, server_id, wanted, now)


def _create(volume_id: UUID, server_id: UUID, wanted: NewAttachment, now: datetime) -> Attachment:
    return Attachment.objects.create(
        volume_id=volume_id,
        server_id=server_id,
        status=AttachmentStatus.ATTACHING,
        device=wanted.device,
        tag=wanted.tag,
        delete_on_termination=wanted.delete_on_termination,
        boot_index=wanted.boot_index,
        created_at=now,
    )


def attached(*, attachment_id: UUID, host_name: str, now: datetime) -> bool:
    """The server has it; False: it was to have it no more."""
    rows = Attachment.objects.filter(pk=attachment_id, status=AttachmentStatus.ATTACHING)
    found = rows.values_list("volume_id", flat=True).first()
    if found is None:
        return False
    rows.update(status=AttachmentStatus.ATTACHED, attached_at=now, host_name=host_name)
    Volume.objects.become(found, VolumeStatus.IN_USE, of=[VolumeStatus.ATTACHING])
    return True


def begin_detaching(attachment: Attachment) -> None:
    """Begin to take a volume from its server.

    Raises:
        InvalidVolume: it is not attached, or is at something else.
    """
    volume_id = attachment.volume_id
    if not Volume.objects.become(volume_id, VolumeStatus.DETACHING, of=[VolumeStatus.IN_USE]):
        status = Volume.objects.filter(pk=volume_id).values_list("status", flat=True).first()
        raise InvalidVolume(
            f"Invalid volume: Unable to detach volume. Volume status must be 'in-use' and "
            f"attach_status must be 'attached' to detach. Currently: status: '{status}'"
        )
    Attachment.objects.filter(pk=attachment.pk).update(status=AttachmentStatus.DETACHING)


def keep(*, attachment_id: UUID) -> None:
    """After a detachment that failed the server has it still."""
    rows = Attachment.objects.filter(pk=attachment_id, status=AttachmentStatus.DETACHING)
    found = rows.values_list("volume_id", flat=True).first()
    if found is not None and rows.update(status=AttachmentStatus.ATTACHED):
        Volume.objects.become(found, VolumeStatus.IN_USE, of=[VolumeStatus.DETACHING])


def detached(*, attachment_id: UUID) -> None:
    """The server does not have it; the volume is free, unless it is being deleted."""
    rows = Attachment.objects.filter(pk=attachment_id)
    volume_id = rows.values_list("volume_id", flat=True).first()
    if volume_id is None:
        return
    rows.delete()
    # One that was to be made for the server, and was not.
    unmade = Q(hypervisor=None) & ~Q(image_id=None, snapshot_id=None)
    new = Volume.objects.filter(pk=volume_id, status=VolumeStatus.CREATING)
    new.filter(unmade).update(status=VolumeStatus.ERROR)
    new.update(status=VolumeStatus.AVAILABLE)
    held = [VolumeStatus.ATTACHING, VolumeStatus.IN_USE, VolumeStatus.DETACHING]
    held += [VolumeStatus.RESERVED, VolumeStatus.EXTENDING]
    Volume.objects.become(volume_id, VolumeStatus.AVAILABLE, of=held)


def _not_free(volume_id: UUID) -> VolumeNotFound | InvalidVolume:
    status = Volume.objects.filter(pk=volume_id).values_list("status", flat=True).first()
    if status is None:
        return VolumeNotFound.of(volume_id)
    return InvalidVolume(
        f"Invalid volume: volume '{volume_id}' status must be 'available'. Currently in '{status}'"
    )
