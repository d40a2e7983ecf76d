"""Shelve a server: off, its root disk an image, and then, if it is not to wait there, off its host.

Until the image is whole all is undone when something fails; from then on it goes forward.
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction
from django.utils import timezone

from cloudportal.errors import CloudError
from hypervisors import guests
from images.delete import remove_image
from images.upload import begin_saving
from operations.kinds import TRANSFER_QUEUE, Context, Kind, Step
from servers import history
from servers.models import Server
from servers.operations import offload
from servers.operations.disk_image import (
    IMAGE_DEADLINE_S,
    SHELVE_NAME,
    copy_disk,
    drop_copy,
    fetch_image,
    image_id_of,
    note_task,
)
from servers.operations.facts import host_of, server_of
from servers.operations.power import CLEAN_STOP_S
from servers.states import PowerState, TaskState, VmState

logger = logging.getLogger(__name__)

EVENT = "compute_shelve_instance"
_MAKING = (
    TaskState.SHELVING,
    TaskState.SHELVING_IMAGE_PENDING_UPLOAD,
    TaskState.SHELVING_IMAGE_UPLOADING,
)
_OWN = (*_MAKING, TaskState.SHELVING_OFFLOADING)
_OFF = {"power_state": PowerState.SHUTDOWN}


def begin(context: Context) -> dict[str, Any]:
    """Note the start of the event, and keep the image for what is to come."""
    host = host_of(server_of(context))
    now = timezone.now()
    with transaction.atomic():
        begin_saving(image_id_of(context), now=now)
        history.begin_event(**_event(context, host.name), now=now)
    return {"host": host.name}


def stop_guest(context: Context) -> None:
    """Have the guest off; one that is halted cannot stop by itself, a suspended one is off."""
    server = server_of(context)
    was = context.params["was"]
    if was != VmState.SUSPENDED:
        patience_s = CLEAN_STOP_S if was == VmState.ACTIVE else 0
        guests.stop_guest(host_of(server), server.pk, patience_s)


def start_again(context: Context) -> None:
    """A guest that ran runs again; with a host that does not do it, its state follows the guest."""
    server = server_of(context)
    if context.params["was"] != VmState.ACTIVE or _is_image_made(context):
        return
    if server.hypervisor is None:
        return
    try:
        guests.start_guest(server.hypervisor, server.pk)
    except CloudError as error:
        logger.warning("Server %s is not started again: %s", server.pk, error)


def copy(context: Context) -> dict[str, Any]:
    """Have the copy of the disk."""
    made = copy_disk(context)
    note_task(context.subject, TaskState.SHELVING_IMAGE_PENDING_UPLOAD, after=_MAKING)
    return made


def fetch(context: Context) -> None:
    """Have the copy as the image."""
    note_task(context.subject, TaskState.SHELVING_IMAGE_UPLOADING, after=_MAKING)
    fetch_image(context)


def mark_shelved(context: Context) -> None:
    """The server is shelved; from here there is no way back."""
    now = timezone.now()
    with transaction.atomic():
        rows = Server.objects.alive().filter(pk=context.subject, task_state__in=_OWN)
        rows.update(
            vm_state=VmState.SHELVED,
            task_state=TaskState.SHELVING_OFFLOADING if context.params["offload"] else None,
            shelved_at=now,
            shelved_image_id=image_id_of(context),
            updated_at=now,
            **_OFF,
        )


def collect(context: Context) -> dict[str, Any] | None:
    """Note what is to be taken off the host, if anything is."""
    return offload.collect(context) if context.params["offload"] else None


def end(context: Context) -> None:
    """Note where the server is now, and the end of the event."""
    with transaction.atomic():
        if context.params["offload"]:
            offload.mark_offloaded(context)
        host = context.outputs["begin"]["host"]
        history.end_event(**_event(context, host), now=timezone.now())


def on_failed(context: Context, error: dict[str, Any]) -> None:
    """The server is as it was, and there is no image; unless the image was whole before."""
    now = timezone.now()
    if _is_image_made(context):
        if "collect" in context.outputs and context.params["offload"]:
            offload.mark_offloaded(context)
        _own(context).update(task_state=None, updated_at=now)
    else:
        _own(context).update(task_state=None, updated_at=now, **_as_it_was(context))
        remove_image(image_id_of(context), now=now)
    host = (context.outputs.get("begin") or {}).get("host", "")
    message, detail = str(error.get("message", "")), str(error.get("detail", ""))
    history.end_event(**_event(context, host), error=message, now=now)
    history.mark_action_failed(server_id=context.subject, request_id=context.request_id, now=now)
    history.record_fault(server_id=context.subject, message=message, details=detail, now=now)


def _as_it_was(context: Context) -> dict[str, object]:
    """What was halted in memory is off now, and that memory is lost."""
    if context.params["was"] == VmState.PAUSED and "begin" in context.outputs:
        return {"vm_state": VmState.STOPPED, **_OFF}
    return {}


def _is_image_made(context: Context) -> bool:
    """Whether the server is shelved; seen in the row, since a step may end without being noted."""
    rows = Server.objects.filter(pk=context.subject, shelved_image_id=image_id_of(context))
    return rows.exists()


def _own(context: Context) -> Any:
    return Server.objects.alive().filter(pk=context.subject, task_state__in=_OWN)


def _event(context: Context, host: str) -> dict[str, Any]:
    return {
        "server_id": context.subject,
        "request_id": context.request_id,
        "event": EVENT,
        "host": host,
    }


def _transfer(context: Context) -> str:
    return TRANSFER_QUEUE


SHELVE = Kind(
    SHELVE_NAME,
    steps=[
        Step("begin", begin),
        Step("stop_guest", stop_guest, start_again),
        # Not put off with the host's part, which begins further down: without the image nothing of
        # the server may be given up.
        Step("copy_disk", copy, drop_copy, queue=_transfer),
        Step("fetch_image", fetch, queue=_transfer),
        Step("drop_copy", drop_copy),
        Step("mark_shelved", mark_shelved),
        Step("collect", collect),
        *offload.FROM_HOST,
        Step("end", end),
    ],
    retries=5,
    deadline_s=IMAGE_DEADLINE_S,
    on_failed=on_failed,
    postpone=offload.postpone,
    postpone_do=True,
)
