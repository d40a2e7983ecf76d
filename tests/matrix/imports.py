"""Imports of images, staged and from a web server, as cases of the matrix."""

from __future__ import annotations

import hashlib
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from images.begin_import import GLANCE_DIRECT, WEB_DOWNLOAD, WantedImport, begin_import
from images.create import create_image
from images.models import Image, ImageStatus
from images.quota import BYTES
from images.stage import stage_image_data
from images.storage import STAGE_SUFFIX, image_path
from operations.models import Operation, OperationState
from quotas.models import Reservation
from tests.matrix.world import World

CONTENT = bytes(range(256)) * 16


# Where the content is served; the fixture that starts the server says it.
URI = ""


def begin_download(world: World) -> Operation:
    wanted = WantedImport(WEB_DOWNLOAD, URI)
    return begin_import(
        image_id=_queued(world).pk, wanted=wanted, actor=world.actor, now=timezone.now()
    )


def begin_staged(world: World) -> Operation:
    image = _queued(world)
    stage_image_data(image=image, chunks=[CONTENT], actor=world.actor, now=timezone.now())
    wanted = WantedImport(GLANCE_DIRECT)
    return begin_import(image_id=image.pk, wanted=wanted, actor=world.actor, now=timezone.now())


def _queued(world: World) -> Image:
    attributes = {"name": "new", "disk_format": "raw", "container_format": "bare"}
    return create_image(attributes=attributes, actor=world.actor, now=timezone.now())


def is_active(world: World, operation: Operation) -> None:
    assert operation.state == OperationState.DONE, operation.error
    _assert_active(Image.objects.get(pk=operation.subject))


def waits_again(world: World, operation: Operation) -> None:
    """It waits for data, and nothing is left of what came; unless users had it already."""
    assert operation.state == OperationState.FAILED
    image = Image.objects.get(pk=operation.subject)
    if image.status == ImageStatus.ACTIVE:
        _assert_active(image)
        return
    assert (image.status, image.size, image.arrived_bytes) == (ImageStatus.QUEUED, None, 0)
    assert not Reservation.objects.filter(subject=image.pk, resource=BYTES).exists()
    assert _files_of(image) == []


def _assert_active(image: Image) -> None:
    assert (image.status, image.size) == (ImageStatus.ACTIVE, len(CONTENT))
    assert image.sha512 == hashlib.sha512(CONTENT).hexdigest()
    assert image_path(image).read_bytes() == CONTENT
    assert _files_of(image) == [image_path(image)]
    assert Reservation.objects.get(subject=image.pk, resource=BYTES).amount == 1


def _files_of(image: Image) -> list[Path]:
    return sorted(Path(settings.IMAGE_DIR).glob(f"{image.pk}*"))


def left_in_store() -> list[str]:
    """What imports left in the image store."""
    found = Path(settings.IMAGE_DIR).iterdir()
    return [
        f"file {path.name}"
        for path in found
        if path.name.endswith(STAGE_SUFFIX) or ".import-" in path.name
    ]
