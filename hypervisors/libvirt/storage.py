"""Storage pools and their volumes, by libvirt's storage API alone. Every call looks first.

A volume's name is the whole identity: callers derive it from a uuid, so the same call made twice
means it once, and a delete of what is not there is fine.
"""

import time
from collections.abc import Callable
from typing import Any, Literal
from xml.etree import ElementTree as ET

from hypervisors.libvirt.connection import on_host
from hypervisors.libvirt.errors import (
    AlreadyThere,
    Busy,
    NotThere,
    TooSmall,
    WrongState,
    translated,
)
from hypervisors.libvirt.pools import describe_pool
from hypervisors.libvirt.spec import PoolInfo, VolumeInfo

GIB = 1024**3
VolumeFormat = Literal["qcow2", "raw"]
# Beside an uploaded volume, an empty one of this name says that it was verified.
VERIFIED_SUFFIX = ".verified"
_TWIN_S = 10.0
_TWIN_POLL_S = 0.02
_LONG_S = 300.0  # the first look at a big pool, or the removal of a big file


def volume_xml(
    name: str,
    capacity_bytes: int,
    kind: VolumeFormat,
    backing: tuple[str, str] | None = None,
    *,
    is_thick: bool = False,
) -> str:
    """A volume's definition; `backing` is path and format of the volume it lies over.

    A thick one has all its room from the beginning.
    """
    taken = capacity_bytes if is_thick else 0
    volume = ET.Element("volume")
    ET.SubElement(volume, "name").text = name
    ET.SubElement(volume, "capacity", {"unit": "bytes"}).text = str(capacity_bytes)
    ET.SubElement(volume, "allocation", {"unit": "bytes"}).text = str(taken)
    target = ET.SubElement(volume, "target")
    ET.SubElement(target, "format", {"type": kind})
    if kind == "qcow2":
        ET.SubElement(target, "compat").text = "1.1"
    if backing is not None:
        path, backing_kind = backing
        store = ET.SubElement(volume, "backingStore")
        ET.SubElement(store, "path").text = path
        ET.SubElement(store, "format", {"type": backing_kind})
    return ET.tostring(volume, encoding="unicode")


@on_host(_LONG_S)
def remove_pool(raw: Any, name: str, *, delete_directory: bool = False) -> None:
    """Forget the pool; its volumes stay where they are. Absent is fine.

    With `delete_directory` the pool's directory goes too, which only works when it is empty.
    """
    pool = find(raw.storagePoolLookupByName, name)
    if pool is None:
        return
    if pool.isActive():
        pool.destroy()
    if delete_directory:
        pool.delete()
    pool.undefine()


@on_host()
def pool_info(raw: Any, name: str) -> PoolInfo:
    """The pool's state and sizes.

    Raises:
        NotThere: no such pool.
    """
    return describe_pool(raw.storagePoolLookupByName(name))


@on_host()
def list_pools(raw: Any) -> list[PoolInfo]:
    """All pools of the host, by name."""
    pools = (describe_pool(pool) for pool in raw.listAllStoragePools())
    return sorted(pools, key=lambda pool: pool.name)


@on_host(_LONG_S)
def refresh_pool(raw: Any, name: str) -> None:
    """Let libvirt look again what is in the pool."""
    raw.storagePoolLookupByName(name).refresh()


@on_host()
def list_volumes(raw: Any, pool: str, prefix: str = "") -> list[VolumeInfo]:
    """The pool's volumes whose names begin so, by name."""
    volumes = raw.storagePoolLookupByName(pool).listAllVolumes()
    infos = (describe_volume(volume) for volume in volumes if volume.name().startswith(prefix))
    return sorted(infos, key=lambda volume: volume.name)


@on_host()
def volume_info(raw: Any, pool: str, name: str) -> VolumeInfo:
    """One volume.

    Raises:
        NotThere: no such pool or volume.
    """
    return describe_volume(raw.storagePoolLookupByName(pool).storageVolLookupByName(name))


@on_host()
def volume_exists(raw: Any, pool: str, name: str) -> bool:
    """Whether the pool has a volume of that name."""
    return find_volume(raw, pool, name) is not None


@on_host()
def is_verified(raw: Any, pool: str, name: str) -> bool:
    """Whether the volume was uploaded whole and read back right."""
    marker = find_volume(raw, pool, name + VERIFIED_SUFFIX)
    return marker is not None and find_volume(raw, pool, name) is not None


@on_host()
def volume_path(raw: Any, pool: str, name: str) -> str:
    """The volume's path on the host.

    Raises:
        NotThere: no such pool or volume.
    """
    return str(raw.storagePoolLookupByName(pool).storageVolLookupByName(name).path())


@on_host()
def create_overlay(raw: Any, pool: str, name: str, backing: str, size_gib: int) -> VolumeInfo:
    """A thin qcow2 over another volume of the pool, which must not change from then on.

    Of size 0 it is as large as what it lies over.

    Raises:
        NotThere: no such pool or backing volume.
        AlreadyThere: a volume of that name lies over another one.
        TooSmall: the backing volume is larger than that.
    """
    base = describe_volume(raw.storagePoolLookupByName(pool).storageVolLookupByName(backing))
    size_bytes = size_gib * GIB or base.capacity_bytes
    if size_bytes < base.capacity_bytes:
        raise TooSmall(f"{size_bytes} bytes are too small for {base.capacity_bytes} of the image.")
    backing_store = (base.path, base.format or "raw")
    created = _create(raw, pool, volume_xml(name, size_bytes, "qcow2", backing_store), name)
    if created.backing_path != base.path:
        raise AlreadyThere(f"The volume {name} lies over {created.backing_path}.")
    return _grow(raw, pool, name, size_bytes)


@on_host()
def create_blank(
    raw: Any, pool: str, name: str, size_bytes: int, kind: VolumeFormat = "qcow2"
) -> VolumeInfo:
    """An empty thin volume of that size.

    Raises:
        NotThere: no such pool.
    """
    _create(raw, pool, volume_xml(name, size_bytes, kind), name)
    return _grow(raw, pool, name, size_bytes)


@on_host()
def resize_volume(raw: Any, pool: str, name: str, size_bytes: int) -> VolumeInfo:
    """Let the volume grow to that size; one that is as large already stays.

    Raises:
        NotThere: no such pool or volume.
    """
    return _grow(raw, pool, name, size_bytes)


@on_host(_LONG_S)
def delete_volume(raw: Any, pool: str, name: str) -> None:
    """Delete a volume that is a file, and its mark. Absent is fine, also the pool."""
    for each in (name + VERIFIED_SUFFIX, name):
        volume = find_volume(raw, pool, each)
        if volume is not None:
            find(volume.delete, 0)


def find(look_up: Any, *args: Any) -> Any:
    """What the look-up finds, or None where there is nothing."""
    try:
        with translated():
            return look_up(*args)
    except NotThere:
        return None


def find_volume(raw: Any, pool: str, name: str) -> Any:
    """The virStorageVol, or None where it or its pool is not there."""
    found = find(raw.storagePoolLookupByName, pool)
    return None if found is None else find(found.storageVolLookupByName, name)


def describe_volume(volume: Any) -> VolumeInfo:
    """What libvirt tells of a virStorageVol."""
    root = ET.fromstring(volume.XMLDesc())  # noqa: S314 - libvirt's own output
    # The description is as old as the last look; sizes are read anew.
    _, capacity, allocation = volume.info()
    found = root.find("target/format")
    return VolumeInfo(
        name=volume.name(),
        path=volume.path(),
        format=None if found is None else found.get("type"),
        capacity_bytes=capacity,
        allocation_bytes=allocation,
        backing_path=root.findtext("backingStore/path"),
    )


def _create(raw: Any, pool: str, xml: str, name: str) -> VolumeInfo:
    found = raw.storagePoolLookupByName(pool)
    volume = find(found.storageVolLookupByName, name)
    if volume is None:
        try:
            with translated():
                volume = found.createXML(xml, 0)
        except AlreadyThere:
            volume = found.storageVolLookupByName(name)  # a twin of this call was faster
    return _describe_finished(volume)


def _describe_finished(volume: Any) -> VolumeInfo:
    return _when_finished(volume, lambda: describe_volume(volume))


def _grow(raw: Any, pool: str, name: str, size_bytes: int) -> VolumeInfo:
    volume = raw.storagePoolLookupByName(pool).storageVolLookupByName(name)

    def grow() -> VolumeInfo:
        if volume.info()[1] < size_bytes:
            volume.resize(size_bytes, 0)
        return describe_volume(volume)

    return _when_finished(volume, grow)


def _when_finished(volume: Any, step: Callable[[], VolumeInfo]) -> VolumeInfo:
    """Do this to a volume that a twin of this call may still be making: it may have no file yet."""
    ends_at = time.monotonic() + _TWIN_S
    while True:
        try:
            with translated():
                return step()
        except (NotThere, WrongState) as error:
            if time.monotonic() >= ends_at:
                raise Busy(f"The volume {volume.name()} is still being made.") from error
        time.sleep(_TWIN_POLL_S)
