"""Guests on a host: define, start, stop, look at and remove. The uuid is the server's own.

Every call looks first, so that one made twice means it once.
"""

import struct
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt

from hypervisors.libvirt.connection import Connection, on_host
from hypervisors.libvirt.errors import Busy, DriverError, NotThere, WrongState, translated
from hypervisors.libvirt.metadata import NAMESPACE, PREFIX, metadata_element, parse_metadata
from hypervisors.libvirt.records import GuestMetadata
from hypervisors.libvirt.spec import GuestInfo, PowerState
from hypervisors.libvirt.storage import find

_START_S = 120.0  # the first start of a QEMU binary probes it, and a filter takes its time
_POLL_S = 0.2
_PRESS_AGAIN_S = 10.0
_KIB_PER_MIB = 1024
# What libvirt says of a guest that went off, or came on, after it was looked at.
_CHANGED = ("domain is not running", "domain is no longer running", "domain is already running")
POWER_STATES: dict[int, PowerState] = {
    libvirt.VIR_DOMAIN_NOSTATE: "nostate",
    libvirt.VIR_DOMAIN_RUNNING: "running",
    libvirt.VIR_DOMAIN_BLOCKED: "running",
    libvirt.VIR_DOMAIN_PAUSED: "paused",
    libvirt.VIR_DOMAIN_SHUTDOWN: "running",  # on its way, but still there
    libvirt.VIR_DOMAIN_SHUTOFF: "shutdown",
    libvirt.VIR_DOMAIN_CRASHED: "crashed",
    libvirt.VIR_DOMAIN_PMSUSPENDED: "suspended",
}
_UNDEFINE = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)


@on_host()
def define_guest(raw: Any, xml: str) -> GuestInfo:
    """Make the guest known to its host, or give the one of the same uuid this definition."""
    return _describe(raw.defineXML(xml))


@on_host(_START_S)
def start_guest(raw: Any, uuid: UUID) -> None:
    """Start the guest; one that runs is left alone.

    Raises:
        NotThere: no such guest.
    """
    start(raw.lookupByUUID(uuid.bytes))


@on_host(_START_S)
def destroy_guest(raw: Any, uuid: UUID) -> None:
    """Switch the guest off at once. One that is off, or absent, is fine."""
    domain = find(raw.lookupByUUID, uuid.bytes)
    if domain is not None:
        _destroy(domain)


def shutdown_clean(connection: Connection, uuid: UUID, timeout_s: float) -> bool:
    """Ask the guest to stop and wait for it, then switch it off; whether it went by itself.

    Raises:
        NotThere: no such guest.
    """
    went = _ask_to_stop(connection, uuid, timeout_s)
    if not went:
        destroy_guest(connection, uuid)
    return went


def reboot_soft(connection: Connection, uuid: UUID, timeout_s: float) -> bool:
    """Let the guest stop and start it again; False if it did not stop, and then it still runs.

    A stop and a start, as an ACPI reset cannot be told from a guest that ignores it; a guest found
    off, as after a caller that died half-way, is started.

    Raises:
        NotThere: no such guest.
    """
    if not _ask_to_stop(connection, uuid, timeout_s):
        return False
    start_guest(connection, uuid)
    return True


@on_host(_START_S)
def reboot_hard(raw: Any, uuid: UUID) -> None:
    """Switch the guest off and on again, with its present definition; it boots, whatever is saved.

    Raises:
        NotThere: no such guest.
        Busy: it went off or on between a look and a call; ask again.
    """
    domain = raw.lookupByUUID(uuid.bytes)
    with _looking_again():
        _destroy(domain)
        if domain.hasManagedSaveImage():
            domain.managedSaveRemove()
        start(domain)


@on_host()
def undefine_guest(raw: Any, uuid: UUID) -> None:
    """Forget the guest with its NVRAM, saved state and snapshot records. Absent is fine."""
    domain = find(raw.lookupByUUID, uuid.bytes)
    if domain is not None:
        find(domain.undefineFlags, _UNDEFINE)


@on_host(_START_S)
def remove_guest(raw: Any, uuid: UUID) -> None:
    """Switch the guest off and forget it; its volumes stay. Absent is fine."""
    domain = find(raw.lookupByUUID, uuid.bytes)
    if domain is None:
        return
    _destroy(domain)
    find(domain.undefineFlags, _UNDEFINE)


@on_host()
def guest_exists(raw: Any, uuid: UUID) -> bool:
    """Whether the host knows the guest."""
    return find(raw.lookupByUUID, uuid.bytes) is not None


@on_host()
def guest_info(raw: Any, uuid: UUID) -> GuestInfo:
    """The guest as it is.

    Raises:
        NotThere: no such guest.
    """
    return _describe(raw.lookupByUUID(uuid.bytes))


@on_host()
def guest_xml(raw: Any, uuid: UUID) -> str:
    """The guest's whole definition as libvirt has it, of the running guest if it runs.

    Raises:
        NotThere: no such guest.
    """
    return str(raw.lookupByUUID(uuid.bytes).XMLDesc(0))


@on_host()
def list_guests(raw: Any, *, ours_only: bool = True) -> list[GuestInfo]:
    """The host's guests by name; ours are those with our metadata."""
    found = (find(_describe, domain) for domain in raw.listAllDomains(0))
    guests = [guest for guest in found if guest is not None and (guest.is_ours or not ours_only)]
    return sorted(guests, key=lambda guest: guest.name)


@on_host()
def read_metadata(raw: Any, uuid: UUID) -> GuestMetadata:
    """What we wrote into the guest's definition.

    Raises:
        NotThere: no such guest, or one that is not ours.
        DriverError: it is damaged.
    """
    domain = raw.lookupByUUID(uuid.bytes)
    return parse_metadata(_metadata_xml(domain))


@on_host()
def write_metadata(raw: Any, uuid: UUID, metadata: GuestMetadata) -> None:
    """Put this in place of what we wrote, in the kept definition and the running guest.

    Raises:
        NotThere: no such guest.
    """
    domain = raw.lookupByUUID(uuid.bytes)
    flags = libvirt.VIR_DOMAIN_AFFECT_CONFIG
    if domain.isActive():
        flags |= libvirt.VIR_DOMAIN_AFFECT_LIVE
    # libvirt adds the namespace itself, so the element goes in without a prefix.
    element = metadata_element(metadata)
    for each in element.iter():
        each.tag = each.tag.rpartition("}")[2]
    text = ET.tostring(element, encoding="unicode")
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, text, PREFIX, NAMESPACE, flags)


@on_host(_START_S)
def replug(raw: Any, network: str) -> None:
    """Plug the running guests' cards on a network into its bridge, after it was started anew.

    libvirt does not do it by itself, and does nothing when told of a card as it is (9.0): so each
    is told to be on the bridge as such for a moment, and then on the network again.
    """
    for domain in raw.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        xml = find(domain.XMLDesc, 0)
        if xml is None:
            continue
        for card in ET.fromstring(xml).iterfind("devices/interface"):  # noqa: S314 - libvirt's own
            source = card.find("source")
            if source is not None and source.get("network") == network:
                _replug(domain, card, source)


def _replug(domain: Any, card: ET.Element, source: ET.Element) -> None:
    network, bridge = source.get("network", ""), source.get("bridge", "")
    for kind, attribute, value in (("bridge", "bridge", bridge), ("network", "network", network)):
        card.set("type", kind)
        source.attrib.clear()
        source.set(attribute, value)
        text = ET.tostring(card, encoding="unicode")
        domain.updateDeviceFlags(text, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def wait_state(connection: Connection, uuid: UUID, state: PowerState, timeout_s: float) -> bool:
    """Wait until the guest is in this state; whether it came to it in time.

    Raises:
        NotThere: no such guest.
    """
    return _wait(lambda: _state(connection, uuid) == state, timeout_s)


@on_host()
def screenshot(raw: Any, uuid: UUID) -> bytes:
    """The guest's display as a PNG.

    Raises:
        NotThere: no such guest.
        WrongState: it does not run.
        Unsupported: it has no display.
    """
    domain = raw.lookupByUUID(uuid.bytes)
    stream = raw.newStream(0)
    kind = domain.screenshot(stream, 0, 0)
    picture = bytearray()
    while piece := stream.recv(256 * 1024):
        picture += piece
    stream.finish()
    return _ppm_to_png(bytes(picture)) if kind == "image/x-portable-pixmap" else bytes(picture)


@on_host()
def _state(raw: Any, uuid: UUID) -> PowerState:
    return power_state_of(raw.lookupByUUID(uuid.bytes))


def power_state_of(domain: Any) -> PowerState:
    """How a domain is, in our words."""
    return POWER_STATES[domain.state()[0]]


@on_host()
def _press_power_button(raw: Any, uuid: UUID) -> None:
    domain = raw.lookupByUUID(uuid.bytes)
    try:
        with translated():
            domain.shutdown()
    except WrongState:
        if domain.isActive():
            raise


def _ask_to_stop(connection: Connection, uuid: UUID, timeout_s: float) -> bool:
    """Press the power button, again now and then: a guest that still boots misses the first."""
    ends_at = time.monotonic() + timeout_s
    while _state(connection, uuid) != "shutdown":
        left_s = ends_at - time.monotonic()
        if left_s <= 0:
            return False
        _press_power_button(connection, uuid)
        if wait_state(connection, uuid, "shutdown", min(left_s, _PRESS_AGAIN_S)):
            return True
    return True


def _wait(condition: Callable[[], bool], timeout_s: float) -> bool:
    ends_at = time.monotonic() + timeout_s
    while not condition():
        left_s = ends_at - time.monotonic()
        if left_s <= 0:
            return False
        time.sleep(min(_POLL_S, left_s))
    return True


def start(domain: Any) -> None:
    """Start a domain; one that runs is left alone."""
    if domain.isActive():
        return
    try:
        with translated():
            domain.create()
    except WrongState:
        if not domain.isActive():
            raise


def _destroy(domain: Any) -> None:
    try:
        with translated():
            if domain.isActive():
                domain.destroy()
    except (WrongState, NotThere):
        return  # it stopped by itself in between, which is what is wanted


@contextmanager
def _looking_again() -> Iterator[None]:
    """A guest that is in another state than when it was looked at is a reason to look again.

    Raises:
        Busy: that is so. Other states that do not allow it stay what they are: a network that is
            off does not come on by asking again.
    """
    try:
        with translated():
            yield
    except WrongState as error:
        if any(words in error.text for words in _CHANGED):
            raise Busy(error.text, code=error.code) from error
        raise


def _metadata_xml(domain: Any) -> str:
    kind = libvirt.VIR_DOMAIN_METADATA_ELEMENT
    return str(domain.metadata(kind, NAMESPACE, 0))


def _describe(domain: Any) -> GuestInfo:
    state, reason = domain.state()
    _, most_kib, _, vcpus, cpu_time_ns = domain.info()
    return GuestInfo(
        uuid=UUID(bytes=domain.UUID()),
        name=domain.name(),
        power_state=POWER_STATES[state],
        reason=reason,
        vcpus=vcpus,
        ram_mib=most_kib // _KIB_PER_MIB,
        cpu_time_ns=cpu_time_ns,
        is_ours=find(_metadata_xml, domain) is not None,
        is_persistent=bool(domain.isPersistent()),
        vnc_port=_vnc_port(domain),
        is_saved=bool(domain.hasManagedSaveImage()),
    )


def _vnc_port(domain: Any) -> int | None:
    if not domain.isActive():
        return None
    root = ET.fromstring(domain.XMLDesc(0))  # noqa: S314 - libvirt's own output
    graphics = root.find("devices/graphics[@type='vnc']")
    port = -1 if graphics is None else int(graphics.get("port", "-1"))
    return port if port > 0 else None


def _ppm_to_png(picture: bytes) -> bytes:
    """QEMU before 7.1 draws portable pixmaps only. Sources: netpbm's ppm(5), RFC 2083."""
    fields = picture.split(maxsplit=4)
    if len(fields) < 4 or fields[0] != b"P6" or fields[3] != b"255":
        raise DriverError("The host's screenshot is of an unknown format.")
    width, height = int(fields[1]), int(fields[2])
    row = width * 3
    pixels = picture[-row * height :]
    lines = b"".join(b"\0" + pixels[row * y : row * (y + 1)] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))
        for tag, body in chunks
    )
