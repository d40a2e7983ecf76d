"""Brings the disks of a server that is off to another host, or keeps them beside on its own.

Overlays stay overlays: the base volume is had on the other host first, under the same name. What
is kept beside is the server's disk as it was, for the way back, and lies over nothing; its name
says so.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from uuid import UUID

from cloudportal.errors import CloudError
from hypervisors.connections import connected, translated
from hypervisors.disks import BASE_PREFIX, BaseImage, ensure_base_image
from hypervisors.errors import ImageDamaged, NotOnHost
from hypervisors.libvirt.errors import DriverError
from hypervisors.libvirt.spec import VolumeInfo
from hypervisors.libvirt.storage import VERIFIED_SUFFIX
from hypervisors.models import CachedImage, Hypervisor, StoragePool

WATCH_EVERY_S = 1.0
_KEPT = "before-"
_ID_LENGTH = 36
_COPIED = ("root", "ephemeral")
# A host, and the name of a pool there.
Place = tuple[Hypervisor, str]


@dataclass(frozen=True)
class Disk:
    """A disk of a server on a host; `base` is the volume of the same pool that it lies over."""

    pool: str
    volume: str
    size_bytes: int
    allocation_bytes: int
    base: str = ""


def disks_to_move(hypervisor: Hypervisor, server_id: UUID, *, has_root: bool) -> list[Disk]:
    """The server's disks that hold what its guest wrote; the others are made anew.

    Raises:
        NotOnHost: its root disk is not there.
    """
    found = []
    with connected(hypervisor) as host:
        for pool in hypervisor.pools.order_by("-is_default", "name"):
            for volume in host.list_volumes(pool.name, f"{server_id}-"):
                role = volume.name.removeprefix(f"{server_id}-")
                if role.startswith(_COPIED) and not role.endswith(VERIFIED_SUFFIX):
                    found.append(_disk(pool.name, volume))
    if has_root and not any(disk.volume == f"{server_id}-root" for disk in found):
        raise NotOnHost("The server's root disk is not on its host.", detail=hypervisor.name)
    return found


def _disk(pool: str, volume: VolumeInfo) -> Disk:
    base = PurePosixPath(volume.backing_path).name if volume.backing_path else ""
    return Disk(pool, volume.name, volume.capacity_bytes, volume.allocation_bytes, base)


def image_of_base(name: str) -> UUID | None:
    """The image whose content a base volume is; None: it is no base volume."""
    text = name.removeprefix(BASE_PREFIX)[:_ID_LENGTH]
    try:
        return UUID(text) if name.startswith(BASE_PREFIX) else None
    except ValueError:
        return None


def bring_base(
    name: str, place: Place, target: StoragePool, *, operation_id: UUID, now: datetime
) -> None:
    """Have a base volume, whose image is gone, in a pool of another host, by way of here.

    Raises:
        ImageBeingUploaded: another operation is at it; ask again a little later.
        ImageDamaged: the content is not the one that its name says.
        NotOnHost: it is not there.
    """
    image_id = image_of_base(name)
    if image_id is None:
        raise NotOnHost("What the disk lies over is no image.", detail=name)
    is_there = CachedImage.objects.filter(pool=target, volume=name, is_ready=True).exists()
    with tempfile.TemporaryDirectory(prefix="base-") as folder:
        file = Path(folder) / "image"
        checksum, disk_format = name.rpartition("-")[2], "qcow2"
        if not is_there:
            checksum, disk_format = _fetch(place, name, file)
        image = BaseImage(image_id, checksum, disk_format, file)
        if image.volume != name:
            raise ImageDamaged("The image on the server's host is damaged.", detail=name)
        ensure_base_image(
            hypervisor=target.hypervisor,
            pool=target,
            image=image,
            operation_id=operation_id,
            now=now,
        )


def _fetch(place: Place, name: str, file: Path) -> tuple[str, str]:
    hypervisor, pool = place
    with connected(hypervisor) as host, file.open("wb") as sink:
        infos = [each for each in host.list_volumes(pool, name) if each.name == name]
        if not infos:
            raise NotOnHost("What the disk lies over is not there.", detail=name)
        host.send_volume(pool, name, sink)
    with file.open("rb") as stored:
        digest = sha256()
        while piece := stored.read(1024**2):
            digest.update(piece)
    return digest.hexdigest(), infos[0].format or "raw"


class _Tap:
    """Hands bytes on, counts them, and ends when it is told to."""

    def __init__(self, file: BinaryIO) -> None:
        self.taken = 0
        self.is_given_up = False
        self._file = file

    def read(self, size: int, /) -> bytes:
        if self.is_given_up:
            raise DriverError("The copy was given up.")
        piece = self._file.read(size)
        self.taken += len(piece)
        return piece


def copy_disk(
    disk: Disk, *, source: Hypervisor, target: StoragePool, watch: Callable[[int], None]
) -> None:
    """Bring a disk to a pool of another host, in place of what is there of it.

    The bytes run through this process, a piece at a time. `watch` is told every second how many it
    were, and may raise to end it.

    Raises:
        NotOnHost: the disk, or its base volume on the other host, is not there.
        PoolFull: it does not fit.
        ImageDamaged: it did not arrive as it was sent.
    """
    reading, writing = os.pipe()
    # Connected here: the threads are to need no database.
    with (
        os.fdopen(writing, "wb") as sink,
        connected(source) as here,
        connected(target.hypervisor) as there,
        ThreadPoolExecutor(2, thread_name_prefix="copy") as beside,
        # Closed first, so that a sender whom nobody hears any more ends too.
        os.fdopen(reading, "rb") as file,
    ):
        tap = _Tap(file)

        def send() -> None:
            with translated(source), sink:
                here.send_volume(disk.pool, disk.volume, sink)

        def receive() -> None:
            with translated(target.hypervisor):
                there.receive_disk(target.name, disk.volume, disk.size_bytes, disk.base, tap)

        sending, receiving = beside.submit(send), beside.submit(receive)
        try:
            while not wait([receiving], timeout=WATCH_EVERY_S).done:
                watch(tap.taken)
        finally:
            tap.is_given_up = not receiving.done()
            wait([receiving])
    # What the receiver says of too short a file is the sender's fault, and the other way round.
    error = receiving.exception()
    if error is not None and not isinstance(sending.exception(), CloudError):
        raise error
    sending.result()


def keep_disks(hypervisor: Hypervisor, server_id: UUID, disks: Sequence[Disk]) -> None:
    """Keep disks as they are beside themselves.

    Raises:
        PoolFull: they do not fit.
    """
    with connected(hypervisor) as host:
        for disk in disks:
            host.copy_volume(disk.pool, _kept_name(server_id, disk.volume), disk.volume)


def put_back(hypervisor: Hypervisor, server_id: UUID) -> None:
    """Put the disks that were kept in the place of those that came after, which are lost.

    Those that were not kept whole had not been changed yet. With nothing kept nothing is done.
    """
    prefix = _kept_name(server_id, f"{server_id}-")
    with connected(hypervisor) as host:
        for pool in hypervisor.pools.all():
            names = [each.name for each in host.list_volumes(pool.name, prefix)]
            for name in names:
                if name.endswith(VERIFIED_SUFFIX):
                    continue
                own = f"{server_id}-{name.removeprefix(prefix)}"
                if f"{name}{VERIFIED_SUFFIX}" in names:
                    host.delete_volume(pool.name, own)
                    host.copy_volume(pool.name, own, name)
                    # Only now nothing is lost when this one goes.
                    host.delete_volume(pool.name, name)
                host.delete_volume(pool.name, f"{own}{VERIFIED_SUFFIX}")
                host.delete_volume(pool.name, name)


def drop_kept(hypervisor: Hypervisor, server_id: UUID) -> None:
    """Delete what was kept; nothing is fine."""
    prefix = _kept_name(server_id, f"{server_id}-")
    with connected(hypervisor) as host:
        for pool in hypervisor.pools.all():
            for volume in host.list_volumes(pool.name, prefix):
                host.delete_volume(pool.name, volume.name)


def drop_others(hypervisor: Hypervisor, server_id: UUID, wanted: Sequence[str]) -> None:
    """Delete the server's disks that it has no more: all volumes but the wanted ones."""
    with connected(hypervisor) as host:
        for pool in hypervisor.pools.all():
            for volume in host.list_volumes(pool.name, f"{server_id}-"):
                if volume.name not in wanted:
                    host.delete_volume(pool.name, volume.name)


def _kept_name(server_id: UUID, volume: str) -> str:
    return f"{server_id}-{_KEPT}{volume.removeprefix(f'{server_id}-')}"
