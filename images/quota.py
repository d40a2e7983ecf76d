"""The bytes of images in the quota ledger: reserved while they arrive, exact once they are there.

A chunked upload does not say how long it will be, so it reserves ahead of itself, a step at a time.
Each step holds the image's row: a deletion that comes meanwhile gives back all there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from uuid import UUID

from django.db import transaction

from images.errors import ImageNotFound
from images.models import Image, ImageStatus
from quotas.consume import grow, hold_exactly, record_use, release
from quotas.errors import QuotaExceeded
from quotas.models import Reservation

# The image service's own name; in MiB, as there.
BYTES = "image_size_total"
MIB = 1024**2
# Reserved at once for data of unknown length.
STEP_MIB = 64


def mebibytes(size: int) -> int:
    """What so many bytes count for: begun MiB."""
    return -(-size // MIB)


def hold_bytes(image: Image, size: int, *, now: datetime) -> None:
    """Reserve room for so much of an image, inside a transaction of its own.

    Raises:
        QuotaExceeded: there is not so much left for its project.
        ImageNotFound: it was deleted meanwhile.
    """
    with transaction.atomic():
        rows = Image.objects.select_for_update().filter(pk=image.pk)
        owner = rows.exclude(status=ImageStatus.DELETED).values_list("owner", flat=True).first()
        if owner is None:
            raise ImageNotFound(f"Image {image.pk} was deleted while its data was uploaded.")
        grow(project_id=owner, subject=image.pk, amounts={BYTES: mebibytes(size)}, now=now)


def settle_bytes(image_id: UUID, owner: str, size: int, *, now: datetime) -> None:
    """Count what the image has now, inside the transaction that says so."""
    hold_exactly(project_id=owner, subject=image_id, amounts={BYTES: mebibytes(size)}, now=now)


def free_bytes(image_id: UUID) -> None:
    """Give back what was reserved for data that did not come."""
    release(subject=image_id, resources=[BYTES])


def metered(
    image: Image, chunks: Iterable[bytes], *, announced: int | None, now: datetime
) -> Iterator[bytes]:
    """The chunks, none of which comes before there is room for it in the quota.

    Raises:
        QuotaExceeded: there is none left.
        ImageNotFound: the image was deleted meanwhile.
    """
    held, size = announced or 0, 0
    if announced:
        hold_bytes(image, announced, now=now)
    for chunk in chunks:
        size += len(chunk)
        if size > held:
            held = _ahead(image, size, now)
        yield chunk


def _ahead(image: Image, size: int, now: datetime) -> int:
    wanted = size + STEP_MIB * MIB
    try:
        hold_bytes(image, wanted, now=now)
    except QuotaExceeded:
        # Near the limit the last of it counts: no more than there is, piece by piece.
        wanted = mebibytes(size) * MIB
        hold_bytes(image, wanted, now=now)
    return wanted


def move_to(image: Image, owner: str, *, now: datetime) -> None:
    """Count the image with its new owner, even beyond the limits; inside a transaction."""
    held = Reservation.objects.filter(subject=image.pk).values_list("resource", "amount")
    amounts = dict(held)
    release(subject=image.pk)
    record_use(project_id=owner, subject=image.pk, amounts=amounts, now=now)
