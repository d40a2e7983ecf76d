"""Volumes that are block devices of their host: logical volumes of LVM.

They have all their room from the beginning, hold nothing but the guest's bytes, and lie over
nothing: what a guest begins with is copied into them. Whose they were before could be read from
new ones, so they are written over with zeros before they are deleted.
"""

from __future__ import annotations

from typing import Any

from hypervisors.libvirt import storage
from hypervisors.libvirt.connection import Connection, on_host
from hypervisors.libvirt.errors import TooSmall, Unsupported
from hypervisors.libvirt.pools import kind_of
from hypervisors.libvirt.spec import VolumeInfo
from hypervisors.libvirt.storage import (
    VERIFIED_SUFFIX,
    describe_volume,
    find,
    find_volume,
    volume_xml,
)

# As long as disks are large: the whole of one is read or written within one call of libvirt.
_WHOLE_S = 24 * 3600.0
# No volume is empty: this is made one extent of the volume group.
_SMALLEST = 1


@on_host()
def create_block(raw: Any, pool: str, name: str, size_bytes: int) -> VolumeInfo:
    """A volume of that size, whose content counts for nothing.

    Raises:
        NotThere: no such pool.
        PoolFull: it does not fit.
        Unsupported: there is a smaller one, which cannot grow.
    """
    found = raw.storagePoolLookupByName(pool)
    volume = find(found.storageVolLookupByName, name)
    if volume is None:
        volume = found.createXML(volume_xml(name, size_bytes, "raw", is_thick=True), 0)
    info = describe_volume(volume)
    if info.capacity_bytes < size_bytes:
        raise Unsupported(f"The volume {name} cannot grow.")
    return info


@on_host(_WHOLE_S)
def fill_block(
    raw: Any, pool: str, name: str, size_bytes: int, source: tuple[str, str]
) -> VolumeInfo:
    """A volume of that size that begins with all that another one (pool, volume) shows.

    Of size 0 it is as large as that. Half of one is made anew, whole ones are known by their mark.

    Raises:
        NotThere: no such pool or source.
        PoolFull: it does not fit.
        TooSmall: the source is larger than that.
    """
    found = raw.storagePoolLookupByName(pool)
    original = raw.storagePoolLookupByName(source[0]).storageVolLookupByName(source[1])
    least = describe_volume(original).capacity_bytes
    size = size_bytes or least
    if size < least:
        raise TooSmall(f"{size} bytes are too small for {least} of the image.")
    if find_volume(raw, pool, name + VERIFIED_SUFFIX) is None:
        stale = find_volume(raw, pool, name)
        if stale is not None:
            _delete(stale)
        found.createXMLFrom(volume_xml(name, size, "raw", is_thick=True), original, 0)
        mark = volume_xml(name + VERIFIED_SUFFIX, _SMALLEST, "raw", is_thick=True)
        found.createXML(mark, 0)
    return describe_volume(found.storageVolLookupByName(name))


def delete_volume(connection: Connection, pool: str, name: str) -> None:
    """Delete the volume and the mark that it was verified. Absent is fine, also the pool."""
    if _is_block(connection, pool, name):
        _delete_block(connection, pool, name)
    else:
        storage.delete_volume(connection, pool, name)


@on_host()
def _is_block(raw: Any, pool: str, name: str) -> bool:
    volumes = (find_volume(raw, pool, each) for each in (name + VERIFIED_SUFFIX, name))
    is_there = any(volume is not None for volume in volumes)
    return is_there and kind_of(raw.storagePoolLookupByName(pool)) == "logical"


@on_host(_WHOLE_S)
def _delete_block(raw: Any, pool: str, name: str) -> None:
    # The mark first: what is not deleted to its end counts as half of one.
    for each in (name + VERIFIED_SUFFIX, name):
        volume = find_volume(raw, pool, each)
        if volume is not None:
            _delete(volume)


def _delete(volume: Any) -> None:
    volume.wipe(0)
    find(volume.delete, 0)
