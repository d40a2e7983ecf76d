"""A server's root disk as an image: copied beside the disk on the host, then read from there.

The steps that all operations share which make one. What they leave on a host that does not answer
becomes a debt.
"""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.utils import timezone

from cloudportal.errors import CloudError
from hypervisors import copies
from hypervisors.models import Hypervisor
from images.delete import remove_image
from images.errors import ImageNotFound
from images.models import Image, ImageStatus
from images.upload import save_image_data
from operations.enqueue import AlreadyAtWork, enqueue
from operations.kinds import Context, Kind, Step
from operations.models import Operation
from servers.models import Server
from servers.operations.facts import host_of, server_of
from servers.states import TaskState

logger = logging.getLogger(__name__)

DROP_COPY_NAME = "server.drop_copy"
SHELVE_NAME = "server.shelve"
# Disks of a terabyte, read over a network of a gigabit.
IMAGE_DEADLINE_S = 6 * 3600.0
_LOOK_EVERY_S = 0.5
_ASK_EVERY_S = 2.0
_SPACE = uuid.UUID("c6a1bb0c-52b2-4c43-9be2-0a5f8a0f6c3d")
# What the image says of itself once its data is there.
_AVAILABLE = {"image_location": "snapshot", "image_state": "available"}
_HALF = (ImageStatus.QUEUED, ImageStatus.SAVING)
_DONE = (ImageStatus.ACTIVE, ImageStatus.DEACTIVATED)


def image_id_of(context: Context) -> UUID:
    """The image that the operation makes."""
    return UUID(context.params["image"])


def note_task(server_id: UUID, task: TaskState, *, after: Collection[TaskState]) -> None:
    """Show another task, unless something else has taken the server over."""
    Server.objects.alive().filter(pk=server_id, task_state__in=after).update(
        task_state=task, updated_at=timezone.now()
    )


def copy_disk(context: Context) -> dict[str, Any]:
    """Have a whole copy of the server's root disk on its host, running or not.

    Raises:
        Superseded: the server is to be deleted.
        CloudError: the host refused it or is away, or the disk is not there.
    """
    server = server_of(context)
    host, image_id = host_of(server), image_id_of(context)
    state = copies.start_copy(host, server.pk, image_id)
    while not (state.is_whole or state.is_alike):
        context.checkpoint()
        time.sleep(_LOOK_EVERY_S)
        state = copies.look_at_copy(host, server.pk, image_id)
    is_quiet = False
    if not state.is_whole:
        is_quiet = copies.finish_copy(
            host, server.pk, image_id, must_be_quiet=bool(context.params.get("must_be_quiet"))
        )
    return {"is_quiet": is_quiet}


def fetch_image(context: Context) -> None:
    """Read the copy into the image store; the image is active then.

    Raises:
        Superseded: the server is to be deleted.
        ImageNotFound: the image was deleted meanwhile.
        CloudError: the host refused it or is away.
    """
    server = server_of(context)
    image = Image.objects.exclude(status=ImageStatus.DELETED).filter(pk=image_id_of(context))
    found = image.first()
    if found is None:
        raise ImageNotFound(f"Image {image_id_of(context)} was deleted while it was being made.")
    if found.status in _DONE:
        return
    pieces = copies.read_copy(
        host_of(server), server.pk, found.pk, before_each=_Watch(context, found.pk).look
    )
    properties = {**_AVAILABLE, "owner_id": server.project_id}
    save_image_data(image=found, chunks=pieces, properties=properties, now=timezone.now())


class _Watch:
    """Between two pieces of a transfer: is it still wanted?"""

    def __init__(self, context: Context, image_id: UUID) -> None:
        self._context = context
        self._image_id = image_id
        self._asked_at = time.monotonic()

    def look(self) -> None:
        """Go on, unless the server or the image is to be deleted."""
        self._context.checkpoint()
        if time.monotonic() < self._asked_at + _ASK_EVERY_S:
            return
        self._asked_at = time.monotonic()
        wanted = Image.objects.filter(pk=self._image_id, status=ImageStatus.SAVING)
        if not wanted.exists():
            raise ImageNotFound(f"Image {self._image_id} was deleted while it was being made.")


def drop_copy(context: Context) -> None:
    """Take the copy off the host; one that does not do it owes it."""
    server = Server.objects.select_related("hypervisor").filter(pk=context.subject).first()
    if server is None or server.hypervisor is None:
        return
    try:
        copies.drop_copy(server.hypervisor, server.pk, image_id_of(context))
    except CloudError as error:
        logger.warning("The copy for image %s stays for now: %s", image_id_of(context), error)
        enqueue_drop(server.hypervisor, server.pk, image_id_of(context), context.request_id)


def enqueue_drop(hypervisor: Hypervisor, server_id: UUID, image_id: UUID, request_id: str) -> None:
    """Book the debt of one copy on one host, once."""
    with contextlib.suppress(AlreadyAtWork):
        enqueue(
            DROP_COPY_NAME,
            subject=uuid.uuid5(_SPACE, f"{image_id} {hypervisor.pk}"),
            params={
                "server": str(server_id),
                "hypervisor": hypervisor.pk,
                "image": str(image_id),
            },
            request_id=request_id,
            now=timezone.now(),
        )


def remove_images_of_gone(server_id: UUID) -> None:
    """Delete what images a deleted server leaves: half made ones, and those it was shelved as."""
    now = timezone.now()
    shelved = Server.objects.filter(pk=server_id).values_list("shelved_image_id", flat=True).first()
    if shelved is not None:
        remove_image(shelved, now=now)
    operations = Operation.objects.filter(subject=server_id, params__has_key="image")
    for kind, params in operations.values_list("kind", "params"):
        image = Image.objects.filter(pk=UUID(params["image"])).exclude(status=ImageStatus.DELETED)
        # A whole one that somebody asked for stays; of a shelving nobody has asked for any.
        if kind != SHELVE_NAME and not image.filter(status__in=_HALF).exists():
            continue
        if image.exists():
            remove_image(image.get().pk, now=now)


def _pay(context: Context) -> None:
    """Take the copy off; a host that was removed from the portal has nothing of ours."""
    host = Hypervisor.objects.filter(pk=context.params["hypervisor"]).first()
    if host is not None:
        copies.drop_copy(host, UUID(context.params["server"]), image_id_of(context))


DROP_COPY = Kind(
    DROP_COPY_NAME,
    # No undo: nobody wants it back. Tried for as long as the host is away.
    steps=[Step("drop_copy", _pay)],
    retries=None,
    deadline_s=None,
)
