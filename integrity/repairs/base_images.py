"""Repairs of base images. The row is the lock: a build that needs the image waits for it."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db.models import Q

from hypervisors.connections import connected
from hypervisors.disks import UPLOAD_LEASE_S
from hypervisors.models import CachedImage, StoragePool
from hypervisors.pools import main_pool
from hypervisors.survey import survey
from integrity.errors import ImageInUse
from integrity.facts import base_image_of, settled_bases
from integrity.repairs.work import Work
from operations.models import UNFINISHED, Operation
from servers.models import Server


def delete(work: Work) -> None:
    """Delete a base image that nothing lies over.

    Raises:
        ImageInUse: something does, or somebody brings it.
    """
    pool, name = work.args["pool"], work.args["volume"]
    row = _take(work, pool, name)
    try:
        _check_unused(work, pool, name)
        with connected(work.host) as host:
            host.delete_volume(pool, name)
    except BaseException:
        CachedImage.objects.filter(pk=row.pk).update(
            uploader=None, upload_until=None, is_ready=row.is_ready
        )
        raise
    row.delete()


def _take(work: Work, pool: str, name: str) -> CachedImage:
    """Be the only one at it; the row is as it was before."""
    image_id = base_image_of(name)
    if image_id is None:
        raise ImageInUse("It is no base image.")
    row, _ = CachedImage.objects.get_or_create(
        pool=_pool(work, pool), volume=name, defaults={"image_id": image_id, "created_at": work.now}
    )
    free = Q(uploader=None) | Q(upload_until__lt=work.now) | Q(uploader=work.operation_id)
    taken = CachedImage.objects.filter(free, pk=row.pk).update(
        uploader=work.operation_id,
        upload_until=work.now + timedelta(seconds=UPLOAD_LEASE_S),
        is_ready=False,
    )
    if not taken:
        raise ImageInUse("The image is being brought to the host.")
    return row


def _check_unused(work: Work, pool: str, name: str) -> None:
    """A build that found the image before we took it may be about to lay a disk over it."""
    unfinished = Operation.objects.filter(state__in=UNFINISHED).exclude(pk=work.operation_id)
    building = Server.objects.filter(
        pk__in=unfinished.values("subject"), image_id=base_image_of(name)
    )
    if building.exists():
        raise ImageInUse("A server is being made of the image.")
    settled = [each for each in settled_bases() if each != name]
    seen = survey(work.host, refresh=True, guests=(), ports=(), settled_bases=settled)
    if any(each.backing == name and each.pool == pool for each in seen.volumes):
        raise ImageInUse("Disks lie over the image.")


def mark(work: Work) -> None:
    """Say of a base image again that it is whole."""
    with connected(work.host) as host:
        host.mark_verified(work.args["pool"], work.args["volume"])


def record(work: Work) -> None:
    """Write down that a base image is there."""
    CachedImage.objects.get_or_create(
        pool=_pool(work, work.args["pool"]),
        volume=work.args["volume"],
        defaults={
            "image_id": UUID(work.args["image"]),
            "is_ready": True,
            "created_at": work.now,
        },
    )


def forget(work: Work) -> None:
    """Strike a base image that is gone out."""
    CachedImage.objects.filter(
        pool=_pool(work, work.args["pool"]), volume=work.args["volume"], uploader=None
    ).delete()


def _pool(work: Work, name: str) -> StoragePool:
    return main_pool(StoragePool.objects.get(hypervisor=work.host, name=name))
