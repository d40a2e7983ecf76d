"""Cleans up behind uploads that ended without a chance to do it themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings

from images.models import Image, ImageStatus
from images.storage import (
    GROWING_SUFFIX,
    PART_SUFFIX,
    STAGE_SUFFIX,
    growing_path,
    image_path,
    stage_path,
)
from images.upload import free_image
from operations.models import UNFINISHED, Operation

# An upload writes all the time; a part file untouched for so long belongs to nobody.
STALE_AFTER = timedelta(minutes=15)
# Nobody comes back to an upload in pieces after so long.
FORGOTTEN_AFTER = timedelta(hours=24)
SWEEP_EVERY_S = 300.0
_WITH_DATA = (ImageStatus.ACTIVE, ImageStatus.DEACTIVATED)
_STAGED = (ImageStatus.UPLOADING, ImageStatus.IMPORTING)
# The statuses of images that a file of this ending belongs to.
_HELD_BY = {"": _WITH_DATA, STAGE_SUFFIX: _STAGED, GROWING_SUFFIX: (ImageStatus.UPLOADING,)}
_ARRIVING = (ImageStatus.SAVING, *_STAGED)


def remove_stray_files(now: datetime) -> list[Path]:
    """Remove part files of dead uploads and files without an image; free their images.

    Returns:
        the files that were removed.
    """
    removed = [path for path in _files() if _is_stray(path, now)]
    for path in removed:
        path.unlink(missing_ok=True)
    _free_abandoned_images(now)
    return removed


def _files() -> list[Path]:
    folder = Path(settings.IMAGE_DIR)
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def _is_stray(path: Path, now: datetime) -> bool:
    if not _is_stale(path, now):
        return False
    if path.suffix == PART_SUFFIX:
        return True
    try:
        image_id = UUID(path.stem)
    except ValueError:
        return False  # not one of ours
    if path.suffix not in _HELD_BY:
        return False
    statuses = _HELD_BY[path.suffix]
    rows = Image.objects.filter(pk=image_id)
    if path.suffix == GROWING_SUFFIX and _is_stale(path, now, FORGOTTEN_AFTER):
        return True
    if rows.filter(status__in=statuses).exists():
        return False
    # Data has its name for a moment before the image is active; a dead worker's successor is due.
    importing = rows.filter(status=ImageStatus.IMPORTING).first()
    return importing is None or not _is_at_work(importing)


def _is_stale(path: Path, now: datetime, after: timedelta = STALE_AFTER) -> bool:
    try:
        touched_at = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
    except FileNotFoundError:
        return True
    return touched_at < now - after


def _free_abandoned_images(now: datetime) -> None:
    """Images whose data is to arrive, with no file that still grows, wait for data again."""
    live = {path.name.split(".")[0] for path in _files() if path.name.endswith(PART_SUFFIX)}
    arriving = Image.objects.filter(status__in=_ARRIVING, updated_at__lt=now - STALE_AFTER)
    for image in arriving:
        if str(image.pk) in live or _is_at_work(image):
            continue
        # A final file is there for the moment between its renaming and the change of the status;
        # staged data waits for as long as its owner likes.
        paths = (image_path(image), stage_path(image), growing_path(image))
        if not any(path.exists() for path in paths):
            free_image(image.pk, ImageStatus(image.status), now=now)


def _is_at_work(image: Image) -> bool:
    """Whether an operation brings its data: its host may be away for long."""
    unfinished = Operation.objects.filter(state__in=UNFINISHED, params__image=str(image.pk))
    return unfinished.exists()
