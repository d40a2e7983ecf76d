"""Brings data to an image: fetched or staged, looked into, put in its place, then active.

Until the last step the data is no image: a killed worker leaves half a file that the next try, the
undoing or the sweep removes, and an image that is still `importing`.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from images.begin_import import IMPORT, WEB_DOWNLOAD
from images.errors import ImageBusy, ImageDataMissing, ImageNotFound
from images.fetch import Limits, open_download
from images.inspect import inspect_file
from images.models import Image, ImageStatus
from images.quota import free_bytes, metered
from images.storage import (
    StoredData,
    drop_parts,
    image_path,
    measure,
    new_part_path,
    publish_part,
    stage_path,
    write_part,
)
from images.upload import activate, facts_of, free_image
from operations.errors import Wait
from operations.kinds import TRANSFER_QUEUE, Context, Kind, Step
from operations.models import Operation, OperationState

# Files of imports, so that nobody takes them for those of an upload that is alive.
PURPOSE = "import-"
DEADLINE_S = 6 * 3600.0
_NOTE_EVERY_S = 2.0
# A source may be slow for as long as an hour. Of the queue's twelve lanes some are kept for others.
DOWNLOADS_OF_A_PROJECT, DOWNLOADS = 2, 6
_TURN_S = 5.0
# Its owner may be quicker to take it out of use than a worker that died to be succeeded.
_IN_USE = (ImageStatus.ACTIVE, ImageStatus.DEACTIVATED)


def fetch_data(context: Context) -> dict[str, Any]:
    """Have the whole data in the stage file; its size and digests.

    Raises:
        Wait: other downloads come first.
        Superseded: the worker is to make way.
        ImageNotFound: the image was deleted meanwhile.
        CloudError: what a download may raise, or the staged data is not to be seen.
    """
    image = _wanted(context)
    watch = _Watch(context, image)
    staged = stage_path(image)
    drop_parts(image, PURPOSE)
    if staged.is_file():
        # Staged by the user, or fetched by a try that died before it could say so.
        stored = measure(staged, watch.look)
    elif context.params["method"] == WEB_DOWNLOAD:
        _take_turn(context)
        stored = _download(context.params["uri"], image, watch)
    else:
        raise ImageDataMissing(f"The staged data of image {image.pk} cannot be read at the moment.")
    facts = dataclasses.asdict(stored)
    del facts["path"]
    return facts


def _take_turn(context: Context) -> None:
    """Leave room in the queue, which images on their way to hosts need too.

    Raises:
        Wait: downloads that were asked for earlier come first.
    """
    me = Operation.objects.get(pk=context.operation_id)
    downloads = Operation.objects.filter(
        kind=IMPORT, state=OperationState.RUNNING, cursor=0, params__method=WEB_DOWNLOAD
    ).exclude(pk=me.pk)
    # In their order, so that no two wait for each other.
    earlier = downloads.filter(
        Q(created_at__lt=me.created_at) | Q(created_at=me.created_at, pk__lt=me.pk)
    )
    own = earlier.filter(params__project=me.params["project"])
    at_work = earlier.filter(lease_until__gt=timezone.now())
    if own.count() >= DOWNLOADS_OF_A_PROJECT or at_work.count() >= DOWNLOADS:
        raise Wait("Other downloads come first.", seconds=_TURN_S)


def _download(uri: str, image: Image, watch: _Watch) -> StoredData:
    limits = Limits(settings.MAX_IMAGE_BYTES, settings.IMPORT_TIMEOUT_S, settings.IMPORT_NETWORKS)
    part = new_part_path(image, PURPOSE)
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open_download(uri, limits) as download:
            watch.expect(download.size)
            counted = metered(
                image, watch.over(download.chunks), announced=download.size, now=timezone.now()
            )
            stored = write_part(part, counted, limits.max_bytes)
        try:
            publish_part(part, stage_path(image))
        except FileNotFoundError:
            raise ImageBusy("Another worker fetches the image.") from None
    finally:
        part.unlink(missing_ok=True)
    return stored


def forget_data(context: Context) -> None:
    """Remove what was fetched or staged; half of it too."""
    image = Image(pk=context.subject)
    drop_parts(image, PURPOSE)
    stage_path(image).unlink(missing_ok=True)


def check_data(context: Context) -> dict[str, Any]:
    """Look into the data before any host does; the size of the disk that a guest would see.

    Raises:
        WrongContent: it is not what the image's disk format says, or unsafe.
        ImageNotFound: the image was deleted meanwhile.
    """
    image = _wanted(context)
    inspection = inspect_file(_data(image), image.disk_format)
    return {"virtual_size": inspection.virtual_size}


def place_data(context: Context) -> None:
    """Give the data its final name.

    Raises:
        ImageNotFound: the image was deleted meanwhile.
    """
    image = _wanted(context)
    if stage_path(image).is_file():
        publish_part(stage_path(image), image_path(image))
    elif not image_path(image).is_file():
        raise ImageDataMissing(f"The data of image {image.pk} cannot be read at the moment.")


def remove_data(context: Context) -> None:
    """Take it away again, unless users have the image already."""
    image = Image(pk=context.subject)
    if not Image.objects.filter(pk=image.pk, status__in=_IN_USE).exists():
        image_path(image).unlink(missing_ok=True)


def make_active(context: Context) -> None:
    """The image may be used.

    Raises:
        ImageNotFound: it was deleted meanwhile.
    """
    stored = StoredData(image_path(Image(pk=context.subject)), **context.outputs["fetch_data"])
    facts = facts_of(stored, context.outputs["check_data"]["virtual_size"])
    facts |= {"arrived_bytes": stored.size, "expected_bytes": stored.size}
    if activate(context.subject, ImageStatus.IMPORTING, facts, now=timezone.now()):
        return
    if not Image.objects.filter(pk=context.subject, status__in=_IN_USE).exists():
        stored.path.unlink(missing_ok=True)
        raise _gone(context)


def on_failed(context: Context, error: dict[str, Any]) -> None:
    """The image waits for data again; nothing of what came counts."""
    if Image.objects.filter(pk=context.subject, status=ImageStatus.IMPORTING).exists():
        free_image(context.subject, ImageStatus.IMPORTING, now=timezone.now())
    elif Image.objects.filter(pk=context.subject, status=ImageStatus.DELETED).exists():
        free_bytes(context.subject)


class _Watch:
    """Between two pieces: is the image still wanted? Writes down how far it got."""

    def __init__(self, context: Context, image: Image) -> None:
        self._context = context
        self._image = image
        self._arrived = 0
        self._noted_at = time.monotonic()

    def expect(self, size: int | None) -> None:
        """So much is to come."""
        self._note(expected_bytes=size, arrived_bytes=0)

    def over(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The chunks, counted."""
        for chunk in chunks:
            yield chunk
            self._arrived += len(chunk)
            self._context.checkpoint()
            if time.monotonic() > self._noted_at + _NOTE_EVERY_S:
                self._note(arrived_bytes=self._arrived)

    def look(self) -> None:
        """Go on, unless the image was deleted or somebody else goes on."""
        self._context.checkpoint()
        if time.monotonic() > self._noted_at + _NOTE_EVERY_S:
            self._note()

    def _note(self, **fields: Any) -> None:
        self._noted_at = time.monotonic()
        rows = Image.objects.filter(pk=self._image.pk, status=ImageStatus.IMPORTING)
        if not rows.update(**fields, updated_at=timezone.now()):
            raise _gone(self._context)


def _wanted(context: Context) -> Image:
    image = Image.objects.filter(pk=context.subject, status=ImageStatus.IMPORTING).first()
    if image is None:
        raise _gone(context)
    return image


def _data(image: Image) -> Any:
    """Where the data is by now."""
    staged = stage_path(image)
    return staged if staged.is_file() else image_path(image)


def _gone(context: Context) -> ImageNotFound:
    return ImageNotFound(f"Image {context.subject} was deleted while it was imported.")


def _transfer(context: Context) -> str:
    return TRANSFER_QUEUE


IMPORT_DATA = Kind(
    IMPORT,
    steps=[
        # It may take hours, and no reboot may wait for it.
        Step("fetch_data", fetch_data, forget_data, queue=_transfer),
        # It reads only.
        Step("check_data", check_data, queue=_transfer),
        Step("place_data", place_data, remove_data, queue=_transfer),
        # No undo: nothing outside the row changes, and nothing follows it.
        Step("make_active", make_active, queue=_transfer),
    ],
    deadline_s=DEADLINE_S,
    on_failed=on_failed,
)
