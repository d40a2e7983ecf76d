"""How an image looks on the wire: flat, with its properties beside the attributes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from images.models import Image, ImageMember


def instant(moment: datetime) -> str:
    """The service's form of a time: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def image_body(image: Image) -> dict[str, Any]:
    """The flat object; an attribute always wins over a property of its name."""
    link = f"/v2/images/{image.pk}"
    return {
        **image.properties,
        "id": str(image.pk),
        "name": image.name,
        "status": image.status,
        "visibility": image.visibility,
        "protected": image.is_protected,
        "os_hidden": image.is_hidden,
        "owner": image.owner,
        "disk_format": image.disk_format or None,
        "container_format": image.container_format or None,
        "min_disk": image.min_disk_gib,
        "min_ram": image.min_ram_mib,
        "size": image.size,
        "virtual_size": image.virtual_size,
        "checksum": image.checksum or None,
        "os_hash_algo": "sha512" if image.sha512 else None,
        "os_hash_value": image.sha512 or None,
        "tags": image.tags,
        "created_at": instant(image.created_at),
        "updated_at": instant(image.updated_at),
        "self": link,
        "file": f"{link}/file",
        "schema": "/v2/schemas/image",
    }


def member_body(member: ImageMember) -> dict[str, Any]:
    """One project that an image is shared with."""
    return {
        "member_id": member.member,
        "image_id": str(member.image_id),
        "status": member.status,
        "created_at": instant(member.created_at),
        "updated_at": instant(member.updated_at),
        "schema": "/v2/schemas/member",
    }
