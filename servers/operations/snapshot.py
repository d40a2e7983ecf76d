"""Make an image or a backup of a server, which goes on as it was meanwhile."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from images.delete import remove_image
from images.models import Image, ImageStatus
from images.upload import begin_saving
from operations.kinds import TRANSFER_QUEUE, Context, Kind, Step
from servers import history
from servers.backups import surplus_backups
from servers.models import Server
from servers.operations.disk_image import (
    IMAGE_DEADLINE_S,
    copy_disk,
    drop_copy,
    fetch_image,
    image_id_of,
    note_task,
)
from servers.operations.facts import host_of, server_of
from servers.states import TaskState

SNAPSHOT_NAME = "server.snapshot"
_COPYING = (
    TaskState.IMAGE_SNAPSHOT_PENDING,
    TaskState.IMAGE_SNAPSHOT,
    TaskState.IMAGE_BACKUP,
)
_OWN = (*_COPYING, TaskState.IMAGE_PENDING_UPLOAD, TaskState.IMAGE_UPLOADING)


def begin(context: Context) -> dict[str, Any]:
    """Note the start of the event, and keep the image for what is to come."""
    host = host_of(server_of(context))
    now = timezone.now()
    with transaction.atomic():
        begin_saving(image_id_of(context), now=now)
        note_task(
            context.subject, TaskState.IMAGE_SNAPSHOT, after=[TaskState.IMAGE_SNAPSHOT_PENDING]
        )
        history.begin_event(**_event(context, host.name), now=now)
    return {"host": host.name}


def copy(context: Context) -> dict[str, Any]:
    """Have the copy of the disk."""
    made = copy_disk(context)
    note_task(context.subject, TaskState.IMAGE_PENDING_UPLOAD, after=_COPYING)
    return made


def fetch(context: Context) -> None:
    """Have the copy as the image."""
    note_task(context.subject, TaskState.IMAGE_UPLOADING, after=[TaskState.IMAGE_PENDING_UPLOAD])
    fetch_image(context)


def rotate(context: Context) -> None:
    """Of backups, delete those beyond the number that is kept."""
    rotation = context.params.get("rotation")
    if rotation is None:
        return
    image = Image.objects.filter(pk=image_id_of(context)).first()
    if image is not None:
        for old in surplus_backups(image, keep=int(rotation)):
            remove_image(old.pk, now=timezone.now())


def end(context: Context) -> None:
    """The server is free again."""
    now = timezone.now()
    with transaction.atomic():
        _free(context, now)
        history.end_event(**_event(context, context.outputs["begin"]["host"]), now=now)


def on_failed(context: Context, error: dict[str, Any]) -> None:
    """The server stays as it was; there is no image."""
    now = timezone.now()
    _free(context, now)
    half = Image.objects.filter(pk=image_id_of(context)).exclude(status=ImageStatus.ACTIVE)
    if half.exists():
        remove_image(image_id_of(context), now=now)
    host = (context.outputs.get("begin") or {}).get("host", "")
    message, detail = str(error.get("message", "")), str(error.get("detail", ""))
    history.end_event(**_event(context, host), error=message, now=now)
    history.mark_action_failed(server_id=context.subject, request_id=context.request_id, now=now)
    history.record_fault(server_id=context.subject, message=message, details=detail, now=now)


def _free(context: Context, now: Any) -> None:
    Server.objects.alive().filter(pk=context.subject, task_state__in=_OWN).update(
        task_state=None, updated_at=now
    )


def _event(context: Context, host: str) -> dict[str, Any]:
    is_backup = context.params.get("rotation") is not None
    return {
        "server_id": context.subject,
        "request_id": context.request_id,
        "event": "compute_backup_instance" if is_backup else "compute_snapshot_instance",
        "host": host,
    }


def _transfer(context: Context) -> str:
    return TRANSFER_QUEUE


SNAPSHOT = Kind(
    SNAPSHOT_NAME,
    steps=[
        # Where there is no undo, on_failed does it with the rows.
        Step("begin", begin),
        Step("copy_disk", copy, drop_copy, queue=_transfer),
        Step("fetch_image", fetch, queue=_transfer),
        Step("drop_copy", drop_copy),
        # Backups that are gone do not come back.
        Step("rotate", rotate),
        Step("end", end),
    ],
    retries=5,
    deadline_s=IMAGE_DEADLINE_S,
    on_failed=on_failed,
)
