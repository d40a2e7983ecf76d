"""Make images of volumes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from identity import policy
from identity.actors import Actor
from images.attributes import FIELDS, READ_ONLY, RESERVED, RESERVED_PREFIX
from images.create import create_image
from images.models import Image
from operations.enqueue import enqueue
from volumes.errors import InvalidVolume, InvalidVolumeRequest
from volumes.models import Attachment, Volume
from volumes.states import VolumeStatus

UPLOAD_NAME = "volume.upload"
FORMATS = ("raw", "qcow2")
# What a volume keeps of its image and another image has of its own.
_OWN = {*FIELDS, *READ_ONLY, *RESERVED, "id", "image_id", "image_name"}


@dataclass(frozen=True, kw_only=True)
class WantedImage:
    """An image of a volume; with `force` also of one that a server has.

    Such an image is as the disk of a server that lost its power at that moment.
    """

    name: str
    disk_format: str = "raw"
    container_format: str = "bare"
    visibility: str = "private"
    is_protected: bool = False
    force: bool = False


def upload_volume(*, volume: Volume, wanted: WantedImage, actor: Actor, now: datetime) -> Image:
    """Begin an image with the volume's content; the volume is as before when that is done.

    Raises:
        InvalidVolume: its status does not allow it.
        InvalidVolumeRequest: a format that is not made here.
        OverQuota: the actor's project has all the images it may have.
        Forbidden: the actor may not, or not with this visibility.
    """
    policy.require(
        actor, "volume_extension:volume_actions:upload_image", project_id=volume.project_id
    )
    if wanted.disk_format not in FORMATS or wanted.container_format != "bare":
        raise InvalidVolumeRequest(
            f"Invalid input received: images are made of volumes as {' or '.join(FORMATS)} in "
            f"bare containers, not as {wanted.disk_format} in {wanted.container_format}."
        )
    with transaction.atomic():
        current = Volume.objects.select_for_update().get(pk=volume.pk)
        before = current.status
        allowed = [VolumeStatus.AVAILABLE, *([VolumeStatus.IN_USE] if wanted.force else [])]
        if before not in allowed:
            raise InvalidVolume(
                f"Invalid volume: Volume {volume.pk} status must be "
                f"{' or '.join(allowed)}, but current status is: {before}."
            )
        image = create_image(attributes=_attributes(current, wanted), actor=actor, now=now)
        Volume.objects.become(volume.pk, VolumeStatus.UPLOADING, of=[before])
        enqueue(
            UPLOAD_NAME,
            subject=image.pk,
            params={
                "volume": str(volume.pk),
                "guest": _guest_of(current),
                "format": wanted.disk_format,
            },
            request_id=actor.request_id,
            now=now,
        )
    return image


def _attributes(volume: Volume, wanted: WantedImage) -> dict[str, Any]:
    kept = volume.image_metadata
    properties = {
        key: str(value)
        for key, value in kept.items()
        if key not in _OWN and not key.startswith(RESERVED_PREFIX)
    }
    return {
        **properties,
        "name": wanted.name,
        "disk_format": wanted.disk_format,
        "container_format": wanted.container_format,
        "visibility": wanted.visibility,
        "protected": wanted.is_protected,
        "min_ram": _number(kept.get("min_ram")),
        "min_disk": _number(kept.get("min_disk")),
    }


def _number(text: Any) -> int:
    """What is said about an image may have been set to anything by hand."""
    return int(text) if str(text).isascii() and str(text).isdigit() and len(str(text)) < 9 else 0


def _guest_of(volume: Volume) -> str | None:
    held = Attachment.objects.filter(volume=volume, by_compute=True)
    server_id = held.values_list("server_id", flat=True).first()
    return None if server_id is None else str(server_id)
