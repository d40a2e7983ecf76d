"""Make a volume with content: choose its host, have the image there, and copy."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from hypervisors import disks
from hypervisors import volumes as on_hosts
from hypervisors.models import Hypervisor
from images.bring import bring_to_host
from images.errors import ImageNotFound
from images.models import Image, ImageStatus
from operations.kinds import TRANSFER_QUEUE, Context, Kind, Step
from volumes.create import CREATE_NAME
from volumes.errors import NoRoom, SnapshotNotFound, VolumeNotFound
from volumes.messages import Event, record_message
from volumes.models import Snapshot, Volume
from volumes.operations.facts import volume_of
from volumes.states import VolumeStatus


def place(context: Context) -> dict[str, Any]:
    """The host and pool of what is copied; of an image the host with the most room."""
    volume = volume_of(context)
    if volume.snapshot_id is not None:
        snapshot = Snapshot.objects.filter(pk=volume.snapshot_id).first()
        if snapshot is None:
            raise SnapshotNotFound("The snapshot was deleted before it was copied.")
        return _place(snapshot.hypervisor_id, snapshot.pool, snapshot.storage_name)
    if volume.source_volume_id is not None:
        source = Volume.objects.filter(pk=volume.source_volume_id).first()
        if source is None:
            raise VolumeNotFound("The volume was deleted before it was copied.")
        return _place(source.hypervisor_id, source.pool, source.storage_name)
    pool = on_hosts.roomiest_pool()
    if pool is None:
        raise NoRoom("No host is there to make the volume on.")
    return _place(pool.hypervisor.pk, pool.name, "")


def _place(hypervisor_id: int | None, pool: str, source: str) -> dict[str, Any]:
    return {"hypervisor": hypervisor_id, "pool": pool, "source": source}


def _host(context: Context) -> Hypervisor:
    host = Hypervisor.objects.filter(pk=context.outputs["place"]["hypervisor"]).first()
    if host is None:
        raise NoRoom("The host chosen for this volume has been removed.")
    return host


def bring_image(context: Context) -> str:
    """Have the image, if it is made from one, in the host's pool; the name of what is copied."""
    if "image" not in context.params:
        return str(context.outputs["place"]["source"])
    image = Image.objects.filter(pk=context.params["image"], status=ImageStatus.ACTIVE).first()
    if image is None:
        raise ImageNotFound("The image was deleted before it was copied.")
    host = _host(context)
    return bring_to_host(image=image, hypervisor=host, operation_id=context.operation_id)


def drop_half_image(context: Context) -> None:
    """Take half an image off the host again; a whole one stays for others."""
    if "image" in context.params and context.outputs.get("place"):
        disks.drop_half_uploads(_host(context), context.subject)


def copy(context: Context) -> None:
    """Copy the content, and let it grow to the volume's size."""
    volume = volume_of(context)
    source, pool = context.outputs["bring_image"], context.outputs["place"]["pool"]
    on_hosts.copy_in_pool(_host(context), pool, volume.storage_name, source, volume.size_gib)


def remove(context: Context) -> None:
    """Delete the copy."""
    if context.outputs.get("place"):
        name = on_hosts.volume_name(context.subject)
        on_hosts.delete_volume(_host(context), context.outputs["place"]["pool"], name)


def finish(context: Context) -> None:
    """The volume is there."""
    placed = context.outputs["place"]
    Volume.objects.filter(pk=context.subject, status=VolumeStatus.CREATING).update(
        hypervisor=placed["hypervisor"],
        pool=placed["pool"],
        status=VolumeStatus.AVAILABLE,
        updated_at=timezone.now(),
    )


def on_failed(context: Context, error: dict[str, Any]) -> None:
    """It stays as one in error, for its owner to delete, with the reason."""
    fresh = [VolumeStatus.CREATING, VolumeStatus.AVAILABLE]
    rows = Volume.objects.filter(pk=context.subject, status__in=fresh)
    volume, now = rows.first(), timezone.now()
    rows.update(status=VolumeStatus.ERROR, hypervisor=None, pool="", updated_at=now)
    if volume is not None:
        record_message(Event.CREATE, volume, context.request_id, error, now=now)


CREATE = Kind(
    CREATE_NAME,
    steps=[
        # Chooses only; nothing is changed.
        Step("place", place),
        Step(
            "bring_image",
            bring_image,
            drop_half_image,
            on_host=True,
            queue=lambda context: TRANSFER_QUEUE,
        ),
        Step("copy", copy, remove, on_host=True, queue=lambda context: TRANSFER_QUEUE),
        # Nothing outside the row changes, and nothing follows it.
        Step("finish", finish),
    ],
    deadline_s=6 * 3600.0,
    on_failed=on_failed,
)
