"""Volumes that outlive guests: copied in a pool or to another host, plugged in, taken out, grown.

A disk is known by its serial, which is the volume's id. Every call looks first, so that one made
twice means it once. A copy that is not whole is told from one that is by the mark that images
have (`storage.VERIFIED_SUFFIX`), since a worker, or the host, may die in the middle of it.
"""

import hashlib
from typing import Any, BinaryIO
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt

from hypervisors.libvirt.cold import receive_disk
from hypervisors.libvirt.connection import Beat, Connection, on_host
from hypervisors.libvirt.domain_devices import disk_element, disk_places
from hypervisors.libvirt.errors import Busy, DriverError, NotThere, translated
from hypervisors.libvirt.hot_plug import KEPT, Device, element_of, plug_in, pull_out
from hypervisors.libvirt.spec import DiskSpec, GuestSpec, VolumeInfo
from hypervisors.libvirt.storage import (
    VERIFIED_SUFFIX,
    VolumeFormat,
    describe_volume,
    find,
    find_volume,
    volume_xml,
)
from hypervisors.libvirt.transfer import STALL_S, receive

_GROW_S = 60.0
_COPY_S = 6 * 3600.0


@on_host(_COPY_S)
def copy_volume(
    raw: Any,
    pool: str,
    name: str,
    source: str,
    size_bytes: int = 0,
    kind: VolumeFormat | None = None,
) -> VolumeInfo:
    """A volume of its own with all the content of another one of the pool, at least that large.

    It has the format of the original unless `kind` says another, and lies over nothing: told of a
    base, libvirt copies its content all the same, and then takes the copy for an overlay until it
    looks into the file.

    Raises:
        NotThere: no such pool or source.
        Busy: half of it is still being made or removed.
    """
    found = raw.storagePoolLookupByName(pool)
    if find_volume(raw, pool, name + VERIFIED_SUFFIX) is None:
        stale = find_volume(raw, pool, name)
        if stale is not None:
            _delete_half(stale)
        original = found.storageVolLookupByName(source)
        own: VolumeFormat = "qcow2" if describe_volume(original).format == "qcow2" else "raw"
        capacity = original.info()[1]
        copy = found.createXMLFrom(volume_xml(name, capacity, kind or own), original, 0)
        if capacity < size_bytes:
            copy.resize(size_bytes, 0)
        found.createXML(volume_xml(name + VERIFIED_SUFFIX, 0, "raw"), 0)
    return describe_volume(found.storageVolLookupByName(name))


def _delete_half(volume: Any) -> None:
    """What a worker left half done libvirt may still be at, and refuses to delete."""
    try:
        with translated():
            find(volume.delete, 0)
    except DriverError as error:
        if error.code != libvirt.VIR_ERR_OPERATION_INVALID:
            raise
        raise Busy(f"The volume {volume.name()} is still being made.") from error


def send_volume(connection: Connection, pool: str, name: str, sink: BinaryIO) -> str:
    """Write the volume's file to `sink`; its checksum in hex.

    Raises:
        NotThere: no such pool or volume.
    """
    beat, digest = Beat(), hashlib.sha256()

    def take(piece: bytes) -> None:
        digest.update(piece)
        sink.write(piece)

    def run(raw: Any) -> str:
        volume = raw.storagePoolLookupByName(pool).storageVolLookupByName(name)
        receive(raw, volume, (0, 0), take, beat)
        return digest.hexdigest()

    return connection.call(run, deadline_s=STALL_S, beat=beat)


def receive_volume(
    connection: Connection, pool: str, name: str, size_bytes: int, source: BinaryIO
) -> str:
    """A qcow2 volume with the file that `source` gives, in place of half of one.

    Its checksum in hex, as it was read back.

    Raises:
        Corrupted, PoolFull: as `receive_disk`.
    """
    return receive_disk(connection, pool, name, size_bytes, "", source)[1]


@on_host()
def mark_verified(raw: Any, pool: str, name: str) -> None:
    """Say of a volume that it is whole."""
    if find_volume(raw, pool, name + VERIFIED_SUFFIX) is None:
        found = raw.storagePoolLookupByName(pool)
        found.createXML(volume_xml(name + VERIFIED_SUFFIX, 0, "raw"), 0)


def attach_disk(connection: Connection, spec: GuestSpec, disk: DiskSpec) -> None:
    """Give the guest the disk: in its definition, and at once if it runs.

    Raises:
        NotThere: no such guest, or no such volume.
        WrongState, Unsupported: as `plug_in`.
    """
    found = next(each for each in disk_places(spec) if each[0].serial == disk.serial)
    text = ET.tostring(disk_element(spec, *found), encoding="unicode")
    plug_in(connection, _disk(spec.uuid, str(disk.serial)), text)


def detach_disk(connection: Connection, uuid: UUID, serial: str, timeout_s: float) -> bool:
    """Take the disk from the guest; False if the guest did not let it go in time."""
    return pull_out(connection, _disk(uuid, serial), timeout_s)


@on_host()
def has_disk(raw: Any, uuid: UUID, serial: str) -> bool:
    """Whether the guest has the disk, running or by its definition; no guest has none."""
    domain = find(raw.lookupByUUID, uuid.bytes)
    if domain is None:
        return False
    disk = _disk(uuid, serial)
    return element_of(domain, disk, KEPT) is not None or element_of(domain, disk) is not None


@on_host(_GROW_S)
def grow_disk(raw: Any, uuid: UUID, serial: str, size_bytes: int) -> bool:
    """Let a running guest's disk grow to that size; False where the guest does not run.

    Raises:
        NotThere: no such guest, or it has no such disk.
    """
    domain = raw.lookupByUUID(uuid.bytes)
    if not domain.isActive():
        return False
    disk = element_of(domain, _disk(uuid, serial))
    if disk is None:
        raise NotThere(f"The guest {uuid} has no disk {serial}.")
    target = ET.fromstring(disk).find("target")  # noqa: S314 - libvirt's own output
    device = "" if target is None else target.get("dev", "")
    if domain.blockInfo(device)[0] < size_bytes:
        domain.blockResize(device, size_bytes, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
    return True


def _disk(uuid: UUID, serial: str) -> Device:
    def pick(root: ET.Element) -> ET.Element | None:
        disks = root.iterfind("devices/disk")
        return next((disk for disk in disks if disk.findtext("serial") == serial), None)

    return Device(uuid, pick)
