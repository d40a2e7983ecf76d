"""Brings one image to one host, where servers that start from it are then built faster."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from hypervisors import disks
from hypervisors.errors import HypervisorNotFound, ImageBeingUploaded
from hypervisors.models import Hypervisor
from hypervisors.pools import default_pool
from images.errors import ImageNotFound
from images.models import Image, ImageStatus
from images.precache import PRECACHE
from images.storage import data_of, image_path
from operations.errors import Wait
from operations.kinds import TRANSFER_QUEUE, Context, Kind, Step


def bring_image(context: Context) -> dict[str, Any]:
    """Have the image in the host's pool, whole; another one that brings it is waited for."""
    host = _host(context)
    if host is None:
        raise HypervisorNotFound("The host has been removed.")
    image = Image.objects.filter(pk=context.params["image"], status=ImageStatus.ACTIVE).first()
    if image is None:
        raise ImageNotFound("The image was deleted before it was on the host.")
    pool = default_pool(host)
    # What the host has needs no file here.
    source = image_path(image) if disks.is_cached(pool, image.pk) else data_of(image)
    try:
        volume = disks.ensure_base_image(
            hypervisor=host,
            pool=pool,
            image=disks.BaseImage(image.pk, image.sha256, image.disk_format, source),
            operation_id=context.operation_id,
            now=timezone.now(),
        )
    except ImageBeingUploaded as busy:
        raise Wait(str(busy), seconds=0.5) from busy
    return {"volume": volume}


def drop_half_image(context: Context) -> None:
    """Take half an image off the host again."""
    host = _host(context)
    if host is not None:
        disks.drop_half_uploads(host, context.subject)


def _host(context: Context) -> Hypervisor | None:
    return Hypervisor.objects.filter(pk=context.params["hypervisor"]).first()


BRING = Kind(
    PRECACHE,
    steps=[
        Step(
            "bring_image",
            bring_image,
            drop_half_image,
            on_host=True,
            # It may take minutes, and nobody waits for it.
            queue=lambda context: TRANSFER_QUEUE,
        )
    ],
    # Some minutes, in which a host may boot.
    retries=10,
)
