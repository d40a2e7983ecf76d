"""Disks of servers in the pools of their hosts, and the images they lie over.

Every name derives from an id, so undoing needs to know nothing but that id.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal
from uuid import UUID

from django.db import connection as database
from django.db.models import Q
from django.utils import timezone

from cloudportal.errors import CloudError
from hypervisors.connections import connected
from hypervisors.errors import HostCannot, ImageBeingUploaded, NotOnHost
from hypervisors.host import Host
from hypervisors.libvirt.spec import DiskSpec
from hypervisors.libvirt.storage import VolumeFormat
from hypervisors.models import CachedImage, Hypervisor, StoragePool
from hypervisors.pools import Places, look_anew, main_pool
from hypervisors.swap import swap_disk
from operations.models import Operation

# How long an uploader that shows no sign of life is waited for.
UPLOAD_LEASE_S = 60.0
BASE_PREFIX = "base-"
# What becomes a block device where a pool has no files.
_BLOCKS = ("root", "ephemeral")
_MIB = 1024**2
_GIB = 1024**3


@dataclass(frozen=True)
class BaseImage:
    """An image's file on this machine, to be brought to a pool."""

    image_id: UUID
    sha256: str
    disk_format: str
    source: Path

    @property
    def volume(self) -> str:
        """Its name in every pool; other content is another volume."""
        return f"{BASE_PREFIX}{self.image_id}-{self.sha256[:16]}"


@dataclass(frozen=True)
class DiskPlan:
    """What disks a server has.

    Without a base volume the root disk is blank; of 0 GiB it is as large as its image. Without
    `has_root` it is a volume, which lives by itself.
    """

    root_gib: int
    base_volume: str | None = None
    ephemeral_gib: tuple[int, ...] = ()
    swap_mib: int = 0
    config_drive: bytes | None = None
    has_root: bool = True


def is_cached(pool: StoragePool, image_id: UUID) -> bool:
    """Whether the pool has the image, as far as the database knows."""
    rows = CachedImage.objects.filter(pool=main_pool(pool), image_id=image_id, is_ready=True)
    return rows.exists()


def ensure_base_image(
    *,
    hypervisor: Hypervisor,
    pool: StoragePool,
    image: BaseImage,
    operation_id: UUID,
    now: datetime,
) -> str:
    """Let the pool have the image, whole and verified; the name of its volume.

    Of several builds that need it one uploads, also of those of other hosts that have the same
    files. One that died is taken over from.

    Raises:
        ImageBeingUploaded: another operation is at it; ask again a little later.
        ImageDamaged: it did not arrive as it was sent.
        HostCannot: the image's format is neither qcow2 nor raw.
    """
    kind = _kind(image)
    row, _ = CachedImage.objects.get_or_create(
        pool=main_pool(pool),
        volume=image.volume,
        defaults={"image_id": image.image_id, "created_at": now},
    )
    look_anew(pool)
    if row.is_ready:
        with connected(hypervisor) as host:
            if host.is_verified(pool.name, image.volume):
                return image.volume
        # Somebody has deleted it on the host.
        CachedImage.objects.filter(pk=row.pk).update(is_ready=False, uploader=None)
    if not _take(row.pk, operation_id, now):
        raise ImageBeingUploaded("The image is being copied to the host.")
    mine = CachedImage.objects.filter(pk=row.pk, uploader=operation_id)
    try:
        with connected(hypervisor) as host, _signs_of_life(row.pk, operation_id):
            volume = host.upload_image(
                pool.name, image.volume, image.source, kind=kind, sha256=image.sha256
            )
    except CloudError:
        # Whoever needs it may go on at once; who undoes this build finds what it left.
        mine.update(upload_until=now)
        raise
    mine.update(is_ready=True, uploader=None, upload_until=None, size=volume.allocation_bytes)
    return image.volume


def create_disks(
    hypervisor: Hypervisor, pool: str | Places, server_id: UUID, plan: DiskPlan
) -> tuple[DiskSpec, ...]:
    """Make what is not there yet of a server's disks; root, ephemeral, swap, config in this order.

    With the name of a pool all go there.

    Raises:
        DiskTooSmall: the image is larger than the root disk.
        NotOnHost: the pool or the base volume is not there.
        PoolFull: they do not fit.
    """
    disks = disk_specs(pool, server_id, plan)
    with connected(hypervisor) as host:
        for disk in disks:
            _make(host, disk, server_id, plan, _places(pool).files)
    return disks


def renew_disks(
    hypervisor: Hypervisor,
    pool: str | Places,
    server_id: UUID,
    plan: DiskPlan,
    roles: Collection[str],
) -> tuple[DiskSpec, ...]:
    """Make a server's disks of these roles anew, and what else of them is not there.

    Raises:
        DiskTooSmall, NotOnHost, PoolFull: as `create_disks`.
    """
    disks = disk_specs(pool, server_id, plan)
    with connected(hypervisor) as host:
        for disk in disks:
            if disk.role in roles:
                host.delete_volume(disk.pool, disk.volume)
            _make(host, disk, server_id, plan, _places(pool).files)
    return disks


def create_disk(hypervisor: Hypervisor, disk: DiskSpec, server_id: UUID, plan: DiskPlan) -> None:
    """Make one of a server's disks, if it is not there."""
    with connected(hypervisor) as host:
        _make(host, disk, server_id, plan, disk.pool)


def _places(pool: str | Places) -> Places:
    return pool if isinstance(pool, Places) else Places(pool, pool)


def _make(host: Host, disk: DiskSpec, server_id: UUID, plan: DiskPlan, files: str) -> None:
    """Make a disk; base volumes are in the pool `files`."""
    if disk.role in _BLOCKS and disk.format == "raw":
        _make_block(host, disk, plan, files)
    elif disk.role == "root" and plan.base_volume is not None:
        host.create_overlay(disk.pool, disk.volume, plan.base_volume, plan.root_gib)
    elif disk.role == "root":
        host.create_blank(disk.pool, disk.volume, plan.root_gib * _GIB, "qcow2")
    elif disk.role == "ephemeral":
        number = int(disk.volume.rpartition("ephemeral")[2])
        host.create_blank(disk.pool, disk.volume, plan.ephemeral_gib[number] * _GIB, "qcow2")
    elif disk.role == "swap":
        host.put_content(disk.pool, disk.volume, swap_disk(plan.swap_mib * _MIB, server_id))
    elif plan.config_drive is not None:
        host.put_content(disk.pool, disk.volume, plan.config_drive)


def _make_block(host: Host, disk: DiskSpec, plan: DiskPlan, files: str) -> None:
    if disk.role == "ephemeral":
        number = int(disk.volume.rpartition("ephemeral")[2])
        host.create_block(disk.pool, disk.volume, plan.ephemeral_gib[number] * _GIB)
    elif plan.base_volume is None:
        host.create_block(disk.pool, disk.volume, plan.root_gib * _GIB)
    else:
        base = (files, plan.base_volume)
        host.fill_block(disk.pool, disk.volume, plan.root_gib * _GIB, base)


def disk_specs(pool: str | Places, server_id: UUID, plan: DiskPlan) -> tuple[DiskSpec, ...]:
    """The disks that a server of this plan has; root, ephemeral, swap, config in this order."""
    places = _places(pool)
    own: Literal["raw", "qcow2"] = "raw" if places.is_block else "qcow2"
    disks = []
    if plan.has_root:
        name = f"{server_id}-root"
        disks.append(DiskSpec(places.disks, name, "root", boot_order=1, format=own))
    disks += [
        DiskSpec(places.disks, f"{server_id}-ephemeral{number}", "ephemeral", format=own)
        for number in range(len(plan.ephemeral_gib))
    ]
    if plan.swap_mib:
        disks.append(DiskSpec(places.files, f"{server_id}-swap", "swap"))
    if plan.config_drive is not None:
        name = f"{server_id}-config"
        disks.append(DiskSpec(places.files, name, "config", device="cdrom", format="raw"))
    return tuple(disks)


def delete_disks(hypervisor: Hypervisor, server_id: UUID, *, but_in: Collection[str] = ()) -> None:
    """Delete a server's disks in all pools of the host, and half uploads. Absent is fine.

    Those stay that are in the stores `but_in`: another host may use them.
    """
    drop_half_uploads(hypervisor, server_id)
    with connected(hypervisor) as host:
        for pool in StoragePool.objects.filter(hypervisor=hypervisor):
            if pool.store and pool.store in but_in:
                continue
            with suppress(NotOnHost):
                look_anew(pool)
            for volume in volumes_of(hypervisor, pool.name, server_id):
                host.delete_volume(pool.name, volume)


def drop_half_uploads(hypervisor: Hypervisor, subject: UUID) -> None:
    """Delete the images that operations of this subject brought to the host in part only.

    What another operation has gone on with meanwhile is that one's.
    """
    operations = Operation.objects.filter(subject=subject).values("id")
    stores = StoragePool.objects.filter(hypervisor=hypervisor).exclude(store="").values("store")
    rows = CachedImage.objects.filter(
        Q(pool__hypervisor=hypervisor) | Q(pool__store__in=stores),
        is_ready=False,
        uploader__in=operations,
    )
    for row in rows.select_related("pool"):
        mine = CachedImage.objects.filter(pk=row.pk, is_ready=False, uploader=row.uploader)
        # Others wait while it goes, and then begin anew.
        if mine.update(upload_until=timezone.now() + timedelta(seconds=UPLOAD_LEASE_S)):
            with connected(hypervisor) as host:
                host.delete_volume(row.pool.name, row.volume)
            mine.delete()


def volumes_of(hypervisor: Hypervisor, pool: str, server_id: UUID) -> list[str]:
    """Names of the volumes that a server has in a pool; none where the pool is not."""
    with suppress(NotOnHost), connected(hypervisor) as host:
        return [volume.name for volume in host.list_volumes(pool, f"{server_id}-")]
    return []


def can_be_base(disk_format: str) -> bool:
    """Whether a server can start from an image of this format."""
    return disk_format in {"qcow2", "raw"}


def _kind(image: BaseImage) -> VolumeFormat:
    if image.disk_format == "qcow2":
        return "qcow2"
    if image.disk_format == "raw":
        return "raw"
    raise HostCannot(f"A server cannot start from an image of format {image.disk_format}.")


def _take(row_id: int, operation_id: UUID, now: datetime) -> bool:
    """Become the uploader, by one conditional update; again after this operation's worker died."""
    is_free = Q(uploader=None) | Q(uploader=operation_id) | Q(upload_until__lt=now)
    until = now + timedelta(seconds=UPLOAD_LEASE_S)
    rows = CachedImage.objects.filter(is_free, pk=row_id, is_ready=False)
    return bool(rows.update(uploader=operation_id, upload_until=until))


@contextmanager
def _signs_of_life(row_id: int, operation_id: UUID) -> Iterator[None]:
    """Extend the uploader's lease while the body runs."""
    is_over = threading.Event()

    def extend() -> None:
        try:
            while not is_over.wait(UPLOAD_LEASE_S / 4):
                until = timezone.now() + timedelta(seconds=UPLOAD_LEASE_S)
                rows = CachedImage.objects.filter(pk=row_id, uploader=operation_id)
                rows.update(upload_until=until)
        finally:
            database.close()  # the thread's own

    thread = threading.Thread(target=extend, name="upload-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
