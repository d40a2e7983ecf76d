"""The image a server was made of: back in the catalogue where its file still lies.

The data is never fetched from a host. What lies there is whole, but a host may have changed it, and
an image is what every later server trusts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from hypervisors.guests import GuestMetadata, ImageRecord
from images.errors import WrongContent
from images.inspect import inspect_file
from images.models import Image, ImageStatus
from images.quota import BYTES, mebibytes
from images.storage import StoredData, image_path, measure
from quotas.consume import record_use
from servers.restore_owners import restore_project


@dataclass(frozen=True)
class FoundImage:
    """An image that can be offered again: what is known of it, and its file."""

    record: ImageRecord
    data: StoredData
    virtual_size: int


def find_image(guest: GuestMetadata) -> tuple[FoundImage | None, list[str]]:
    """The server's image, if its row is missing and its file is there; what is to be said.

    Reads the whole file, so it is called outside of transactions.
    """
    record = guest.image
    if record is None or Image.objects.filter(pk=record.id).exists():
        return None, []
    path = image_path(Image(id=UUID(record.id)))
    if not path.is_file():
        return None, []
    data = measure(path)
    if record.sha256 and record.sha256 != data.sha256:
        return None, [f"The image {record.id} is left out: its file is not what it was."]
    try:
        found = inspect_file(path, record.disk_format)
    except WrongContent as error:
        return None, [f"The image {record.id} is left out: {error}"]
    return FoundImage(record, data, found.virtual_size), []


def restore_image(found: FoundImage, *, now: datetime) -> list[str]:
    """Offer the image again, inside the caller's transaction; what is to be said about it."""
    record = found.record
    _, notes = restore_project(record.owner, now=now)
    _, is_new = Image.objects.get_or_create(
        pk=UUID(record.id),
        defaults={
            "name": record.name,
            "owner": record.owner.id,
            "status": ImageStatus.ACTIVE,
            "visibility": record.visibility,
            "is_protected": record.is_protected,
            "is_hidden": record.is_hidden,
            "disk_format": record.disk_format,
            "container_format": record.container_format,
            "min_ram_mib": record.min_ram_mib,
            "min_disk_gib": record.min_disk_gib,
            "tags": list(record.tags),
            "properties": dict(record.properties),
            "size": found.data.size,
            "virtual_size": found.virtual_size,
            "checksum": found.data.md5,
            "sha256": found.data.sha256,
            "sha512": found.data.sha512,
            "created_at": record.created_at or now,
            "updated_at": now,
        },
    )
    if is_new:
        amounts = {"images": 1, BYTES: mebibytes(found.data.size)}
        record_use(project_id=record.owner.id, subject=UUID(record.id), amounts=amounts, now=now)
    return notes
