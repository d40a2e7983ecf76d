"""Domains on a host that the portal did not make: shown, marked as servers, and let go again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from uuid import UUID

from hypervisors.connections import connected, hurried
from hypervisors.errors import GuestNotFound, NotOnHost
from hypervisors.libvirt.adopt import DomainCard, DomainDisk, DomainFacts, Unmarked
from hypervisors.models import Hypervisor, StoragePool

__all__ = [
    "DomainCard", "DomainDisk", "DomainFacts", "Unmarked",
    "disk_gib", "disk_gib_in_pool", "domain_facts", "foreign_domains", "unmark_guest",
]  # fmt: skip

_GIB = 1024**3


def foreign_domains(hypervisor: Hypervisor) -> list[DomainFacts]:
    """The domains that carry no element of the portal's, by name; asks the host.

    Raises:
        HostUnreachable: the host does not answer soon.
    """
    with hurried(), connected(hypervisor) as host:
        return host.foreign_domains()


def domain_facts(hypervisor: Hypervisor, uuid: UUID) -> DomainFacts:
    """One domain, whosever it is; asks the host.

    Raises:
        GuestNotFound: the host does not have it.
        HostUnreachable: the host does not answer soon.
    """
    try:
        with hurried(), connected(hypervisor) as host:
            return host.domain_facts(uuid)
    except NotOnHost as error:
        raise GuestNotFound(
            f"The host {hypervisor.name} has no domain {uuid}.", detail=error.detail
        ) from error


def unmark_guest(hypervisor: Hypervisor, uuid: UUID, definition: str) -> Unmarked:
    """Take the portal's element off a domain; whether it is kept as defined here again.

    A domain that is gone is fine, and so is one that carries none; with an empty definition it is
    compared with nothing.

    Raises:
        HostUnreachable: the host does not answer.
    """
    with connected(hypervisor) as host:
        return host.unmark(uuid, definition)


def disk_gib(domain: DomainFacts) -> int:
    """What all its disks hold, rounded up."""
    return _gib(domain.disks)


def disk_gib_in_pool(hypervisor: Hypervisor, domain: DomainFacts) -> int:
    """What its disks hold of the host's default pool: others lie where nothing is counted."""
    pool = StoragePool.objects.filter(hypervisor=hypervisor, is_default=True).first()
    if pool is None:
        return 0
    begins = [f"{pool.name}/"] + ([f"{pool.target_path}/"] if pool.target_path else [])
    return _gib([disk for disk in domain.disks if disk.source.startswith(tuple(begins))])


def _gib(disks: Sequence[DomainDisk]) -> int:
    return math.ceil(sum(disk.size_bytes or 0 for disk in disks) / _GIB)
