"""The storage pools of a host: which one the portal makes, and which one a server's disks go to."""

from __future__ import annotations

from hypervisors.errors import NotOnHost
from hypervisors.libvirt.spec import PoolInfo
from hypervisors.libvirt.storage import DirPoolSpec
from hypervisors.models import Hypervisor, StoragePool

POOL = DirPoolSpec(name="cloudportal", path="/var/lib/libvirt/images/cloudportal")


def default_pool(hypervisor: Hypervisor) -> StoragePool:
    """The pool for servers that ask for none.

    Raises:
        NotOnHost: none has been found on the host yet.
    """
    pool = StoragePool.objects.filter(hypervisor=hypervisor, is_default=True).first()
    if pool is None:
        raise NotOnHost("The host has no default storage pool.", detail=hypervisor.name)
    return pool


def pool_for(hypervisor: Hypervisor, name: str = "") -> StoragePool:
    """The pool of that name for a server's disks; without a name the default one.

    Raises:
        NotOnHost: it has not been found on the host.
    """
    if not name:
        return default_pool(hypervisor)
    pool = StoragePool.objects.filter(hypervisor=hypervisor, name=name).first()
    if pool is None:
        raise NotOnHost(f"The host has no storage pool {name}.", detail=hypervisor.name)
    return pool


def pool_like(hypervisor: Hypervisor, name: str) -> StoragePool:
    """Where the disks of a server go that moves to this host from a pool of that name.

    Raises:
        NotOnHost: the host has neither such a pool nor a default one.
    """
    pool = StoragePool.objects.filter(hypervisor=hypervisor, name=name).first()
    return pool or default_pool(hypervisor)


def record_pool(hypervisor: Hypervisor, info: PoolInfo) -> StoragePool:
    """Write down what the host says of a pool; the first one becomes the default."""
    is_first = not StoragePool.objects.filter(hypervisor=hypervisor, is_default=True).exists()
    found = pool_figures(info)
    pool, _ = StoragePool.objects.update_or_create(
        hypervisor=hypervisor,
        name=info.name,
        defaults=found,
        create_defaults={**found, "is_default": is_first},
    )
    return pool


def pool_figures(info: PoolInfo) -> dict[str, str | int]:
    """What a host says of a pool, as the fields of its row."""
    return {
        "type": info.type,
        "target_path": info.path or "",
        "capacity": info.capacity_bytes,
        "allocation": info.allocation_bytes,
        "available": info.available_bytes,
    }
