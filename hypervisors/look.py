"""Look at hosts: do they answer, what do they have, how are their guests. Never while a user waits.

What is seen of guests is handed back: whose servers they are is known higher up.
"""

from __future__ import annotations

import logging
import socket
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import close_old_connections
from django.db import connection as database
from django.db.models import Q

from cloudportal.errors import CloudError
from hypervisors.connections import connected
from hypervisors.errors import HostKeyChanged, HostKeyUnknown, HostUnreachable, NotOnHost
from hypervisors.libvirt.calls import giving_up_after
from hypervisors.libvirt.events import Listener
from hypervisors.libvirt.spec import GuestUsage, HostInventory, HostStats, PoolInfo
from hypervisors.models import HostState, Hypervisor, StoragePool, VirtType
from hypervisors.pools import pool_figures
from hypervisors.uris import ssh_address

logger = logging.getLogger(__name__)

# What a host is changes rarely; what it does is asked each time.
INVENTORY_EVERY = timedelta(minutes=5)
# A host that is silent for so long is down. One that is slow, and answers pings, is not.
SILENCE_S = 5.0
# A failure as quick as this is of the connection: it may be lost while the host is well.
QUICK_S = 1.0
_GIB = 1024**3


@dataclass(frozen=True)
class HostLook:
    """What a look at one host found. Of a host that is not up nothing is known of its guests."""

    hypervisor: Hypervisor
    is_up: bool
    reason: str
    seen_at: datetime
    guests: tuple[GuestUsage, ...] = ()


@dataclass(frozen=True)
class _Found:
    stats: HostStats
    pools: list[PoolInfo] | None = None
    boot_id: str = ""


def look_at_host(
    hypervisor: Hypervisor,
    now: datetime,
    *,
    listener: Listener | None = None,
    guests_only: bool = False,
) -> HostLook:
    """Ask the host and write down whether it is up, its pools and how many guests run.

    Args:
        hypervisor: the host, just read.
        now: when it is asked.
        listener: to be told from now on of what changes on the host.
        guests_only: leave out what changes slowly, if the host is known to be up.
    """
    known = list(StoragePool.objects.filter(hypervisor=hypervisor))
    # A host that hangs must hold no connection to the database meanwhile.
    if not database.in_atomic_block:
        close_old_connections()
    is_quick = guests_only and hypervisor.state == HostState.UP
    try:
        with giving_up_after(SILENCE_S):
            found = _ask_twice(hypervisor, known, listener, is_quick=is_quick)
        if not is_quick and _is_inventory_due(hypervisor, now):
            with connected(hypervisor) as host:
                record_inventory(hypervisor, host.inventory(), now)
    except CloudError as error:
        return _note_down(hypervisor, error, now)
    for info in found.pools or []:
        _note_pool(known, info)
    return _note_up(hypervisor, found, known, now)


def _note_down(hypervisor: Hypervisor, error: CloudError, now: datetime) -> HostLook:
    reason = _reason(error)
    if hypervisor.state != HostState.DOWN:
        logger.warning("Hypervisor %s is down: %s", hypervisor.name, error.detail or reason)
        hypervisor.state_since = now
    _write_look(
        hypervisor,
        state=HostState.DOWN,
        state_reason=reason,
        state_since=hypervisor.state_since,
        looked_at=now,
    )
    return HostLook(hypervisor, False, reason, now)


def _note_up(
    hypervisor: Hypervisor, found: _Found, pools: list[StoragePool], now: datetime
) -> HostLook:
    if hypervisor.state != HostState.UP:
        logger.info("Hypervisor %s is up.", hypervisor.name)
        hypervisor.state_since = now
    _note_boot(hypervisor, found.boot_id, now)
    running = sum(guest.power_state == "running" for guest in found.stats.guests)
    # Events come in swarms: a look that saw nothing new writes nothing.
    if found.pools is not None or running != hypervisor.running_servers:
        _write_look(
            hypervisor,
            state=HostState.UP,
            state_reason="",
            state_since=hypervisor.state_since,
            looked_at=now,
            last_seen_at=now,
            running_servers=running,
            disk_gib=sum(pool.capacity for pool in pools if pool.is_default) // _GIB,
        )
    return HostLook(hypervisor, True, "", now, found.stats.guests)


def _note_boot(hypervisor: Hypervisor, boot_id: str, now: datetime) -> None:
    """A boot that was not seen before ended whatever ran on the host."""
    if not boot_id or boot_id == hypervisor.boot_id:
        return
    if hypervisor.boot_id:
        logger.warning("Hypervisor %s has booted.", hypervisor.name)
    _write(
        hypervisor, boot_id=boot_id, booted_at=now if hypervisor.boot_id else hypervisor.booted_at
    )


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
            "has_secure_boot": found.has_secure_boot,
            "tpms": list(found.tpms),
            "usable_cpu_models": {
                kind: list(models) for kind, models in found.usable_cpu_models.items()
            },
            "topology": {
                "sockets": found.sockets,
                "cores": found.cores,
                "threads": found.threads,
            },
            "cells": [cell.to_json() for cell in found.cells],
            "pci_devices": [device.to_json() for device in found.pci_devices],
        },
    )


def _ask_twice(
    hypervisor: Hypervisor, known: list[StoragePool], listener: Listener | None, *, is_quick: bool
) -> _Found:
    """Ask, and once more over a new connection when the old one was lost."""
    begun = time.monotonic()
    try:
        return _ask(hypervisor, known, listener, is_quick=is_quick)
    except HostUnreachable as error:
        if isinstance(error, HostKeyUnknown) or time.monotonic() - begun > QUICK_S:
            raise
        return _ask(hypervisor, known, listener, is_quick=is_quick)


def _ask(
    hypervisor: Hypervisor, known: list[StoragePool], listener: Listener | None, *, is_quick: bool
) -> _Found:
    with connected(hypervisor) as host:
        if listener is not None:
            host.listen(listener)
        stats = host.stats()
        if is_quick:
            return _Found(stats)
        names = {pool.name for pool in known}
        pools = [pool for pool in host.list_pools() if pool.is_active and pool.name in names]
        boot_id = host.boot_id()
    seen = {pool.name for pool in pools}
    missing = [pool.name for pool in known if pool.is_default and pool.name not in seen]
    if missing:
        # Every build there would fail.
        raise NotOnHost(f"The host's storage pool {missing[0]} is not active.")
    return _Found(stats, pools, boot_id)


def _is_inventory_due(hypervisor: Hypervisor, now: datetime) -> bool:
    known_at = hypervisor.inventory_at
    return known_at is None or now - known_at >= INVENTORY_EVERY


def _note_pool(known: list[StoragePool], info: PoolInfo) -> None:
    pool = next(pool for pool in known if pool.name == info.name)
    figures = pool_figures(info)
    if any(getattr(pool, name) != value for name, value in figures.items()):
        StoragePool.objects.filter(pk=pool.pk).update(**figures)
        for name, value in figures.items():
            setattr(pool, name, value)


def _write(hypervisor: Hypervisor, **fields: object) -> None:
    """Only these fields, so that a change made by an administrator meanwhile stays."""
    for name, value in fields.items():
        setattr(hypervisor, name, value)
    Hypervisor.objects.filter(pk=hypervisor.pk).update(**fields)


def _write_look(hypervisor: Hypervisor, *, looked_at: datetime, **fields: object) -> None:
    """Write unless somebody has looked since: a look may take long, and end after a later one."""
    for name, value in fields.items():
        setattr(hypervisor, name, value)
    latest = Q(looked_at=None) | Q(looked_at__lte=looked_at)
    Hypervisor.objects.filter(latest, pk=hypervisor.pk).update(looked_at=looked_at, **fields)


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
