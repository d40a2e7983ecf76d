"""Brings one image to one host, where servers that start from it are then built faster."""

from __future__ import annotations

from typing import Any

from hypervisors import disks
from hypervisors.errors import HypervisorNotFound
from hypervisors.models import Hypervisor
from images.bring import bring_to_host
from images.errors import ImageNotFound
from images.models import Image, ImageStatus
from images.precache import PRECACHE
from operations.kinds import TRANSFER_QUEUE, Context, Kind, Step


def bring_image(context: Context) -> dict[str, Any]:
    """Have the image in the host's pool, whole; another one that brings it is waited for."""
    host = _host(context)
    if host is None:
        raise HypervisorNotFound("The host has been removed.")
    image = Image.objects.filter(pk=context.params["image"], status=ImageStatus.ACTIVE).first()
    if image is None:
        raise ImageNotFound("The image was deleted before it was on the host.")
    volume = bring_to_host(image=image, hypervisor=host, operation_id=context.operation_id)
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
