"""Is this host fit to carry servers? Named checks, each with what is missing and how to mend it."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from hypervisors.libvirt import host, network, storage
from hypervisors.libvirt.connection import Connection, on_host, open_connection
from hypervisors.libvirt.errors import DriverError, HostUnreachable, NotThere
from hypervisors.libvirt.spec import HostCheck, HostInventory
from hypervisors.libvirt.storage import volume_xml

LEAST_LIBVIRT = (7, 0, 0)
LEAST_QEMU = (5, 2, 0)
MOST_SKEW_S = 2.0
_NAMES = ("ssh", "libvirt version", "qemu", "virt type", "pool", "network", "time")
# What ssh or libvirt says, and what that means to the one who adds the host.
_REMEDIES = (
    ("host key verification failed", "Accept the host's key fingerprint first."),
    ("permission denied", "Add the portal's public key to the user's authorized_keys there."),
    ("authentication failed", "Add the portal's public key to the user's authorized_keys there."),
    ("connection refused", "Start sshd on the host, and let the portal reach its port."),
    ("could not resolve", "Use a name that resolves here, or the host's address."),
    ("no such file", "Install and start libvirtd on the host (package libvirt-daemon-system)."),
    ("virt-ssh-helper", "Install libvirt-daemon on the host."),
)


@dataclass(frozen=True)
class Expectation:
    """What the host is to have. `virt_type` auto takes the best it can do."""

    pool: str | None = None
    networks: tuple[str, ...] = ()
    virt_type: str = "auto"
    most_skew_s: float = MOST_SKEW_S


def check_host(uri: str, expected: Expectation, *, timeout_s: float = 10.0) -> list[HostCheck]:
    """Look at the host, by a connection of its own; a check that could not be made says so."""
    try:
        connection = open_connection(uri, timeout_s)
    except HostUnreachable as error:
        missed = [HostCheck(name, None, "Not checked: no connection.") for name in _NAMES[1:]]
        return [HostCheck("ssh", False, error.text, _remedy(error.text)), *missed]
    try:
        return check_connection(connection, expected)
    finally:
        connection.close()


def check_connection(connection: Connection, expected: Expectation) -> list[HostCheck]:
    """The same over a connection that is open."""
    checks = [HostCheck("ssh", True, "The portal is connected to libvirt on the host.")]
    try:
        found = host.inventory(connection)
    except DriverError as error:
        text = f"The host does not say what it is: {error.text}"
        remedy = "Look into libvirtd's log on the host."
        checks += [HostCheck(name, False, text, remedy) for name in _NAMES[1:4]]
    else:
        checks += [_libvirt_version(found), _qemu(found), _virt_type(found, expected)]
    checks += [
        _guarded("pool", lambda: _pool(connection, expected)),
        _guarded("network", lambda: _networks(connection, expected)),
        _guarded("time", lambda: _time(connection, expected)),
    ]
    return checks


@on_host()
def clock_skew_s(raw: Any, pool: str) -> float:
    """How many seconds the host's clock is ahead of ours.

    libvirt tells no time; but it tells when a volume's file was changed, so one is made and read.

    Raises:
        NotThere: no such pool, or its volumes bear no time (those of a directory do).
    """
    found = raw.storagePoolLookupByName(pool)
    before = time.time()
    volume = found.createXML(volume_xml(f"cp-clock-{uuid.uuid4()}", 0, "raw"), 0)
    try:
        after = time.time()
        root = ET.fromstring(volume.XMLDesc())  # noqa: S314 - libvirt's own output
    finally:
        volume.delete(0)
    changed = root.findtext("target/timestamps/mtime")
    if changed is None:
        raise NotThere(f"The volumes of the pool {pool} bear no time.")
    theirs = float(changed)
    # The change lies between the two; only what is outside of them is surely skew.
    if before <= theirs <= after:
        return 0.0
    return theirs - (after if theirs > after else before)


def _guarded(name: str, check: Callable[[], HostCheck]) -> HostCheck:
    try:
        return check()
    except DriverError as error:
        return HostCheck(name, False, error.text, "Look into libvirtd's log on the host.")


def _remedy(text: str) -> str:
    lowered = text.lower()
    for words, remedy in _REMEDIES:
        if words in lowered:
            return remedy
    return "See that the host is up, and that the portal reaches it by ssh."


def _libvirt_version(found: HostInventory) -> HostCheck:
    return _version("libvirt version", "libvirt", found.libvirt_version, LEAST_LIBVIRT)


def _qemu(found: HostInventory) -> HostCheck:
    if not found.machines:
        message = f"There is no QEMU for {found.arch} guests."
        return HostCheck("qemu", False, message, "Install qemu-system on the host.")
    return _version("qemu", "QEMU", found.qemu_version, LEAST_QEMU)


def _version(name: str, product: str, version: str, least: tuple[int, int, int]) -> HostCheck:
    if tuple(int(part) for part in version.split(".")) >= least:
        return HostCheck(name, True, f"{product} {version}.")
    wanted = ".".join(str(part) for part in least)
    message = f"{product} {version} is older than {wanted}."
    return HostCheck(name, False, message, f"Install {product} {wanted} or newer on the host.")


def _virt_type(found: HostInventory, expected: Expectation) -> HostCheck:
    name, types = "virt type", found.domain_types
    if expected.virt_type == "auto" and types:
        note = "" if types[0] == "kvm" else " (software emulation: guests will be slow)"
        return HostCheck(name, True, f"Guests run by {types[0]}{note}.")
    if expected.virt_type in types:
        return HostCheck(name, True, f"Guests run by {expected.virt_type}.")
    wanted = "kvm or qemu" if expected.virt_type == "auto" else expected.virt_type
    message = f"The host cannot run guests by {wanted}."
    remedy = "Switch on VT-x or AMD-V in its firmware and load kvm, or choose the type qemu."
    return HostCheck(name, False, message, remedy)


def _pool(connection: Connection, expected: Expectation) -> HostCheck:
    if expected.pool is None:
        return HostCheck("pool", None, "Not checked: no storage pool was named.")
    try:
        info = storage.pool_info(connection, expected.pool)
    except NotThere:
        message = f"There is no storage pool {expected.pool}."
        return HostCheck("pool", False, message, "Let the portal make it, or name another one.")
    if not info.is_active:
        message = f"The storage pool {info.name} is not active."
        return HostCheck("pool", False, message, f"Start it: virsh pool-start {info.name}")
    free_gib = info.available_bytes // storage.GIB
    return HostCheck("pool", True, f"{info.name} at {info.path}, {free_gib} GiB free.")


def _networks(connection: Connection, expected: Expectation) -> HostCheck:
    if not expected.networks:
        return HostCheck("network", None, "Not checked: no network was named.")
    active = network.list_networks(connection)
    missing = [name for name in expected.networks if name not in active]
    if missing:
        message = f"Not running on the host: {', '.join(missing)}."
        remedy = "Let the portal make it, or start it: virsh net-start NAME"
        return HostCheck("network", False, message, remedy)
    return HostCheck("network", True, f"Running: {', '.join(expected.networks)}.")


def _time(connection: Connection, expected: Expectation) -> HostCheck:
    if expected.pool is None:
        return HostCheck("time", None, "Not checked: it needs a storage pool.")
    try:
        skew_s = clock_skew_s(connection, expected.pool)
    except NotThere as error:
        return HostCheck("time", None, f"Not checked: {error.text}")
    if abs(skew_s) <= expected.most_skew_s:
        return HostCheck("time", True, f"The clocks differ by {abs(skew_s):.1f} s at most.")
    message = f"The host's clock is {abs(skew_s):.1f} s {'ahead' if skew_s > 0 else 'behind'}."
    return HostCheck("time", False, message, "Install chrony (or another NTP client) there.")
