"""Bring an image to a host's pool, where servers start from it."""

from __future__ import annotations

from uuid import UUID

from django.utils import timezone

from hypervisors import disks
from hypervisors.errors import ImageBeingUploaded
from hypervisors.models import Hypervisor
from hypervisors.pools import pool_for
from images.models import Image
from images.storage import data_of, image_path
from operations.errors import Wait


def bring_to_host(
    *, image: Image, hypervisor: Hypervisor, operation_id: UUID, pool_name: str = ""
) -> str:
    """Have the image in a pool of the host, its default one unless named; the volume's name there.

    Raises:
        Wait: another operation is bringing it.
        CloudError: the host refused it or is away, or there is no file to bring.
    """
    pool = pool_for(hypervisor, pool_name)
    # What the host has needs no file here.
    source = image_path(image) if disks.is_cached(pool, image.pk) else data_of(image)
    try:
        return disks.ensure_base_image(
            hypervisor=hypervisor,
            pool=pool,
            image=disks.BaseImage(image.pk, image.sha256, image.disk_format, source),
            operation_id=operation_id,
            now=timezone.now(),
        )
    except ImageBeingUploaded as busy:
        raise Wait(str(busy), seconds=0.5) from busy
