"""Takes in an image's data: to the disk, hashed on the way, looked into, then active."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from identity import policy
from identity.actors import Actor
from images.errors import FormatsMissing, ImageBusy, ImageNotFound
from images.inspect import inspect_file
from images.models import Image, ImageStatus
from images.quota import free_bytes, metered, settle_bytes
from images.storage import StoredData, image_path, new_part_path, publish_part, write_part

_WAITING = (ImageStatus.QUEUED, ImageStatus.SAVING)


def store_image_data(
    *,
    image: Image,
    chunks: Iterable[bytes],
    actor: Actor,
    now: datetime,
    announced: int | None = None,
) -> Image:
    """Store the data of a queued image, which is active on return; of two uploads one wins.

    A failed upload leaves the image queued and no file. Nothing but one chunk is held in memory,
    and no transaction is open while data arrives. `announced` is its length in bytes where that is
    known.

    Raises:
        Forbidden: the actor may not change the image.
        FormatsMissing: disk or container format is not set yet.
        ImageBusy: the image has data, or another upload is under way.
        ImageTooLarge: more than the portal accepts.
        OverQuota: more than is left for the project.
        WrongContent: the data is not what the image's disk format says, or unsafe.
        ImageNotFound: the image was deleted meanwhile.
    """
    _check_may_upload(image, actor)
    with arriving(image, ImageStatus.SAVING, now) as part:
        _receive(image, part, metered(image, chunks, announced=announced, now=now), now)
    image.refresh_from_db()
    return image


@contextlib.contextmanager
def arriving(image: Image, status: ImageStatus, now: datetime) -> Iterator[Path]:
    """A file for data that comes now; the queued image has this status meanwhile.

    Whatever ends it early leaves the image queued, and no file.

    Raises:
        ImageBusy: the image has data, or another upload is under way.
    """
    part = new_part_path(image)
    # The part file is there for as long as the claim holds: the sweep goes by it, and so does the
    # undo below, which must not free an image that another upload has claimed since.
    part.parent.mkdir(parents=True, exist_ok=True)
    part.touch(exist_ok=False)
    try:
        claim(image, status, now)
        yield part
    except ImageBusy:
        raise
    except BaseException:
        # Whatever ends an upload, also the end of the worker thread, must free the image.
        if part.exists():
            free_image(image.pk, status, now=now)
        raise
    finally:
        part.unlink(missing_ok=True)


def free_image(image_id: UUID, status: ImageStatus, *, now: datetime) -> None:
    """Let an image wait for data again, if it still has this status; nothing counts for it."""
    with transaction.atomic():
        Image.objects.filter(pk=image_id, status=status).update(
            status=ImageStatus.QUEUED, arrived_bytes=0, expected_bytes=None, updated_at=now
        )
        free_bytes(image_id)


def begin_saving(image_id: UUID, *, now: datetime) -> None:
    """Keep a queued image for data that the portal itself brings; again, it stays kept.

    Raises:
        ImageBusy: it has data, or an upload of somebody else is under way.
        ImageNotFound: it was deleted.
    """
    rows = Image.objects.filter(pk=image_id)
    kept = rows.filter(status__in=_WAITING).update(status=ImageStatus.SAVING, updated_at=now)
    if not kept:
        if rows.exclude(status=ImageStatus.DELETED).exists():
            raise ImageBusy(f"Image {image_id} got other data meanwhile.")
        raise ImageNotFound(f"Image {image_id} was deleted before its data came.")


def save_image_data(
    *, image: Image, chunks: Iterable[bytes], properties: Mapping[str, str], now: datetime
) -> None:
    """Store the data of an image that `begin_saving` keeps, which is active on return.

    What a try before this one left half is not gone on with. The properties are added to those
    that the image has by then.

    Raises:
        ImageTooLarge: more than the portal accepts.
        OverQuota: more than is left for the project.
        WrongContent: the data is not what the image's disk format says, or unsafe.
        ImageNotFound: the image was deleted meanwhile.
    """
    part = new_part_path(image)
    part.parent.mkdir(parents=True, exist_ok=True)
    part.touch(exist_ok=False)
    try:
        counted = metered(image, chunks, announced=None, now=now)
        _receive(image, part, counted, now, properties)
    finally:
        part.unlink(missing_ok=True)


def _check_may_upload(image: Image, actor: Actor) -> None:
    policy.require(actor, "upload_image", project_id=image.owner)
    if not image.disk_format or not image.container_format:
        raise FormatsMissing(
            "Properties disk_format, container_format must be set prior to saving data."
        )


def claim(
    image: Image, status: ImageStatus, now: datetime, *, expected_bytes: int | None = None
) -> None:
    """Turn a queued image into one whose data arrives; only one caller succeeds.

    Raises:
        ImageBusy: it is not queued any more.
    """
    claimed = Image.objects.filter(pk=image.pk, status=ImageStatus.QUEUED).update(
        status=status, arrived_bytes=0, expected_bytes=expected_bytes, updated_at=now
    )
    if not claimed:
        raise ImageBusy(
            f"Image status transition to {status} is not allowed: image {image.pk} is not queued."
        )


def _receive(
    image: Image,
    part: Path,
    chunks: Iterable[bytes],
    now: datetime,
    properties: Mapping[str, str] | None = None,
) -> None:
    stored = write_part(part, chunks, settings.MAX_IMAGE_BYTES)
    inspection = inspect_file(part, image.disk_format)
    final = image_path(image)
    try:
        publish_part(part, final)
    except FileNotFoundError:
        raise ImageBusy("The upload took too long and was given up.") from None
    more: dict[str, Any] = {}
    if properties:
        known = Image.objects.filter(pk=image.pk).values_list("properties", flat=True).first()
        more["properties"] = {**(known or {}), **properties}
    facts = {**more, **facts_of(stored, inspection.virtual_size)}
    if not activate(image.pk, ImageStatus.SAVING, facts, now=now):
        final.unlink(missing_ok=True)
        free_bytes(image.pk)
        raise ImageNotFound(f"Image {image.pk} was deleted while its data was uploaded.")


def facts_of(stored: StoredData, virtual_size: int) -> dict[str, Any]:
    """What the row says of data that is there."""
    return {
        "size": stored.size,
        "virtual_size": virtual_size,
        "checksum": stored.md5,
        "sha256": stored.sha256,
        "sha512": stored.sha512,
    }


def activate(
    image_id: UUID, status: ImageStatus, facts: Mapping[str, Any], *, now: datetime
) -> bool:
    """Make an image of this status active, with its data in place; False: it has another one."""
    with transaction.atomic():
        rows = Image.objects.filter(pk=image_id, status=status)
        if not rows.update(**facts, status=ImageStatus.ACTIVE, updated_at=now):
            return False
        owner = Image.objects.values_list("owner", flat=True).get(pk=image_id)
        settle_bytes(image_id, owner, int(facts["size"]), now=now)
    return True
