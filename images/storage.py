"""Where the bytes of images lie: one file an image, and a part file while it arrives."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from images.errors import ImageDataMissing, ImageTooLarge
from images.models import Image

PART_SUFFIX = ".part"
STAGE_SUFFIX = ".stage"
GROWING_SUFFIX = ".growing"
CHUNK = 1024 * 1024


@dataclass(frozen=True)
class StoredData:
    """What was found out about data on its way to the disk."""

    path: Path
    size: int
    md5: str
    sha256: str
    sha512: str


def image_path(image: Image) -> Path:
    """The file with the image's data; it exists while the image is active."""
    return Path(settings.IMAGE_DIR) / str(image.pk)


def data_of(image: Image) -> Path:
    """The file with an active image's data.

    Raises:
        ImageDataMissing: this machine does not see it; another one, or a later try, may.
    """
    path = image_path(image)
    if not path.is_file():
        raise ImageDataMissing(
            f"The data of image {image.pk} cannot be read at the moment.",
            detail=(
                f"{socket.gethostname()} has no file {path}. With several machines the image "
                "folder (CLOUDPORTAL_IMAGES) must be one that all of them share."
            ),
        )
    return path


def stage_path(image: Image) -> Path:
    """The file with whole data that waits to be imported."""
    return Path(settings.IMAGE_DIR) / f"{image.pk}{STAGE_SUFFIX}"


def growing_path(image: Image) -> Path:
    """The file with data that is staged in several requests, until the last of them."""
    return Path(settings.IMAGE_DIR) / f"{image.pk}{GROWING_SUFFIX}"


def new_part_path(image: Image, purpose: str = "") -> Path:
    """A name for data that is still arriving, different for every attempt."""
    name = f"{image.pk}.{purpose}{uuid.uuid4().hex}{PART_SUFFIX}"
    return Path(settings.IMAGE_DIR) / name


def drop_parts(image: Image, purpose: str) -> None:
    """Remove what earlier attempts for this purpose left half, whoever made them."""
    for part in Path(settings.IMAGE_DIR).glob(f"{image.pk}.{purpose}*{PART_SUFFIX}"):
        part.unlink(missing_ok=True)


def drop_data(image: Image) -> None:
    """Remove the image's data, waiting or in use; what still arrives is its writer's to remove."""
    for path in (image_path(image), stage_path(image), growing_path(image)):
        path.unlink(missing_ok=True)


def write_part(path: Path, chunks: Iterable[bytes], max_bytes: int) -> StoredData:
    """Write the data to the file, hashing it on the way; it is on the disk on return.

    Raises:
        ImageTooLarge: more than `max_bytes`, or than the disk holds.
    """
    try:
        return _write(path, chunks, max_bytes)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ImageTooLarge(
            "There is not enough space in the image store.", detail=str(error)
        ) from error


def _write(path: Path, chunks: Iterable[bytes], max_bytes: int) -> StoredData:
    digests = _Digests()
    with path.open("wb") as file:
        for chunk in chunks:
            digests.update(chunk)
            if digests.size > max_bytes:
                raise ImageTooLarge(f"Image exceeds the size limit of {max_bytes} bytes.")
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return digests.of(path)


def measure(path: Path, before_each: Callable[[], None] | None = None) -> StoredData:
    """What a file that is there already holds; `before_each` is called between two pieces."""
    digests = _Digests()
    for chunk in read_file(path):
        if before_each is not None:
            before_each()
        digests.update(chunk)
    return digests.of(path)


class _Digests:
    """Everything that is to be known of data, in one passing."""

    def __init__(self) -> None:
        self.size = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self._sha512 = hashlib.sha512()

    def update(self, chunk: bytes) -> None:
        """One more piece."""
        self.size += len(chunk)
        for digest in (self._md5, self._sha256, self._sha512):
            digest.update(chunk)

    def of(self, path: Path) -> StoredData:
        """What all the pieces together are."""
        md5, sha256, sha512 = (
            digest.hexdigest() for digest in (self._md5, self._sha256, self._sha512)
        )
        return StoredData(path, self.size, md5, sha256, sha512)


def publish_part(part: Path, final: Path) -> None:
    """Give arrived data its final name, in one step, so that a file of that name is whole.

    Raises:
        FileNotFoundError: the part was removed meanwhile.
    """
    part.replace(final)
    directory = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def read_file(path: Path) -> Iterable[bytes]:
    """The file in chunks."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk
