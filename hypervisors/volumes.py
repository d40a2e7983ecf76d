"""Volumes in the pools of hosts and as disks of guests; every call may be made twice.

A volume's name on every host derives from its id, so undoing needs to know nothing but that id.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from hypervisors.connections import connected
from hypervisors.copies import PIECE_BYTES
from hypervisors.errors import GuestKeepsDevice, ImageDamaged, NotOnHost
from hypervisors.libvirt.disk_copy import DiskCopy
from hypervisors.libvirt.spec import GuestSpec
from hypervisors.libvirt.storage import VERIFIED_SUFFIX, VolumeFormat
from hypervisors.models import HostState, Hypervisor, StoragePool

VOLUME_PREFIX = "volume-"
SNAPSHOT_PREFIX = "snapshot-"
# What of a volume is on its way to an image: as it was at one moment, and as the image is to be.
TAKEN_PREFIX, UPLOAD_PREFIX = "taken-", "upload-"
LET_GO_S = 40.0
_GIB = 1024**3
_ID_LENGTH = 36


def volume_name(volume_id: UUID) -> str:
    """Its name in every pool."""
    return f"{VOLUME_PREFIX}{volume_id}"


def snapshot_name(snapshot_id: UUID) -> str:
    """Its name in every pool."""
    return f"{SNAPSHOT_PREFIX}{snapshot_id}"


def taken_name(volume_id: UUID) -> str:
    """The copy of a volume under its guest that an image is made of."""
    return f"{TAKEN_PREFIX}{volume_id}"


def upload_name(volume_id: UUID) -> str:
    """The copy of a volume that is read into an image."""
    return f"{UPLOAD_PREFIX}{volume_id}"


def named_volume(name: str) -> UUID | None:
    """The volume or snapshot of that name, or copied under it, in a pool; None: it is neither."""
    text = name.removesuffix(VERIFIED_SUFFIX)
    for prefix in (VOLUME_PREFIX, SNAPSHOT_PREFIX, TAKEN_PREFIX, UPLOAD_PREFIX):
        rest = text.removeprefix(prefix)
        if rest != text and len(rest) == _ID_LENGTH:
            return _uuid(rest)
    return None


def _uuid(text: str) -> UUID | None:
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None


def roomiest_pool() -> StoragePool | None:
    """The default pool with the most free space among hosts that are up and take new things."""
    return (
        StoragePool.objects.filter(
            is_default=True,
            hypervisor__state=HostState.UP,
            hypervisor__is_enabled=True,
            hypervisor__in_maintenance=False,
            hypervisor__is_forced_down=False,
        )
        .select_related("hypervisor")
        .order_by("-available", "pk")
        .first()
    )


def create_blank(
    hypervisor: Hypervisor, pool: str, name: str, size_gib: int, kind: VolumeFormat = "qcow2"
) -> None:
    """Make an empty volume where it is not yet.

    Raises:
        PoolFull: it does not fit.
    """
    with connected(hypervisor) as host:
        host.create_blank(pool, name, size_gib * _GIB, kind)


def copy_in_pool(
    hypervisor: Hypervisor,
    pool: str,
    name: str,
    source: str,
    size_gib: int,
    kind: VolumeFormat = "qcow2",
) -> None:
    """Make a volume with the content of another one of the pool, at least that large.

    Raises:
        NotOnHost: the source is not there.
        PoolFull: it does not fit.
    """
    with connected(hypervisor) as host:
        host.copy_volume(pool, name, source, size_gib * _GIB, kind)


def copy_of_guest(hypervisor: Hypervisor, pool: str, name: str, source: str, guest: UUID) -> bool:
    """Copy a volume that a guest has, as it is at one moment; False: not yet, ask again.

    While the guest runs, the copy follows it until both are alike, and is cut off then.

    Raises:
        NotOnHost: the source is not there.
        HostBusy: something else copies it.
        PoolFull: it does not fit.
    """
    copy = DiskCopy(guest, pool, source, name)
    with connected(hypervisor) as host:
        state = host.start_copy(copy)
        if state.is_alike and not state.is_whole:
            host.finish_copy(copy, must_be_quiet=False)
        return state.is_alike or state.is_whole


def drop_copy_of_guest(
    hypervisor: Hypervisor, pool: str, name: str, source: str, guest: UUID
) -> None:
    """End the copying and delete the copy. Absent is fine, also the guest."""
    with connected(hypervisor) as host:
        host.drop_copy(DiskCopy(guest, pool, source, name))


def copy_to_host(name: str, source: tuple[Hypervisor, str], target: tuple[Hypervisor, str]) -> None:
    """Bring a volume to a pool of another host; it stays where it was too.

    The bytes run through this process, a piece at a time.

    Raises:
        NotOnHost: the volume is not there.
        ImageDamaged: it did not arrive as it was sent.
        PoolFull: it does not fit.
    """
    (hypervisor, pool), (other, other_pool) = source, target
    with connected(other) as host:
        if host.is_verified(other_pool, name):
            return
    with connected(hypervisor) as host:
        infos = [each for each in host.list_volumes(pool, name) if each.name == name]
    if not infos:
        raise NotOnHost("The volume is not where it was.", detail=f"{hypervisor.name}: {name}")
    reading, writing = os.pipe()
    with ThreadPoolExecutor(1) as beside:
        # The end to be read closes first, so that a sender whom nobody hears any more ends too.
        with os.fdopen(reading, "rb") as file, connected(other) as host:
            sending = beside.submit(_send, hypervisor, pool, name, writing)
            received = host.receive_volume(other_pool, name, infos[0].capacity_bytes, file)
        sent = sending.result()
    if sent != received:
        raise ImageDamaged("The volume did not arrive whole on the host.", detail=name)
    with connected(other) as host:
        host.mark_verified(other_pool, name)


def _send(hypervisor: Hypervisor, pool: str, name: str, writing: int) -> str:
    with os.fdopen(writing, "wb") as sink, connected(hypervisor) as host:
        return host.send_volume(pool, name, sink)


def read_volume(
    hypervisor: Hypervisor, pool: str, name: str, *, before_each: Callable[[], None]
) -> Iterator[bytes]:
    """The bytes of a volume's file, piece by piece; `before_each` may end it by raising.

    Raises:
        NotOnHost: the volume is not there.
    """
    offset = 0
    while True:
        before_each()
        with connected(hypervisor) as host:
            piece = host.read_volume(pool, name, offset, PIECE_BYTES)
        if not piece:
            return
        offset += len(piece)
        yield piece


def delete_volume(hypervisor: Hypervisor, pool: str, name: str) -> None:
    """Delete it. Absent is fine."""
    with connected(hypervisor) as host:
        host.delete_volume(pool, name)


def grow_volume(
    hypervisor: Hypervisor, pool: str, name: str, size_gib: int, *, guest: UUID | None, serial: str
) -> None:
    """Let a volume grow, under the guest that has it where one runs with it.

    Raises:
        PoolFull: it does not fit.
        NotOnHost: the volume is not there.
    """
    with connected(hypervisor) as host:
        if guest is None or not host.grow_disk(guest, serial, size_gib * _GIB):
            host.resize_volume(pool, name, size_gib * _GIB)


def plug_in(hypervisor: Hypervisor, spec: GuestSpec, serial: str) -> None:
    """Give a guest the disk of this serial, which its specification has; at once if it runs.

    Raises:
        GuestNotFound: the host does not have the guest.
    """
    disk = next(disk for disk in spec.disks if disk.serial == serial)
    with connected(hypervisor) as host:
        host.attach_disk(spec, disk)


def pull_out(hypervisor: Hypervisor, guest: UUID, serial: str) -> None:
    """Take a disk from a guest; one without it, or no guest, is fine.

    Raises:
        GuestKeepsDevice: the guest did not let it go.
    """
    with connected(hypervisor) as host:
        if not host.detach_disk(guest, serial, LET_GO_S):
            raise GuestKeepsDevice("The guest does not let the disk go.")


def has_disk(hypervisor: Hypervisor, guest: UUID, serial: str) -> bool:
    """Whether the guest has the disk; no guest has none."""
    with connected(hypervisor) as host:
        return host.has_disk(guest, serial)
