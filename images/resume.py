"""Stages data in several requests, so that a browser goes on where its connection broke.

The file that grows is the truth about how far it is; its lock is what makes two requests that
append at the same time one after the other. What a request broke off within is kept.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from cloudportal.errors import Invalid
from identity import policy
from identity.actors import Actor
from images.errors import ImageBusy, ImageNotFound, ImageTooLarge, WrongOffset
from images.models import Image, ImageStatus
from images.quota import hold_bytes
from images.stage import note_staged
from images.storage import growing_path, publish_part, stage_path
from images.upload import claim, free_image


@dataclass(frozen=True)
class Piece:
    """Where a part of the data belongs: `first` to `last`, both in it, of `total` bytes."""

    first: int
    last: int
    total: int

    @property
    def length(self) -> int:
        """How many bytes it has."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class Progress:
    """How many bytes are there, and how many there will be; None while nobody has said so."""

    offset: int
    total: int | None


def append_image_data(
    *, image: Image, piece: Piece, chunks: Iterable[bytes], actor: Actor, now: datetime
) -> Progress:
    """Add one piece to the data that is being staged; the first one begins it.

    With the last one the data waits for its import, as if it had been staged at once. The quota
    holds room for all of it from the first piece on.

    Raises:
        Forbidden: the actor may not change the image.
        Invalid: the piece makes no sense, or is not as long as it says.
        WrongOffset: data is missing before it, or there already.
        ImageBusy: the image has data, another upload is under way, or another piece is coming.
        ImageTooLarge: all of it would be more than the portal accepts.
        OverQuota: more than is left for the project.
        ImageNotFound: the image was deleted meanwhile.
    """
    policy.require(actor, "upload_image", project_id=image.owner)
    _check_piece(piece)
    path = growing_path(image)
    with _locked(path, is_first=not piece.first) as file:
        _begin(image, piece, file, now)
        try:
            _append(file, piece, chunks)
        finally:
            file.flush()
            os.fsync(file.fileno())
            size = os.fstat(file.fileno()).st_size
            _note(image, size, now)
        if size == piece.total:
            try:
                publish_part(path, stage_path(image))
            except FileNotFoundError:
                raise _gone(image) from None
            note_staged(image, size, now=now)
    return Progress(size, piece.total)


def staged_so_far(*, image: Image, actor: Actor) -> Progress:
    """Where to go on.

    Raises:
        Forbidden: the actor may not change the image.
        ImageBusy: no data is being staged in pieces, and none could be.
    """
    policy.require(actor, "upload_image", project_id=image.owner)
    if image.status == ImageStatus.QUEUED:
        return Progress(0, None)
    for path in (growing_path(image), stage_path(image)):
        if image.status == ImageStatus.UPLOADING and path.is_file():
            return Progress(path.stat().st_size, image.expected_bytes)
    raise ImageBusy(f"No data of image {image.pk} is being staged in pieces.")


def _check_piece(piece: Piece) -> None:
    if not 0 <= piece.first <= piece.last < piece.total:
        raise Invalid("The piece does not lie within the data.")
    if piece.total > settings.MAX_IMAGE_BYTES:
        raise ImageTooLarge(f"Image exceeds the size limit of {settings.MAX_IMAGE_BYTES} bytes.")


@contextlib.contextmanager
def _locked(path: Path, *, is_first: bool) -> Iterator[BinaryIO]:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Only the first piece makes the file: after a deletion none comes back.
        descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if is_first else 0), 0o600)
    except FileNotFoundError:
        raise WrongOffset("No data is there yet: the upload begins at 0.") from None
    with os.fdopen(descriptor, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ImageBusy("Another piece of the data is coming.", detail=str(error)) from None
        yield file


def _begin(image: Image, piece: Piece, file: BinaryIO, now: datetime) -> None:
    """Claim a queued image; of one that is being staged see that the piece is the next one."""
    image.refresh_from_db(fields=["status", "expected_bytes"])
    size = os.fstat(file.fileno()).st_size
    if image.status == ImageStatus.UPLOADING and image.expected_bytes is not None:
        if stage_path(image).exists():
            growing_path(image).unlink(missing_ok=True)
            raise ImageBusy(f"All data of image {image.pk} is there.")
        if image.expected_bytes != piece.total:
            raise Invalid(f"The upload was begun with {image.expected_bytes} bytes in all.")
        if size != piece.first:
            raise WrongOffset(f"The upload is at {size}.")
        return
    if image.status == ImageStatus.QUEUED and piece.first:
        raise WrongOffset("No data is there yet: the upload begins at 0.")
    try:
        claim(image, ImageStatus.UPLOADING, now, expected_bytes=piece.total)
        # What a request left that died before it had claimed the image.
        file.truncate(0)
        hold_bytes(image, piece.total, now=now)
    except ImageBusy:
        growing_path(image).unlink(missing_ok=True)
        raise
    except BaseException:
        growing_path(image).unlink(missing_ok=True)
        free_image(image.pk, ImageStatus.UPLOADING, now=now)
        raise


def _append(file: BinaryIO, piece: Piece, chunks: Iterable[bytes]) -> None:
    file.seek(piece.first)
    missing = piece.length
    for chunk in chunks:
        if len(chunk) > missing:
            raise Invalid("The piece is longer than it says.")
        missing -= len(chunk)
        file.write(chunk)
    if missing:
        raise Invalid(f"The piece ended {missing} bytes before its end.")


def _note(image: Image, size: int, now: datetime) -> None:
    rows = Image.objects.filter(pk=image.pk, status=ImageStatus.UPLOADING)
    if not rows.update(arrived_bytes=size, updated_at=now):
        growing_path(image).unlink(missing_ok=True)
        raise _gone(image)


def _gone(image: Image) -> ImageNotFound:
    return ImageNotFound(f"Image {image.pk} was deleted while its data was uploaded.")
