"""Bring images to hosts before a server needs them there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid5

from django.db import transaction

import hypervisors.rules  # noqa: F401 - declares the rule
from hypervisors.disks import can_be_base
from hypervisors.models import Aggregate, Hypervisor
from identity import policy
from identity.actors import Actor
from images.errors import DuplicateImages, ImageNotUsable
from images.lookup import get_image
from images.models import Image, ImageStatus
from operations.enqueue import AlreadyAtWork, enqueue
from operations.models import Operation

PRECACHE = "image.precache"


def precache_images(
    *, aggregate: Aggregate, image_ids: Sequence[UUID], actor: Actor, now: datetime
) -> list[Operation]:
    """Have every host of an aggregate fetch images; one operation a host and image.

    What is on its way already is left to that. A host that is away is tried for a while.

    Raises:
        Forbidden: only administrators do.
        DuplicateImages: an image is named twice.
        ImageNotFound: there is no such image.
        ImageNotUsable: it has no data, or no server can start from it.
    """
    policy.require(actor, "compute:aggregates:images")
    if len(set(image_ids)) < len(image_ids):
        raise DuplicateImages("Duplicate images in request")
    images = [get_image(image_id, actor=actor) for image_id in image_ids]
    for image in images:
        _check_usable(image)
    with transaction.atomic():
        asked = [
            _ask(host, image, actor, now)
            for host in aggregate.hypervisors.order_by("pk")
            for image in images
        ]
    return [operation for operation in asked if operation is not None]


def _check_usable(image: Image) -> None:
    if image.status != ImageStatus.ACTIVE:
        raise ImageNotUsable(f"Image {image.pk} is not active.")
    if not can_be_base(image.disk_format or ""):
        raise ImageNotUsable(
            f"A server cannot start from image {image.pk} of format {image.disk_format}."
        )


def _ask(host: Hypervisor, image: Image, actor: Actor, now: datetime) -> Operation | None:
    try:
        return enqueue(
            PRECACHE,
            # The same pair again is the same subject: it is not done twice at a time.
            subject=uuid5(host.uuid, f"image {image.pk}"),
            params={"hypervisor": host.pk, "image": str(image.pk)},
            request_id=actor.request_id,
            now=now,
        )
    except AlreadyAtWork:
        return None
