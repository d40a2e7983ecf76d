"""Cleans up behind uploads that ended without a chance to do it themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings

from images.models import Image, ImageStatus
from images.storage import PART_SUFFIX, STAGE_SUFFIX, image_path, stage_path
from images.upload import free_image
from operations.models import UNFINISHED, Operation

# An upload writes all the time; a part file untouched for so long belongs to nobody.
STALE_AFTER = timedelta(minutes=15)
SWEEP_EVERY_S = 300.0
_WITH_DATA = (ImageStatus.ACTIVE, ImageStatus.DEACTIVATED)
_STAGED = (ImageStatus.UPLOADING, ImageStatus.IMPORTING)
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
    if path.name.endswith(PART_SUFFIX):
        return True
    is_staged = path.name.endswith(STAGE_SUFFIX)
    try:
        image_id = UUID(path.name.removesuffix(STAGE_SUFFIX))
    except ValueError:
        return False  # not one of ours
    statuses = _STAGED if is_staged else _WITH_DATA
    rows = Image.objects.filter(pk=image_id)
    if rows.filter(status__in=statuses).exists():
        return False
    # Data has its name for a moment before the image is active; a dead worker's successor is due.
    importing = rows.filter(status=ImageStatus.IMPORTING).first()
    return importing is None or not _is_at_work(importing)


def _is_stale(path: Path, now: datetime) -> bool:
    try:
        touched_at = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
    except FileNotFoundError:
        return True
    return touched_at < now - STALE_AFTER


def _free_abandoned_images(now: datetime) -> None:
    """Images whose data is to arrive, with no file that still grows, wait for data again."""
    live = {path.name.split(".")[0] for path in _files() if path.name.endswith(PART_SUFFIX)}
    arriving = Image.objects.filter(status__in=_ARRIVING, updated_at__lt=now - STALE_AFTER)
    for image in arriving:
        if str(image.pk) in live or _is_at_work(image):
            continue
        # A final file is there for the moment between its renaming and the change of the status;
        # staged data waits for as long as its owner likes.
        if not image_path(image).exists() and not stage_path(image).exists():
            free_image(image.pk, ImageStatus(image.status), now=now)


def _is_at_work(image: Image) -> bool:
    """Whether an operation brings its data: its host may be away for long."""
    unfinished = Operation.objects.filter(state__in=UNFINISHED, params__image=str(image.pk))
    return unfinished.exists()
