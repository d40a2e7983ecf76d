"""Takes in data that an import will use later: to the disk, beside where images lie."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.db import transaction

from identity import policy
from identity.actors import Actor
from images.errors import ImageBusy, ImageNotFound
from images.models import Image, ImageStatus
from images.quota import free_bytes, metered, settle_bytes
from images.storage import publish_part, stage_path, write_part
from images.upload import arriving


def stage_image_data(
    *,
    image: Image,
    chunks: Iterable[bytes],
    actor: Actor,
    now: datetime,
    announced: int | None = None,
) -> None:
    """Keep data for an import; the image is `uploading` from now on, until that or its deletion.

    It is not looked into yet. A failed upload leaves the image queued and no file.

    Raises:
        Forbidden: the actor may not change the image.
        ImageBusy: the image has data, or another upload is under way.
        ImageTooLarge: more than the portal accepts.
        OverQuota: more than is left for the project.
        ImageNotFound: the image was deleted meanwhile.
    """
    policy.require(actor, "upload_image", project_id=image.owner)
    with arriving(image, ImageStatus.UPLOADING, now) as part:
        counted = metered(image, chunks, announced=announced, now=now)
        stored = write_part(part, counted, settings.MAX_IMAGE_BYTES)
        staged = stage_path(image)
        try:
            publish_part(part, staged)
        except FileNotFoundError:
            raise ImageBusy("The upload took too long and was given up.") from None
        note_staged(image, stored.size, now=now)


def note_staged(image: Image, size: int, *, now: datetime) -> None:
    """Write down that whole data waits.

    Raises:
        ImageNotFound: the image was deleted meanwhile, so its data went.
    """
    with transaction.atomic():
        rows = Image.objects.filter(pk=image.pk, status=ImageStatus.UPLOADING)
        if rows.update(arrived_bytes=size, expected_bytes=size, updated_at=now):
            owner = Image.objects.values_list("owner", flat=True).get(pk=image.pk)
            settle_bytes(image.pk, owner, size, now=now)
            return
    stage_path(image).unlink(missing_ok=True)
    free_bytes(image.pk)
    raise ImageNotFound(f"Image {image.pk} was deleted while its data was uploaded.")
