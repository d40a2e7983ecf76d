"""Make an image of a volume: copied beside it on its host, in the image's format, and read there.

A volume that a server has is copied under the guest first, as it is at one moment. The operation
is the image's, as that of a snapshot is the snapshot's: whatever else is to be done to the volume
waits until it is not `uploading` any more.
"""

from __future__ import annotations

import time
from typing import Any, Literal
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from hypervisors import volumes as on_hosts
from hypervisors.models import Hypervisor
from images.delete import remove_image
from images.errors import ImageNotFound
from images.models import Image, ImageStatus
from images.upload import begin_saving, save_image_data
from operations.errors import Wait
from operations.kinds import TRANSFER_QUEUE, Context, Kind, Step
from volumes.errors import NoRoom, VolumeNotFound
from volumes.messages import Event, record_message
from volumes.models import Attachment, Volume
from volumes.operations.facts import COPY_PAUSE_S
from volumes.states import VolumeStatus
from volumes.upload import UPLOAD_NAME

_ASK_EVERY_S = 2.0
_DONE = (ImageStatus.ACTIVE, ImageStatus.DEACTIVATED)
_HALF = (ImageStatus.QUEUED, ImageStatus.SAVING)


def _volume_id(context: Context) -> UUID:
    return UUID(context.params["volume"])


def _volume(context: Context) -> Volume:
    volume = Volume.objects.filter(pk=_volume_id(context)).first()
    if volume is None:
        raise VolumeNotFound.of(_volume_id(context))
    return volume


def _host(context: Context) -> Hypervisor:
    host = Hypervisor.objects.filter(pk=context.outputs["begin"]["hypervisor"]).first()
    if host is None:
        raise NoRoom("The host of the volume has been removed.")
    return host


def begin(context: Context) -> dict[str, Any]:
    """Keep the image for what is to come, and note where the copy is made."""
    volume = _volume(context)
    begin_saving(context.subject, now=timezone.now())
    if volume.hypervisor_id is not None:
        return {"hypervisor": volume.hypervisor_id, "pool": volume.pool}
    # A blank volume lies nowhere; so a blank copy is as good anywhere.
    pool = on_hosts.roomiest_pool()
    if pool is None:
        raise NoRoom("No host is there to make the image on.")
    return {"hypervisor": pool.hypervisor.pk, "pool": pool.name}


def take(context: Context) -> str:
    """Have the volume as it is at one moment, where a guest has it; the name of that.

    Raises:
        Wait: the copy and the running guest's disk are not alike yet.
    """
    volume, guest = _volume(context), context.params["guest"]
    if guest is None:
        return volume.storage_name
    pool, name = context.outputs["begin"]["pool"], on_hosts.taken_name(volume.pk)
    names = (pool, name, volume.storage_name)
    if not on_hosts.copy_of_guest(_host(context), *names, UUID(guest)):
        raise Wait("The volume is being copied.", seconds=COPY_PAUSE_S)
    return name


def drop_taken(context: Context) -> None:
    """End that copying, and delete the copy."""
    guest = context.params["guest"]
    if guest is None or "begin" not in context.outputs:
        return
    pool, volume_id = context.outputs["begin"]["pool"], _volume_id(context)
    names = (pool, on_hosts.taken_name(volume_id), on_hosts.volume_name(volume_id))
    on_hosts.drop_copy_of_guest(_host(context), *names, UUID(guest))


def convert(context: Context) -> None:
    """Have a file that is as the image is to be."""
    volume = _volume(context)
    host, pool = _host(context), context.outputs["begin"]["pool"]
    name, size_gib = on_hosts.upload_name(volume.pk), volume.size_gib
    if volume.hypervisor_id is None:
        on_hosts.create_blank(host, pool, name, size_gib, _format(context))
    else:
        source = context.outputs["take"]
        on_hosts.copy_in_pool(host, pool, name, source, size_gib, _format(context))


def _format(context: Context) -> Literal["qcow2", "raw"]:
    return "qcow2" if context.params["format"] == "qcow2" else "raw"


def drop_converted(context: Context) -> None:
    """Delete that file."""
    if "begin" in context.outputs:
        name = on_hosts.upload_name(_volume_id(context))
        on_hosts.delete_volume(_host(context), context.outputs["begin"]["pool"], name)


def fetch(context: Context) -> None:
    """Read the file into the image store; the image is active then.

    Raises:
        Superseded: something else is to be done.
        ImageNotFound: the image was deleted meanwhile.
    """
    image = _image(context)
    if image.status in _DONE:
        return
    name = on_hosts.upload_name(_volume_id(context))
    pieces = on_hosts.read_volume(
        _host(context),
        context.outputs["begin"]["pool"],
        name,
        before_each=_Watch(context).look,
    )
    save_image_data(image=image, chunks=pieces, properties={}, now=timezone.now())


def _image(context: Context) -> Image:
    image = Image.objects.exclude(status=ImageStatus.DELETED).filter(pk=context.subject).first()
    if image is None:
        raise ImageNotFound(f"Image {context.subject} was deleted while it was being made.")
    return image


class _Watch:
    """Between two pieces of a transfer: is it still wanted?"""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._asked_at = time.monotonic()

    def look(self) -> None:
        """Go on, unless the image was deleted."""
        self._context.checkpoint()
        if time.monotonic() >= self._asked_at + _ASK_EVERY_S:
            self._asked_at = time.monotonic()
            _image(self._context)


def drop_copies(context: Context) -> None:
    """Nothing is left of it on the host."""
    drop_converted(context)
    drop_taken(context)


def finish(context: Context) -> None:
    """The volume is as it was."""
    free_volume(_volume_id(context))


def free_volume(volume_id: UUID) -> None:
    """A volume of which an image was made is its server's again, or free."""
    with transaction.atomic():
        volume = Volume.objects.select_for_update().filter(pk=volume_id).first()
        if volume is not None:
            is_held = Attachment.objects.filter(volume=volume).exists()
            status = VolumeStatus.IN_USE if is_held else VolumeStatus.AVAILABLE
            Volume.objects.become(volume_id, status, of=[VolumeStatus.UPLOADING])


def on_failed(context: Context, error: dict[str, Any]) -> None:
    """There is no image, and the volume is as it was."""
    now = timezone.now()
    volume = Volume.objects.filter(pk=_volume_id(context)).first()
    free_volume(_volume_id(context))
    if Image.objects.filter(pk=context.subject, status__in=_HALF).exists():
        remove_image(context.subject, now=now)
    if volume is not None:
        record_message(Event.UPLOAD, volume, context.request_id, error, now=now)


def _transfer(context: Context) -> str:
    return TRANSFER_QUEUE


UPLOAD = Kind(
    UPLOAD_NAME,
    steps=[
        # What is done to the rows on_failed undoes.
        Step("begin", begin),
        Step("take", take, drop_taken, on_host=True, queue=_transfer),
        Step("convert", convert, drop_converted, on_host=True, queue=_transfer),
        # An image that is there whole is one that was asked for.
        Step("fetch", fetch, queue=_transfer),
        # Nobody wants the copies back.
        Step("drop_copies", drop_copies, on_host=True),
        Step("finish", finish),
    ],
    deadline_s=6 * 3600.0,
    on_failed=on_failed,
)
