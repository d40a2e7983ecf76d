"""Whole copies of guests' disks, each a qcow2 volume that lies over nothing.

Of a guest that is on, QEMU mirrors the disk into the copy until both are alike, and the copy is cut
off at that moment; of one that is off the storage driver copies the volume. A copy is told from
half of one by the mark that uploads have, too.

Every call looks first, so that one made twice means it once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt

from hypervisors.libvirt.connection import Connection, on_host
from hypervisors.libvirt.errors import Busy, DriverError, NotThere, Unsupported, translated
from hypervisors.libvirt.storage import (
    VERIFIED_SUFFIX,
    describe_volume,
    find,
    find_volume,
    volume_xml,
)
from hypervisors.libvirt.transfer import get_content

# A big disk of a guest that is off is copied within one call of libvirt.
_CLONE_S = 3 * 3600.0
_AGENT = "org.qemu.guest_agent.0"
_MIRROR = (
    libvirt.VIR_DOMAIN_BLOCK_COPY_REUSE_EXT
    # Else libvirt refuses it for guests that outlive their end, as all of ours do.
    | libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
)


@dataclass(frozen=True)
class DiskCopy:
    """One copy: of the volume `source` of a guest, named `name`, in the same pool or `into`."""

    guest: UUID
    pool: str
    source: str
    name: str
    into: str = ""

    @property
    def place(self) -> str:
        """The pool of the copy."""
        return self.into or self.pool


@dataclass(frozen=True)
class CopyState:
    """How far a copy is. `is_alike`: it follows the guest's disk and can be cut off."""

    is_whole: bool = False
    is_alike: bool = False
    copied_bytes: int = 0
    total_bytes: int = 0


_WHOLE = CopyState(is_whole=True)


@on_host(_CLONE_S)
def start_copy(raw: Any, copy: DiskCopy) -> CopyState:
    """Begin the copy, or go on with it; that of a guest that is off is whole on return.

    Raises:
        NotThere: no such pool or disk.
        Busy: something else copies that disk, or the guest just stopped.
        PoolFull: it does not fit.
    """
    if _is_whole(raw, copy):
        return _WHOLE
    source = raw.storagePoolLookupByName(copy.pool).storageVolLookupByName(copy.source)
    domain = _running(raw, copy)
    if domain is None:
        _remove(raw, copy)
        _clone(raw, copy, source)
        return _WHOLE
    device, mirror = _job(domain, copy)
    if mirror is not None:
        if _path_of(mirror) == _copy_path(raw, copy):
            return _state(domain, device, mirror)
        raise Busy(f"The disk {device} is being copied for something else.")
    _remove(raw, copy)
    _mirror(raw, copy, source, domain)
    return copy_state_of(raw, copy)


@on_host()
def copy_state(raw: Any, copy: DiskCopy) -> CopyState:
    """How far the copy is.

    Raises:
        Busy: the guest stopped meanwhile; the copy is to be begun again.
        DriverError: the copying broke off.
    """
    return copy_state_of(raw, copy)


@on_host(120.0)
def finish_copy(raw: Any, copy: DiskCopy, *, must_be_quiet: bool) -> bool:
    """Cut a copy off that is alike; whether the guest's file systems were at rest at that moment.

    They are where the guest has an agent that answers; else the copy is as a disk after a loss of
    power.

    Raises:
        Busy: the guest stopped meanwhile; the copy is to be begun again.
        Unsupported: with `must_be_quiet`, the guest's file systems cannot be put to rest.
        DriverError: the copying broke off.
    """
    if _is_whole(raw, copy):
        return False
    domain = _running_or_busy(raw, copy)
    device, mirror = _job(domain, copy)
    if mirror is None:
        raise _broken_off(copy)
    is_quiet = _freeze(domain, must_be_quiet=must_be_quiet)
    try:
        domain.blockJobAbort(device, 0)
    finally:
        if is_quiet:
            domain.fsThaw()
    _mark(raw, copy)
    return is_quiet


@on_host(300.0)
def drop_copy(raw: Any, copy: DiskCopy) -> None:
    """End the copying, if it goes on, and delete the copy. Absent is fine, also the guest."""
    domain = _running(raw, copy)
    if domain is not None:
        # Whoever put its file systems to rest may have died before it woke them.
        _thaw(domain)
        path = _copy_path(raw, copy)
        job = find(_job, domain, copy) if path else None
        if job is not None and job[1] is not None and _path_of(job[1]) == path:
            domain.blockJobAbort(job[0], 0)
    _remove(raw, copy)


def read_volume(connection: Connection, pool: str, name: str, offset: int, length: int) -> bytes:
    """At most so many bytes of a volume's file from an offset; none at its end.

    Raises:
        NotThere: no such pool or volume.
    """
    return get_content(connection, pool, name, offset=offset, length=length)


def copy_state_of(raw: Any, copy: DiskCopy) -> CopyState:
    """As `copy_state`, on a connection that is open."""
    if _is_whole(raw, copy):
        return _WHOLE
    domain = _running_or_busy(raw, copy)
    device, mirror = _job(domain, copy)
    if mirror is None:
        _running_or_busy(raw, copy)
        raise _broken_off(copy)
    return _state(domain, device, mirror)


def _broken_off(copy: DiskCopy) -> DriverError:
    return DriverError(f"The copying of {copy.source} to {copy.name} broke off.")


def _state(domain: Any, device: str, mirror: ET.Element) -> CopyState:
    job = domain.blockJobInfo(device, 0) or {}
    done, total = int(job.get("cur", 0)), int(job.get("end", 0))
    return CopyState(False, mirror.get("ready") == "yes", done, total)


def _running(raw: Any, copy: DiskCopy) -> Any:
    domain = find(raw.lookupByUUID, copy.guest.bytes)
    return domain if domain is not None and domain.isActive() else None


def _running_or_busy(raw: Any, copy: DiskCopy) -> Any:
    domain = _running(raw, copy)
    if domain is None:
        raise Busy("The guest stopped while its disk was copied.")
    return domain


def _job(domain: Any, copy: DiskCopy) -> tuple[str, ET.Element | None]:
    """The guest's name of the disk, and where it is being mirrored to, if it is."""
    root = ET.fromstring(domain.XMLDesc(0))  # noqa: S314 - libvirt's own output
    for disk in root.iterfind("devices/disk"):
        source, target = disk.find("source"), disk.find("target")
        if source is None or target is None:
            continue
        if (source.get("pool"), source.get("volume")) == (copy.pool, copy.source):
            return target.get("dev", ""), disk.find("mirror")
    raise NotThere(f"The guest has no disk {copy.source}.")


def _path_of(element: ET.Element) -> str:
    source = element.find("source")
    return "" if source is None else source.get("file") or source.get("dev") or ""


def _copy_path(raw: Any, copy: DiskCopy) -> str:
    volume = find_volume(raw, copy.place, copy.name)
    return "" if volume is None else str(volume.path())


def _mirror(raw: Any, copy: DiskCopy, source: Any, domain: Any) -> None:
    capacity = describe_volume(source).capacity_bytes
    pool = raw.storagePoolLookupByName(copy.place)
    volume = pool.createXML(volume_xml(copy.name, capacity, "qcow2"), 0)
    disk = ET.Element("disk", {"type": "file"})
    ET.SubElement(disk, "driver", {"type": "qcow2"})
    ET.SubElement(disk, "source", {"file": volume.path()})
    device, _ = _job(domain, copy)
    domain.blockCopy(device, ET.tostring(disk, encoding="unicode"), None, _MIRROR)


def _clone(raw: Any, copy: DiskCopy, source: Any) -> None:
    capacity = describe_volume(source).capacity_bytes
    pool = raw.storagePoolLookupByName(copy.place)
    # With no backing volume named, all that the source lies over is copied, too.
    pool.createXMLFrom(volume_xml(copy.name, capacity, "qcow2"), source, 0)
    _mark(raw, copy)


def _mark(raw: Any, copy: DiskCopy) -> None:
    pool = raw.storagePoolLookupByName(copy.place)
    if find(pool.storageVolLookupByName, copy.name + VERIFIED_SUFFIX) is None:
        pool.createXML(volume_xml(copy.name + VERIFIED_SUFFIX, 0, "raw"), 0)


def _is_whole(raw: Any, copy: DiskCopy) -> bool:
    marker = find_volume(raw, copy.place, copy.name + VERIFIED_SUFFIX)
    return marker is not None and find_volume(raw, copy.place, copy.name) is not None


def _remove(raw: Any, copy: DiskCopy) -> None:
    for name in (copy.name + VERIFIED_SUFFIX, copy.name):
        volume = find_volume(raw, copy.place, name)
        if volume is not None:
            find(volume.delete, 0)


def _has_agent(domain: Any) -> bool:
    root = ET.fromstring(domain.XMLDesc(0))  # noqa: S314 - libvirt's own output
    target = root.find(f"devices/channel/target[@name='{_AGENT}']")
    return target is not None and target.get("state") == "connected"


def _freeze(domain: Any, *, must_be_quiet: bool) -> bool:
    """Put the guest's file systems to rest, if it has an agent for it; whether they are."""
    if _has_agent(domain):
        try:
            with translated():
                domain.fsFreeze()
        except DriverError:
            _thaw(domain)
        else:
            return True
    if must_be_quiet:
        raise Unsupported("The guest's file systems cannot be put to rest: no agent answers.")
    return False


def _thaw(domain: Any) -> None:
    if not _has_agent(domain):
        return
    try:
        with translated():
            domain.fsThaw()
    except DriverError:
        return  # nothing was at rest, or no agent answers that could wake it
