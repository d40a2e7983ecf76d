"""Copies of servers' disks on their hosts, from where they are read into images.

They are files beside the disks, or where those are none, in the host's default pool.

The name derives from the server's id and the image's, so undoing needs to know nothing but these;
and as it begins as the names of the server's disks do, the server's end takes it along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import UUID

from hypervisors.connections import connected
from hypervisors.errors import GuestNotFound, NotOnHost
from hypervisors.libvirt.disk_copy import CopyState, DiskCopy
from hypervisors.models import Hypervisor, StoragePool
from hypervisors.pools import places_of

__all__ = [
    "CopyState",
    "drop_copy",
    "finish_copy",
    "look_at_copy",
    "read_copy",
    "start_copy",
]

# So much is asked of the host at a time, and held in memory.
PIECE_BYTES = 8 * 1024**2


def start_copy(hypervisor: Hypervisor, server_id: UUID, image_id: UUID) -> CopyState:
    """Begin to copy the server's root disk, or go on with that; of a guest that is off it is done.

    Raises:
        GuestNotFound: the host does not have the disk.
        HostBusy: something else copies it.
        PoolFull: the copy does not fit.
    """
    with connected(hypervisor) as host:
        return host.start_copy(_copy(hypervisor, server_id, image_id))


def look_at_copy(hypervisor: Hypervisor, server_id: UUID, image_id: UUID) -> CopyState:
    """How far the copy is.

    Raises:
        HostBusy: the guest stopped meanwhile: it is to be begun again.
        HostRefused: it broke off.
    """
    with connected(hypervisor) as host:
        return host.copy_state(_copy(hypervisor, server_id, image_id))


def finish_copy(
    hypervisor: Hypervisor, server_id: UUID, image_id: UUID, *, must_be_quiet: bool
) -> bool:
    """Cut the copy off from the disk that it follows; whether the guest's files were at rest then.

    Raises:
        HostBusy: the guest stopped meanwhile: it is to be begun again.
        HostCannot: with `must_be_quiet`, the guest's file systems cannot be put to rest.
        HostRefused: it broke off.
    """
    with connected(hypervisor) as host:
        copy = _copy(hypervisor, server_id, image_id)
        return host.finish_copy(copy, must_be_quiet=must_be_quiet)


def drop_copy(hypervisor: Hypervisor, server_id: UUID, image_id: UUID) -> None:
    """End the copying and delete the copy. Absent is fine, also the server."""
    name, source = copy_name(server_id, image_id), root_volume(server_id)
    with connected(hypervisor) as host:
        for pool in StoragePool.objects.filter(hypervisor=hypervisor):
            into = places_of(pool).files
            host.drop_copy(DiskCopy(server_id, pool.name, source, name, into))


def read_copy(
    hypervisor: Hypervisor,
    server_id: UUID,
    image_id: UUID,
    *,
    before_each: Callable[[], None] = lambda: None,
) -> Iterator[bytes]:
    """The bytes of a finished copy, piece by piece; `before_each` may end it by raising.

    Raises:
        NotOnHost: there is no such copy.
    """
    copy = _copy(hypervisor, server_id, image_id)
    offset = 0
    while True:
        before_each()
        with connected(hypervisor) as host:
            piece = host.read_volume(copy.place, copy.name, offset, PIECE_BYTES)
        if not piece:
            return
        offset += len(piece)
        yield piece


def copy_name(server_id: UUID, image_id: UUID) -> str:
    """The volume with the copy of a server's root disk for an image."""
    return f"{server_id}-copy-{image_id}"


def root_volume(server_id: UUID) -> str:
    """The volume with a server's root disk."""
    return f"{server_id}-root"


def _copy(hypervisor: Hypervisor, server_id: UUID, image_id: UUID) -> DiskCopy:
    source = root_volume(server_id)
    pools = StoragePool.objects.filter(hypervisor=hypervisor).order_by("-is_default", "name")
    with connected(hypervisor) as host:
        for pool in pools:
            try:
                found = host.list_volumes(pool.name, source)
            except NotOnHost:
                continue
            if any(volume.name == source for volume in found):
                name, into = copy_name(server_id, image_id), places_of(pool).files
                return DiskCopy(server_id, pool.name, source, name, into)
    raise GuestNotFound("The host does not have the server's disk.", detail=source)
