"""Move a running guest to another host, with the disks that only its own host has.

The client drives (libvirt's protocol version 3): it holds a connection to each host, so the hosts
need no keys of each other, and QEMU sends memory and disks from host to host over TCP. The two
connections are the migration's own, as libvirt answers only a few calls of a client at a time; and
when they end, with the client, the destination takes its half of the guest away by itself, until
the guest has been handed over.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt

from hypervisors.libvirt.connection import Connection, on_host, open_connection
from hypervisors.libvirt.errors import NotThere, WrongState, translated

# A migration ends when it is done or aborted; a host that answers nothing is found out by pings.
LONGEST_S = 7 * 24 * 3600.0
_SOURCE_XML = libvirt.VIR_DOMAIN_XML_MIGRATABLE | libvirt.VIR_DOMAIN_XML_SECURE
_FLAGS = libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PERSIST_DEST
# A guest halted so runs at its destination, and what is left here is sent after it.
SWITCHED = (libvirt.VIR_DOMAIN_PAUSED_POSTCOPY, libvirt.VIR_DOMAIN_PAUSED_POSTCOPY_FAILED)
_OUTGOING = libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT
_IDENTICAL = (
    libvirt.VIR_CPU_COMPARE_IDENTICAL,
    libvirt.VIR_CPU_COMPARE_SUPERSET,
)
_LACKING = "required features: "
_UNNAMED = "libvirt does not say which features"
CopyMode = Literal["none", "top", "all"]


@dataclass(frozen=True)
class DiskSeen:
    """A disk as the running guest has it; without a file or volume behind it those are "".

    What is read-only libvirt does not copy.
    """

    target: str
    pool: str
    volume: str
    path: str
    format: str
    is_readonly: bool
    capacity_bytes: int = 0


@dataclass(frozen=True)
class MovableGuest:
    """What another host must offer to take a guest over. `cpu` is XML, "" for QEMU's default.

    `tpm` is `model:version`, "" is none.
    """

    arch: str
    domain_type: str
    machine: str
    cpu: str
    disks: tuple[DiskSeen, ...]
    has_secure_boot: bool = False
    tpm: str = ""


@dataclass(frozen=True)
class MoveRequest:
    """How a guest is moved.

    `address` is where the destination is reached by the source. `paths`: the files on the
    destination, by the disks' targets; `pool` the pool there that they are volumes of. `copied`
    are the targets whose content is sent: of each file only what it has itself ("top", over the
    same base image) or all that it shows ("all"). `is_shared`: the others are at the destination
    by certain knowledge, which libvirt itself has of well-known network file systems only.
    `may_post_copy`: the guest may be let run at the destination before all of its memory is there,
    and is not slowed down instead.
    """

    address: str
    pool: str = ""
    paths: Mapping[str, str] = field(default_factory=dict)
    console_log_path: str | None = None
    copied: tuple[str, ...] = ()
    copy_mode: CopyMode = "none"
    is_shared: bool = False
    may_post_copy: bool = False


@dataclass(frozen=True)
class MoveProgress:
    """How far it is, in bytes; all 0 before the first byte is sent.

    `memory_rounds`: how often the memory was gone through, the present time included.
    `has_switched`: the guest runs at the destination.
    """

    memory_total: int = 0
    memory_processed: int = 0
    memory_remaining: int = 0
    disk_total: int = 0
    disk_processed: int = 0
    disk_remaining: int = 0
    memory_rounds: int = 0
    has_switched: bool = False


@on_host()
def movable_guest(raw: Any, uuid: UUID) -> MovableGuest:
    """What another host must offer for the guest.

    Raises:
        NotThere: no such guest.
        WrongState: it does not run.
    """
    domain = raw.lookupByUUID(uuid.bytes)
    if not domain.isActive():
        raise WrongState("The guest does not run.")
    found = parse_movable(domain.XMLDesc(_SOURCE_XML))
    # What libvirt says of a volume is its file's size where it does not know the format.
    sized = (
        replace(disk, capacity_bytes=domain.blockInfo(disk.target)[0])
        if _has_source(disk)
        else disk
        for disk in found.disks
    )
    return replace(found, disks=tuple(sized))


def _has_source(disk: DiskSeen) -> bool:
    return bool(disk.volume or disk.path)


def parse_movable(xml: str) -> MovableGuest:
    """Read a running guest's definition."""
    root = ET.fromstring(xml)  # noqa: S314 - libvirt's own output
    kind = root.find("os/type")
    cpu = root.find("cpu")
    has_model = cpu is not None and cpu.find("model") is not None
    return MovableGuest(
        arch="" if kind is None else kind.get("arch", ""),
        domain_type=root.get("type", ""),
        machine="" if kind is None else kind.get("machine", ""),
        cpu=ET.tostring(cpu, encoding="unicode") if has_model and cpu is not None else "",
        disks=tuple(_disks(root)),
        has_secure_boot=root.find("os/loader[@secure='yes']") is not None,
        tpm=_tpm(root),
    )


def _tpm(root: ET.Element) -> str:
    tpm, backend = root.find("devices/tpm"), root.find("devices/tpm/backend")
    if tpm is None or backend is None:
        return ""
    return f"{tpm.get('model', '')}:{backend.get('version', '')}"


def _disks(root: ET.Element) -> Iterator[DiskSeen]:
    for disk in root.iterfind("devices/disk"):
        source, driver = _source(disk), disk.find("driver")
        is_fixed = disk.get("device") == "cdrom" or disk.find("readonly") is not None
        yield DiskSeen(
            target=_target(disk),
            pool=source.get("pool", ""),
            volume=source.get("volume", ""),
            path=source.get("file", ""),
            format="raw" if driver is None else driver.get("type", "raw"),
            is_readonly=is_fixed,
        )


def _source(disk: ET.Element) -> ET.Element:
    found = disk.find("source")
    return ET.Element("source") if found is None else found


def _target(disk: ET.Element) -> str:
    found = disk.find("target")
    return "" if found is None else found.get("dev", "")


@on_host()
def cpu_obstacle(raw: Any, wanted: MovableGuest) -> str:
    """What the host's CPU lacks of the one that the guest sees: features by name; "" is nothing."""
    if not wanted.cpu:
        return ""
    compare = raw.compareHypervisorCPU
    about = (None, wanted.arch, wanted.machine, wanted.domain_type, wanted.cpu)
    if compare(*about, 0) in _IDENTICAL:
        return ""
    try:
        # The names are in the error, and nowhere else.
        compare(*about, libvirt.VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_CPU_INCOMPATIBLE:
            raise
        text = str(error.get_error_message() or "")
        return text.rpartition(_LACKING)[2] or _UNNAMED
    return _UNNAMED


def destination_xml(xml: str, request: MoveRequest, *, is_kept: bool) -> str:
    """The guest's definition as the destination has it: the kept one, or that of the running guest.

    For the running one its disks are plain files: an incremental copy goes to what libvirt sees as
    a file only (9.0). The kept one names their volumes, as it does for every guest.
    """
    root = ET.fromstring(xml)  # noqa: S314 - libvirt's own output
    for disk in root.iterfind("devices/disk"):
        path = request.paths.get(_target(disk))
        if path is not None:
            _put_source(disk, _source(disk), path, request.pool if is_kept else "")
    for log in root.iterfind("devices/*/log"):
        if request.console_log_path is not None:
            log.set("file", request.console_log_path)
    return ET.tostring(root, encoding="unicode")


def _put_source(disk: ET.Element, source: ET.Element, path: str, pool: str) -> None:
    if pool and source.get("volume"):
        source.set("pool", pool)
        return
    for name in ("pool", "volume", "mode", "startupPolicy", "index"):
        source.attrib.pop(name, None)
    disk.set("type", "file")
    source.set("file", path)
    # What lies below is found out anew: it has other paths there.
    for known in disk.findall("backingStore"):
        disk.remove(known)


def migrate_guest(
    source: Connection, destination: Connection, uuid: UUID, request: MoveRequest
) -> None:
    """Move the guest; returns when it runs on the destination.

    It stays defined, and off, on the source. A paused guest arrives paused.

    Raises:
        NotThere: no such guest.
        HostUnreachable: one of the hosts fell silent; where the guest is has to be looked at.
        DriverError: it was aborted or failed, and runs on where it was.
    """
    with own_connection(source) as here, own_connection(destination) as there:
        here.call(
            lambda raw: there.call(
                lambda target: _migrate(raw, target, uuid, request), deadline_s=LONGEST_S
            ),
            deadline_s=LONGEST_S,
        )


@contextlib.contextmanager
def own_connection(known: Connection) -> Iterator[Connection]:
    """Another connection to the same host, closed in the end."""
    opened = open_connection(known.uri)
    try:
        yield opened
    finally:
        opened.close()


def _migrate(raw: Any, target: Any, uuid: UUID, request: MoveRequest) -> None:
    domain = raw.lookupByUUID(uuid.bytes)
    kept = domain.XMLDesc(_SOURCE_XML | libvirt.VIR_DOMAIN_XML_INACTIVE)
    parameters: dict[str, Any] = {
        libvirt.VIR_MIGRATE_PARAM_URI: transport_uri(request),
        libvirt.VIR_MIGRATE_PARAM_DEST_XML: destination_xml(
            domain.XMLDesc(_SOURCE_XML), request, is_kept=False
        ),
        libvirt.VIR_MIGRATE_PARAM_PERSIST_XML: destination_xml(kept, request, is_kept=True),
    }
    # A guest that writes faster than the network carries is slowed down, more and more, unless it
    # can be switched.
    flags = _FLAGS | (
        libvirt.VIR_MIGRATE_POSTCOPY if request.may_post_copy else libvirt.VIR_MIGRATE_AUTO_CONVERGE
    )
    if request.copied:
        flags |= (
            libvirt.VIR_MIGRATE_NON_SHARED_INC
            if request.copy_mode == "top"
            else libvirt.VIR_MIGRATE_NON_SHARED_DISK
        )
        parameters[libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS] = list(request.copied)
    if request.is_shared:
        # All disks are opened past the host's cache (`DiskSpec.cache`), so both see the same.
        flags |= libvirt.VIR_MIGRATE_UNSAFE
    domain.migrate3(target, parameters, flags)


def transport_uri(request: MoveRequest) -> str:
    """Where the destination is reached by the source's QEMU."""
    address = request.address
    return f"tcp://[{address}]" if ":" in address else f"tcp://{address}"


@on_host()
def migration_progress(raw: Any, uuid: UUID) -> MoveProgress | None:
    """How far the guest's migration is; None: none leaves this host.

    Raises:
        NotThere: no such guest.
    """
    domain = raw.lookupByUUID(uuid.bytes)
    stats = _outgoing(domain)
    return None if stats is None else replace(parse_progress(stats), has_switched=_is_gone(domain))


def _is_gone(domain: Any) -> bool:
    state, reason = domain.state()
    return bool(state == libvirt.VIR_DOMAIN_PAUSED and reason in SWITCHED)


def parse_progress(stats: Mapping[str, Any]) -> MoveProgress:
    """Read libvirt's statistics of a job. Source: libvirt, virDomainGetJobStats."""
    sizes: dict[str, Any] = {
        f"{kind}_{part}": int(stats.get(f"{kind}_{part}", 0))
        for kind in ("memory", "disk")
        for part in ("total", "processed", "remaining")
    }
    rounds = int(stats.get(libvirt.VIR_DOMAIN_JOB_MEMORY_ITERATION, 0))
    return MoveProgress(**sizes, memory_rounds=rounds)


def _outgoing(domain: Any) -> Mapping[str, Any] | None:
    try:
        with translated():
            stats: Mapping[str, Any] = domain.jobStats()
    except WrongState:
        return None  # it has ended
    if stats.get("type", libvirt.VIR_DOMAIN_JOB_NONE) == libvirt.VIR_DOMAIN_JOB_NONE:
        return None
    return stats if stats.get("operation", _OUTGOING) == _OUTGOING else None


@on_host()
def abort_migration(raw: Any, uuid: UUID) -> None:
    """End the guest's migration; it runs on where it is. None under way, or no guest, is fine.

    One that runs at its destination already cannot come back, and is left alone.
    """
    try:
        with translated():
            domain = raw.lookupByUUID(uuid.bytes)
            if _outgoing(domain) is not None and not _is_gone(domain):
                domain.abortJob()
    except (NotThere, WrongState):
        return  # it ended by itself in between


@on_host()
def hasten_migration(raw: Any, uuid: UUID) -> None:
    """Halt the guest until it has arrived, so that it changes nothing any more. Again is fine.

    It runs on when it is there; nothing happens when no migration is under way.
    """
    try:
        with translated():
            domain = raw.lookupByUUID(uuid.bytes)
            is_running = domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
            if is_running and _outgoing(domain) is not None:
                domain.suspend()
    except (NotThere, WrongState):
        return  # it has arrived in between
