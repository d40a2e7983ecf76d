"""What a storage pool is made of: its definition as XML, and what libvirt's says of one.

Two hosts that have the same files see the same mark among them, a volume with a random id in its
name: by that they are known to have one store, whatever each calls the way to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4
from xml.etree import ElementTree as ET

import libvirt

from hypervisors.libvirt.connection import on_host
from hypervisors.libvirt.errors import (
    AlreadyThere,
    Busy,
    DriverError,
    Unsupported,
    WrongState,
    translated,
)
from hypervisors.libvirt.spec import PoolInfo

# Files in a folder; a file system that is mounted; a volume group of LVM.
PoolType = Literal["dir", "fs", "netfs", "logical"]
TYPES: tuple[PoolType, ...] = ("dir", "fs", "netfs", "logical")
STORE_PREFIX = "cloudportal-store-"
_LONG_S = 300.0  # the first look at a big pool, or a mount of a server that is slow to answer
# How libvirt says that a volume is being made there: it has no code of its own for that.
_AT_WORK = "asynchronous jobs running"
_FS_NAMESPACE = "http://libvirt.org/schemas/storagepool/fs/1.0"
# What one host has made another one has to see at once, not when its memory of it has expired.
_NFS_OPTIONS = ("lookupcache=none", "acdirmin=0", "acdirmax=0")


@dataclass(frozen=True)
class DirPoolSpec:
    """A directory of the host as a pool."""

    name: str
    path: str


@dataclass(frozen=True)
class NetworkPoolSpec:
    """A directory that a server exports by NFS, mounted at `path` of the host."""

    name: str
    path: str
    server: str
    export: str


@dataclass(frozen=True)
class LogicalPoolSpec:
    """A volume group of LVM that the host has."""

    name: str
    group: str


PoolSpec = DirPoolSpec | NetworkPoolSpec | LogicalPoolSpec


def pool_xml(spec: PoolSpec) -> str:
    """The pool's definition."""
    if isinstance(spec, NetworkPoolSpec):
        return _text(_network_pool(spec))
    if isinstance(spec, LogicalPoolSpec):
        return _text(_logical_pool(spec))
    pool = _pool("dir", spec.name)
    target = ET.SubElement(pool, "target")
    ET.SubElement(target, "path").text = spec.path
    # Guests run as another user: it must get through, but needs to list nothing.
    ET.SubElement(ET.SubElement(target, "permissions"), "mode").text = "0711"
    return _text(pool)


def _pool(kind: PoolType, name: str) -> ET.Element:
    pool = ET.Element("pool", {"type": kind})
    ET.SubElement(pool, "name").text = name
    return pool


def _text(pool: ET.Element) -> str:
    return ET.tostring(pool, encoding="unicode")


def _network_pool(spec: NetworkPoolSpec) -> ET.Element:
    pool = _pool("netfs", spec.name)
    source = ET.SubElement(pool, "source")
    ET.SubElement(source, "host", {"name": spec.server})
    ET.SubElement(source, "dir", {"path": spec.export})
    ET.SubElement(source, "format", {"type": "nfs"})
    ET.SubElement(ET.SubElement(pool, "target"), "path").text = spec.path
    options = ET.SubElement(pool, f"{{{_FS_NAMESPACE}}}mount_opts")
    for name in _NFS_OPTIONS:
        ET.SubElement(options, f"{{{_FS_NAMESPACE}}}option", {"name": name})
    return pool


def _logical_pool(spec: LogicalPoolSpec) -> ET.Element:
    pool = _pool("logical", spec.name)
    source = ET.SubElement(pool, "source")
    ET.SubElement(source, "name").text = spec.group
    ET.SubElement(source, "format", {"type": "lvm2"})
    ET.SubElement(ET.SubElement(pool, "target"), "path").text = f"/dev/{spec.group}"
    return pool


def source_of(spec: PoolSpec) -> str:
    """Where the pool's content comes from, in one word; "": it is in the host's own files."""
    if isinstance(spec, NetworkPoolSpec):
        return _network_source(spec.server, spec.export)
    return spec.group if isinstance(spec, LogicalPoolSpec) else ""


def _network_source(server: str, export: str) -> str:
    name = f"[{server}]" if ":" in server else server
    return f"{name}:{export.rstrip('/') or '/'}"


def read_source(xml: str) -> str:
    """What `source_of` would say, read from libvirt's definition of a pool."""
    root = ET.fromstring(xml)  # noqa: S314 - libvirt's own output
    host, folder = root.find("source/host"), root.find("source/dir")
    if root.get("type") == "netfs" and host is not None and folder is not None:
        return _network_source(host.get("name", ""), folder.get("path", ""))
    if root.get("type") == "logical":
        return root.findtext("source/name") or root.findtext("name") or ""
    return ""


def describe_pool(pool: Any) -> PoolInfo:
    """What libvirt tells of a virStoragePool."""
    xml = pool.XMLDesc()
    root = ET.fromstring(xml)  # noqa: S314 - libvirt's own output
    state, capacity, allocation, available = pool.info()
    return PoolInfo(
        name=pool.name(),
        type=root.get("type", ""),
        is_active=state == libvirt.VIR_STORAGE_POOL_RUNNING,
        is_autostart=bool(pool.autostart()),
        path=root.findtext("target/path"),
        capacity_bytes=capacity,
        allocation_bytes=allocation,
        available_bytes=available,
        source=read_source(xml),
    )


def kind_of(pool: Any) -> str:
    """The type of a virStoragePool."""
    return ET.fromstring(pool.XMLDesc()).get("type", "")  # noqa: S314 - libvirt's own output


@on_host(_LONG_S)
def ensure_pool(raw: Any, spec: PoolSpec) -> PoolInfo:
    """Define, build, start and autostart the pool where it is not yet.

    One that cannot be started is not left defined.

    Raises:
        AlreadyThere: a pool of that name is made of something else.
    """
    known = {pool.name(): pool for pool in raw.listAllStoragePools()}
    pool = known.get(spec.name)
    is_new = pool is None
    if pool is None:
        pool = raw.storagePoolDefineXML(pool_xml(spec))
    else:
        _check_same(pool, spec)
    try:
        if not pool.isActive():
            # A volume group is there already: to build one would write over its disks.
            if not isinstance(spec, LogicalPoolSpec):
                pool.build()
            pool.create()
    except libvirt.libvirtError:
        if is_new:
            pool.undefine()
        raise
    if not pool.autostart():
        pool.setAutostart(1)
    return describe_pool(pool)


def _check_same(pool: Any, spec: PoolSpec) -> None:
    found, kind = describe_pool(pool), _kind_of_spec(spec)
    if found.type != kind or found.source != source_of(spec):
        what = f"{found.type} {found.source}".strip()
        raise AlreadyThere(f"A storage pool {spec.name} exists that is made of {what}.")
    if not isinstance(spec, LogicalPoolSpec) and found.path != spec.path:
        raise AlreadyThere(f"A storage pool {spec.name} exists at {found.path}.")


def _kind_of_spec(spec: PoolSpec) -> str:
    if isinstance(spec, NetworkPoolSpec):
        return "netfs"
    return "logical" if isinstance(spec, LogicalPoolSpec) else "dir"


@on_host(_LONG_S)
def start_pool(raw: Any, name: str) -> PoolInfo:
    """Start a pool that libvirt has, and let it start by itself from now on.

    Raises:
        NotThere: no such pool.
    """
    pool = raw.storagePoolLookupByName(name)
    if not pool.isActive():
        pool.create()
    if not pool.autostart():
        pool.setAutostart(1)
    return describe_pool(pool)


@on_host(_LONG_S)
def look_anew(raw: Any, name: str) -> None:
    """See what other hosts have put into the pool, or taken from it.

    While a volume is made there nothing is looked at: what is missed then is looked for again.

    Raises:
        NotThere: no such pool.
    """
    refresh(raw.storagePoolLookupByName(name))


def refresh(pool: Any) -> None:
    """Let libvirt look into a pool, unless a volume is just being made there."""
    try:
        with translated():
            pool.refresh(0)
    except (Busy, WrongState):
        return
    except DriverError as error:
        if _AT_WORK not in error.text:
            raise


@on_host(_LONG_S)
def store_of(raw: Any, name: str) -> str:
    """The id by which all hosts that have these files know them; one is given where none is.

    Raises:
        NotThere: no such pool.
        Unsupported: its volumes are no files.
    """
    pool = raw.storagePoolLookupByName(name)
    if kind_of(pool) == "logical":
        raise Unsupported(f"The volumes of the pool {name} are no files.")
    pool.refresh(0)
    if not _marks(pool):
        mark = ET.Element("volume")
        ET.SubElement(mark, "name").text = f"{STORE_PREFIX}{uuid4()}"
        ET.SubElement(mark, "capacity").text = "0"
        ET.SubElement(ET.SubElement(mark, "target"), "format", {"type": "raw"})
        pool.createXML(_text(mark), 0)
        # Two hosts may have come at once: all go by the first name there is.
        pool.refresh(0)
    return min(_marks(pool)).removeprefix(STORE_PREFIX)


def _marks(pool: Any) -> list[str]:
    names = (volume.name() for volume in pool.listAllVolumes())
    return [name for name in names if name.startswith(STORE_PREFIX)]
