"""Is a host fit to carry servers? Named checks, each saying what is missing and how to mend it."""

from __future__ import annotations

import ipaddress
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import uuid4

from django.utils import timezone

from cloudportal.errors import CloudError
from hypervisors import ssh
from hypervisors.connections import connected, forget
from hypervisors.errors import HostUnreachable
from hypervisors.host import Host
from hypervisors.libvirt.checks import Expectation
from hypervisors.libvirt.errors import DriverError
from hypervisors.libvirt.errors import HostUnreachable as ConnectionLost
from hypervisors.libvirt.network import NatNetworkSpec
from hypervisors.libvirt.spec import HostCheck, HostInventory, PoolInfo
from hypervisors.look import record_inventory
from hypervisors.models import Hypervisor
from hypervisors.pools import POOL, record_pool
from hypervisors.uris import SshAddress, ssh_address

__all__ = ["Examination", "HostCheck", "check_hypervisor", "examine", "is_fit"]

# Without these no server runs; what else fails is worth a word only.
_NEEDED = ("ssh", "host key", "libvirt version", "qemu", "virt type", "pool", "network")
_AFTER_SSH = ("libvirt version", "qemu", "virt type", "pool", "network", "time")
_TRIAL_PREFIX = "cloudportal-check-"
_TRIAL_MOST_S = 600
_SSH_REMEDIES = (
    ("host key verification failed", "Accept the host's key, see the check of the host key."),
    ("connection refused", "Start sshd on the host, and let the portal reach its port."),
    ("could not resolve", "Use a name that resolves here, or the host's address."),
    ("no such file", "Install and start libvirtd on the host (package libvirt-daemon-system)."),
    ("connection refused by socket", "Start libvirtd on the host."),
    ("virt-ssh-helper", "Install libvirt-daemon on the host."),
)


@dataclass(frozen=True)
class Examination:
    """The checks, and what was found on the way where the host answered."""

    checks: list[HostCheck]
    inventory: HostInventory | None = None
    pool: PoolInfo | None = None


def check_hypervisor(hypervisor: Hypervisor) -> list[HostCheck]:
    """Check a registered host and bring what is known of it up to date."""
    found = examine(hypervisor)
    record(hypervisor, found)
    return found.checks


def is_fit(checks: list[HostCheck]) -> bool:
    """Whether servers can run there."""
    return all(check.ok is not False or check.name not in _NEEDED for check in checks)


def record(hypervisor: Hypervisor, found: Examination) -> None:
    """Write down what an examination found."""
    if found.pool is not None:
        record_pool(hypervisor, found.pool)
    if found.inventory is not None:
        record_inventory(hypervisor, found.inventory, timezone.now())


def examine(hypervisor: Hypervisor) -> Examination:
    """Check a host, registered or not; makes the portal's storage pool there if it is missing."""
    address = ssh_address(hypervisor.uri)
    key_checks: list[HostCheck] = []
    if address is not None:
        key_check = _host_key(address, hypervisor.host_keys)
        if key_check.ok is not True:
            words = "Not checked: the portal does not connect to a host it does not know."
            rest = ("ssh", *_AFTER_SSH)
            if key_check.name == "ssh":
                words, rest = "Not checked: no connection.", ("host key", *_AFTER_SSH)
            return Examination([key_check, *(HostCheck(name, None, words) for name in rest)])
        key_checks = [key_check]
    forget(hypervisor)  # a failure of a moment ago is asked for anew
    try:
        with connected(hypervisor) as host:
            found = _examine_connected(host, hypervisor.virt_type)
    except CloudError as error:
        failed = _no_connection(error, address)
        missed = [HostCheck(name, None, "Not checked: no connection.") for name in _AFTER_SSH]
        return Examination([failed, *key_checks, *missed])
    first, *rest_checks = found.checks
    return replace(found, checks=[first, *key_checks, *rest_checks])


def _examine_connected(host: Host, virt_type: str) -> Examination:
    pool: PoolInfo | None = None
    inventory: HostInventory | None = None
    pool_failure = ""
    try:
        pool = host.ensure_pool(POOL)
    except ConnectionLost:
        raise
    except DriverError as error:
        pool_failure = error.text
    expected = Expectation(pool=POOL.name, virt_type=virt_type)
    checks = {check.name: check for check in host.check(expected)}
    if pool_failure:
        remedy = f"Let libvirt make a directory pool {POOL.name} at {POOL.path}."
        checks["pool"] = HostCheck("pool", False, pool_failure, remedy)
    checks["network"] = _guarded("network", lambda: _trial_network(host))
    passes = host.passes_bridged_packets()
    if passes is not None:
        checks["packet filter"] = _packet_filter(passes=passes)
    if checks["qemu"].ok:
        inventory = host.inventory()
    return Examination(list(checks.values()), inventory, pool)


def _packet_filter(*, passes: bool) -> HostCheck:
    if passes:
        return HostCheck("packet filter", True, "Packets between guests go through iptables.")
    return HostCheck(
        "packet filter",
        False,
        "Guests on one network reach each other there whatever their security groups say.",
        "Load br_netfilter, and set net.bridge.bridge-nf-call-iptables to 1.",
    )


def _trial_network(host: Host) -> HostCheck:
    """Make a network for a moment, to see whether the host can do NAT and DHCP."""
    now = int(time.time())
    for name in host.list_networks():
        begun = name.removeprefix(_TRIAL_PREFIX).split("-")[0]
        if name.startswith(_TRIAL_PREFIX) and now - int(begun) > _TRIAL_MOST_S:
            host.remove_network(name)  # left by a check that was killed
    trial = _trial_spec(now)
    try:
        host.ensure_network(trial)
    finally:
        host.remove_network(trial.name)
    return HostCheck("network", True, "The host can do NAT networks with DHCP.")


def _trial_spec(now: int) -> NatNetworkSpec:
    """One of its own for each check, as two may look at a host at the same time.

    The range is kept for tests of network devices (RFC 2544), so nobody's own network lies there.
    """
    uuid = uuid4()
    network = ipaddress.IPv4Address("198.18.0.0") + secrets.randbelow(2**14) * 8
    return NatNetworkSpec(
        name=f"{_TRIAL_PREFIX}{now}-{uuid.hex[:8]}",
        bridge=f"cpck{uuid.hex[:8]}",
        uuid=uuid,
        cidr=f"{network}/29",
        gateway=str(network + 1),
    )


def _guarded(name: str, check: Callable[[], HostCheck]) -> HostCheck:
    try:
        return check()
    except ConnectionLost:
        raise
    except DriverError as error:
        remedy = "Install dnsmasq-base and iptables (or nftables) on the host, and load tun."
        return HostCheck(name, False, error.text, remedy)


def _host_key(address: SshAddress, accepted: str) -> HostCheck:
    try:
        shown = ssh.scan_host_keys(address)
    except HostUnreachable as error:
        remedy = "See that the host is up, runs sshd, and that the portal reaches its port."
        return HostCheck("ssh", False, error.detail or error.message, remedy)
    known = ssh.parse_host_keys(accepted)
    both = [key for key in known if key in shown]
    if both:
        return HostCheck("host key", True, f"The accepted {both[0].kind}: {both[0].fingerprint}")
    prints = ", ".join(f"{key.kind} {key.fingerprint}" for key in shown)
    if not known:
        remedy = "Compare it with the host's own (ssh-keygen -lf on its key), then accept it."
        return HostCheck("host key", False, f"Not accepted yet: {prints}", remedy)
    was = ", ".join(key.fingerprint for key in known)
    remedy = "If the host was reinstalled, accept the new key; else somebody stands in between."
    return HostCheck("host key", False, f"CHANGED from {was} to {prints}", remedy)


def _no_connection(error: CloudError, address: SshAddress | None) -> HostCheck:
    text = error.detail or error.message
    lowered = text.lower()
    if address is None:
        remedy = "Install and start libvirtd on this machine (package libvirt-daemon-system)."
        return HostCheck("ssh", False, text, remedy)
    if "permission denied" in lowered or "authentication failed" in lowered:
        home = f"~{address.user}" if address.user else "the user's home"
        remedy = f"Add this line to {home}/.ssh/authorized_keys on the host: {ssh.public_key()}"
        return HostCheck("ssh", False, text, remedy)
    fallback = "See that the host is up, and that the portal reaches it by ssh."
    remedy = next((mend for words, mend in _SSH_REMEDIES if words in lowered), fallback)
    return HostCheck("ssh", False, text, remedy)
