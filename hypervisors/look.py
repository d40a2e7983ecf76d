"""Look at hosts: do they answer, what do they have, how are their guests. Never while a user waits.

What is seen of guests is handed back: whose servers they are is known higher up.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection as database

from cloudportal.errors import CloudError
from hypervisors.connections import connected
from hypervisors.errors import HostKeyChanged, HostKeyUnknown, NotOnHost
from hypervisors.libvirt.spec import GuestUsage, HostInventory, HostStats, PoolInfo
from hypervisors.models import HostState, Hypervisor, StoragePool, VirtType
from hypervisors.pools import record_pool
from hypervisors.uris import ssh_address

logger = logging.getLogger(__name__)

# What a host is changes rarely; what it does is asked each time.
INVENTORY_EVERY = timedelta(minutes=5)
_GIB = 1024**3


@dataclass(frozen=True)
class HostLook:
    """What a look at one host found. Of a host that is not up nothing is known of its guests."""

    hypervisor: Hypervisor
    is_up: bool
    reason: str
    seen_at: datetime
    guests: tuple[GuestUsage, ...] = ()


def look_at_host(hypervisor: Hypervisor, now: datetime) -> HostLook:
    """Ask the host and write down whether it is up, its pools and how many guests run."""
    try:
        stats, pools, inventory = _ask(hypervisor, now)
    except CloudError as error:
        reason = _reason(error)
        if hypervisor.state != HostState.DOWN:
            logger.warning("Hypervisor %s is down: %s", hypervisor.name, error.detail or reason)
        _write(hypervisor, state=HostState.DOWN, state_reason=reason, looked_at=now)
        return HostLook(hypervisor, False, reason, now)
    for info in pools:
        record_pool(hypervisor, info)
    if inventory is not None:
        record_inventory(hypervisor, inventory, now)
    if hypervisor.state != HostState.UP:
        logger.info("Hypervisor %s is up.", hypervisor.name)
    _write(
        hypervisor,
        state=HostState.UP,
        state_reason="",
        looked_at=now,
        last_seen_at=now,
        running_servers=sum(guest.power_state == "running" for guest in stats.guests),
        disk_gib=_disk_gib(hypervisor),
    )
    return HostLook(hypervisor, True, "", now, stats.guests)


def look_at_all(now: datetime, parallel: int = 4) -> list[HostLook]:
    """Look at every host, a bounded number at a time, so that dead ones hold up few others."""
    hosts = list(Hypervisor.objects.all())
    if len(hosts) <= 1 or parallel <= 1:
        return [look_at_host(host, now) for host in hosts]
    with ThreadPoolExecutor(min(parallel, len(hosts)), thread_name_prefix="look") as pool:
        return list(pool.map(lambda host: _look_in_thread(host, now), hosts))


def record_inventory(hypervisor: Hypervisor, found: HostInventory, now: datetime) -> None:
    """Write down what the host is and has, and how its guests will run."""
    _write(
        hypervisor,
        hostname=found.hostname,
        host_ip=_host_ip(hypervisor),
        arch=found.arch,
        domain_type=_domain_type(hypervisor.virt_type, found.domain_types),
        libvirt_version=_number(found.libvirt_version),
        qemu_version=_number(found.qemu_version),
        vcpus=found.vcpus,
        ram_mib=found.ram_mib,
        inventory_at=now,
        capabilities={
            "cpu_model": found.cpu_model,
            "cpu_vendor": found.cpu_vendor,
            "cpu_features": list(found.cpu_features),
            "domain_types": list(found.domain_types),
            "guest_cpu_models": dict(found.guest_cpu_models),
            "machines": dict(found.machines),
            "has_uefi": found.has_uefi,
            "topology": {
                "sockets": found.sockets,
                "cores": found.cores,
                "threads": found.threads,
            },
        },
    )


def _look_in_thread(hypervisor: Hypervisor, now: datetime) -> HostLook:
    try:
        return look_at_host(hypervisor, now)
    finally:
        database.close()  # the thread's own


def _ask(
    hypervisor: Hypervisor, now: datetime
) -> tuple[HostStats, list[PoolInfo], HostInventory | None]:
    known_at = hypervisor.inventory_at
    is_due = known_at is None or now - known_at >= INVENTORY_EVERY
    known = StoragePool.objects.filter(hypervisor=hypervisor)
    is_default = dict(known.values_list("name", "is_default"))
    with connected(hypervisor) as host:
        stats = host.stats()
        pools = [pool for pool in host.list_pools() if pool.is_active and pool.name in is_default]
        inventory = host.inventory() if is_due else None
    seen = {pool.name for pool in pools}
    missing = [name for name, needed in is_default.items() if needed and name not in seen]
    if missing:
        # Every build there would fail.
        raise NotOnHost(f"The host's storage pool {missing[0]} is not active.")
    return stats, pools, inventory


def _write(hypervisor: Hypervisor, **fields: object) -> None:
    """Only these fields, so that a change made by an administrator meanwhile stays."""
    for name, value in fields.items():
        setattr(hypervisor, name, value)
    Hypervisor.objects.filter(pk=hypervisor.pk).update(**fields)


def _disk_gib(hypervisor: Hypervisor) -> int:
    pools: Iterable[int] = StoragePool.objects.filter(
        hypervisor=hypervisor, is_default=True
    ).values_list("capacity", flat=True)
    return sum(pools) // _GIB


def _reason(error: CloudError) -> str:
    if isinstance(error, HostKeyChanged):
        return "The host's SSH key is not the accepted one."
    if isinstance(error, HostKeyUnknown):
        return "The host's SSH key has not been accepted."
    return error.message.replace("The server's host", "The host")


def _domain_type(wanted: str, able: tuple[str, ...]) -> str:
    if wanted == VirtType.AUTO:
        return able[0] if able else ""
    return wanted if wanted in able else ""


def _number(dotted: str) -> int:
    """libvirt's way to count versions: 9.0.0 is 9000000."""
    major, minor, release = (int(part) for part in dotted.split("."))
    return major * 1000000 + minor * 1000 + release


def _host_ip(hypervisor: Hypervisor) -> str:
    address = ssh_address(hypervisor.uri)
    if address is None:
        return "127.0.0.1"
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError:
        return ""
    return str(found[0][4][0])
