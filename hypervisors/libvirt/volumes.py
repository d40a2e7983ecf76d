"""Volumes that outlive guests: copied in a pool or to another host, plugged in, taken out, grown.

A disk is known by its serial, which is the volume's id. Every call looks first, so that one made
twice means it once. A copy that is not whole is told from one that is by the mark that images
have (`storage.VERIFIED_SUFFIX`), since a worker, or the host, may die in the middle of it.
"""

import hashlib
import time
from typing import Any, BinaryIO
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt

from hypervisors.libvirt.connection import Beat, Connection, on_host
from hypervisors.libvirt.domain_devices import disk_element, disk_places
from hypervisors.libvirt.errors import Busy, Corrupted, DriverError, NotThere, translated
from hypervisors.libvirt.spec import DiskSpec, GuestSpec, VolumeInfo
from hypervisors.libvirt.storage import (
    VERIFIED_SUFFIX,
    describe_volume,
    find,
    find_volume,
    volume_xml,
)
from hypervisors.libvirt.transfer import CHUNK_BYTES, STALL_S, receive

_PLUG_S = 60.0
_POLL_S = 0.3
_ASK_AGAIN_S = 8.0
_COPY_S = 6 * 3600.0
_CONFIG = libvirt.VIR_DOMAIN_AFFECT_CONFIG
_LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE


@on_host(_COPY_S)
def copy_volume(raw: Any, pool: str, name: str, source: str, size_bytes: int) -> VolumeInfo:
    """A volume of its own with the content of another one of the pool, at least that large.

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
        capacity = original.info()[1]
        copy = found.createXMLFrom(volume_xml(name, capacity, "qcow2"), original, 0)
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
        Corrupted: what was read back is not what was sent.
        PoolFull: it does not fit.
    """
    beat = Beat()

    def run(raw: Any) -> str:
        stale = find_volume(raw, pool, name)
        if stale is not None:
            stale.delete(0)
        found = raw.storagePoolLookupByName(pool)
        volume = found.createXML(volume_xml(name, size_bytes, "qcow2"), 0)
        sent, kept = _upload(raw, volume, source, beat), hashlib.sha256()
        receive(raw, volume, (0, 0), kept.update, beat)
        if kept.hexdigest() != sent:
            raise Corrupted(f"The volume {name} was not read back as it was sent.")
        return sent

    return connection.call(run, deadline_s=STALL_S, beat=beat)


def _upload(raw: Any, volume: Any, source: BinaryIO, beat: Beat) -> str:
    digest = hashlib.sha256()
    stream = raw.newStream(0)
    volume.upload(stream, 0, 0, 0)
    try:
        while piece := source.read(CHUNK_BYTES):
            digest.update(piece)
            while piece:
                piece = piece[stream.send(piece) :]
            beat.touch()
        stream.finish()
    except BaseException:
        find(stream.abort)
        raise
    return digest.hexdigest()


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
        WrongState: it changed its state meanwhile.
        Unsupported: it has no room for a further device.
    """
    found = next(each for each in disk_places(spec) if each[0].serial == disk.serial)
    text = ET.tostring(disk_element(spec, *found), encoding="unicode")
    _attach(connection, spec.uuid, str(disk.serial), text)


@on_host(_PLUG_S)
def _attach(raw: Any, uuid: UUID, serial: str, xml: str) -> None:
    domain = raw.lookupByUUID(uuid.bytes)
    flags = 0 if _disk(domain, serial, libvirt.VIR_DOMAIN_XML_INACTIVE) is not None else _CONFIG
    if domain.isActive() and _disk(domain, serial) is None:
        flags |= _LIVE
    if flags:
        # Both at once where both lack it, so that the disk is at one place on the bus.
        domain.attachDeviceFlags(xml, flags)


def detach_disk(connection: Connection, uuid: UUID, serial: str, timeout_s: float) -> bool:
    """Take the disk from the guest; False if the guest did not let it go in time.

    A guest that runs is asked, again now and then: one that still boots misses the first. Only when
    it let the disk go its definition loses it too. A guest without the disk, or none, is fine.
    """
    ends_at = time.monotonic() + timeout_s
    ask_at = time.monotonic()
    while _is_plugged(connection, uuid, serial):
        now = time.monotonic()
        if now >= ends_at:
            return False
        if now >= ask_at:
            _unplug(connection, uuid, serial)
            ask_at = time.monotonic() + _ASK_AGAIN_S
        time.sleep(_POLL_S)
    _forget(connection, uuid, serial)
    return True


@on_host()
def has_disk(raw: Any, uuid: UUID, serial: str) -> bool:
    """Whether the guest has the disk, running or by its definition; no guest has none."""
    domain = find(raw.lookupByUUID, uuid.bytes)
    if domain is None:
        return False
    kept = _disk(domain, serial, libvirt.VIR_DOMAIN_XML_INACTIVE)
    return kept is not None or _disk(domain, serial) is not None


@on_host(_PLUG_S)
def grow_disk(raw: Any, uuid: UUID, serial: str, size_bytes: int) -> bool:
    """Let a running guest's disk grow to that size; False where the guest does not run.

    Raises:
        NotThere: no such guest, or it has no such disk.
    """
    domain = raw.lookupByUUID(uuid.bytes)
    if not domain.isActive():
        return False
    disk = _disk(domain, serial)
    if disk is None:
        raise NotThere(f"The guest {uuid} has no disk {serial}.")
    target = ET.fromstring(disk).find("target")  # noqa: S314 - libvirt's own output
    device = "" if target is None else target.get("dev", "")
    if domain.blockInfo(device)[0] < size_bytes:
        domain.blockResize(device, size_bytes, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
    return True


@on_host()
def _is_plugged(raw: Any, uuid: UUID, serial: str) -> bool:
    domain = find(raw.lookupByUUID, uuid.bytes)
    return domain is not None and bool(domain.isActive()) and _disk(domain, serial) is not None


@on_host(_PLUG_S)
def _unplug(raw: Any, uuid: UUID, serial: str) -> None:
    domain = find(raw.lookupByUUID, uuid.bytes)
    disk = None if domain is None or not domain.isActive() else _disk(domain, serial)
    if disk is None:
        return
    try:
        with translated():
            domain.detachDeviceFlags(disk, _LIVE)
    except (Busy, NotThere):
        return  # it is on its way out, or just went
    except DriverError as error:
        # libvirt has no code of its own for a request that the guest has not answered yet.
        if error.code != libvirt.VIR_ERR_OPERATION_FAILED:
            raise


@on_host(_PLUG_S)
def _forget(raw: Any, uuid: UUID, serial: str) -> None:
    domain = find(raw.lookupByUUID, uuid.bytes)
    disk = None if domain is None else _disk(domain, serial, libvirt.VIR_DOMAIN_XML_INACTIVE)
    if disk is not None:
        find(domain.detachDeviceFlags, disk, _CONFIG)


def _disk(domain: Any, serial: str, flags: int = 0) -> str | None:
    """The disk's element as libvirt has it, of the running or the kept definition."""
    root = ET.fromstring(domain.XMLDesc(flags))  # noqa: S314 - libvirt's own output
    for disk in root.iterfind("devices/disk"):
        if disk.findtext("serial") == serial:
            return ET.tostring(disk, encoding="unicode")
    return None
