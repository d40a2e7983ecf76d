"""The storage pools of a host: which one the portal makes, and which one a server's disks go to.

Pools of one name that are one store on several hosts are shared: what one host puts there is there
for all of them. So nobody who takes a server off one host may delete what another one uses.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Exists, OuterRef, QuerySet

from hypervisors.connections import connected
from hypervisors.errors import NotOnHost
from hypervisors.libvirt.pools import STORE_PREFIX, DirPoolSpec
from hypervisors.libvirt.spec import PoolInfo
from hypervisors.models import CachedImage, Hypervisor, StoragePool

__all__ = [
    "DIRECTORIES", "POOL", "STORE_PREFIX", "Places", "block_pools", "default_pool",
    "hand_on_images", "is_one_store", "keeps_logs", "log_pool", "log_pool_of", "look_anew",
    "main_pool", "places_of", "pool_figures", "pool_for", "pool_like", "record_pool",
    "shared_pools", "shared_stores",
]  # fmt: skip

POOL = DirPoolSpec(name="cloudportal", path="/var/lib/libvirt/images/cloudportal")
# Their files are the host's own, unless their store is known to be other hosts' too.
DIRECTORIES = ("dir", "fs")


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


def shared_pools(hypervisor: Hypervisor) -> QuerySet[StoragePool]:
    """The host's pools whose files other hosts have, too."""
    others = StoragePool.objects.filter(store=OuterRef("store")).exclude(pk=OuterRef("pk"))
    return StoragePool.objects.filter(Exists(others), hypervisor=hypervisor).exclude(store="")


def shared_stores(hypervisor: Hypervisor, other: Hypervisor | None = None) -> frozenset[str]:
    """The host's stores that others have, too, or that this one has."""
    rows = StoragePool.objects.exclude(hypervisor=hypervisor).exclude(store="")
    if other is not None:
        rows = rows.filter(hypervisor=other)
    own = StoragePool.objects.filter(hypervisor=hypervisor, store__in=rows.values("store"))
    return frozenset(own.values_list("store", flat=True))


def is_one_store(source: Hypervisor, destination: Hypervisor, name: str) -> bool:
    """Whether the pool of that name has the same files on both hosts."""
    rows = StoragePool.objects.filter(hypervisor__in=[source, destination], name=name)
    stores = list(rows.exclude(store="").values_list("store", flat=True))
    return source.pk != destination.pk and len(stores) > 1 and len(set(stores)) == 1


def main_pool(pool: StoragePool) -> StoragePool:
    """Of the pools that are one store the one that its images are recorded with."""
    if not pool.store:
        return pool
    return StoragePool.objects.filter(store=pool.store).order_by("pk").first() or pool


@dataclass(frozen=True)
class Places:
    """Where a server's disks go, by pools' names: root and ephemeral disks, and what is a file.

    `is_block`: the first are block devices, without a format of their own.
    """

    disks: str
    files: str
    is_block: bool = False


def places_of(pool: StoragePool) -> Places:
    """Where the disks go of servers that are to have them in this pool.

    Raises:
        NotOnHost: its volumes are no files, and the host has no default pool for those.
    """
    if pool.type != "logical":
        return Places(pool.name, pool.name)
    return Places(pool.name, default_pool(pool.hypervisor).name, is_block=True)


def block_pools(hypervisor: Hypervisor) -> frozenset[str]:
    """The names of the host's pools whose volumes are block devices, which stay on it."""
    rows = StoragePool.objects.filter(hypervisor=hypervisor, type="logical")
    return frozenset(rows.values_list("name", flat=True))


def keeps_logs(pool: StoragePool) -> bool:
    """Whether serial logs lie beside the disks: they are files of the host's own."""
    return pool.type in DIRECTORIES and not pool.store


def log_pool(pool: StoragePool) -> str:
    """The name of the pool for the serial logs of servers that have their disks in this one.

    virtlogd writes a file of the host's own; and who takes a server off one host must not take the
    log that another one writes.
    """
    if keeps_logs(pool):
        return str(pool.name)
    return str(default_pool(pool.hypervisor).name)


def log_pool_of(hypervisor: Hypervisor, name: str) -> str:
    """The same by the name of the pool with the disks."""
    rows = StoragePool.objects.select_related("hypervisor").filter(hypervisor=hypervisor, name=name)
    pool = rows.first()
    return name if pool is None else log_pool(pool)


def look_anew(pool: StoragePool) -> None:
    """Let the host see what others have put into the pool; of its own it knows everything."""
    if pool.store:
        with connected(pool.hypervisor) as host:
            host.look_anew(pool.name)


def hand_on_images(hypervisor: Hypervisor) -> None:
    """Before a host is forgotten: images in shared pools are recorded with another host's."""
    for pool in shared_pools(hypervisor):
        heir = StoragePool.objects.filter(store=pool.store).exclude(pk=pool.pk).order_by("pk")
        kept = CachedImage.objects.filter(pool=heir[0]).values("volume")
        CachedImage.objects.filter(pool=pool).exclude(volume__in=kept).update(pool=heir[0])


def record_pool(hypervisor: Hypervisor, info: PoolInfo, store: str = "") -> StoragePool:
    """Write down what the host says of a pool; the first one becomes the default."""
    is_first = not StoragePool.objects.filter(hypervisor=hypervisor, is_default=True).exists()
    found = pool_figures(info)
    if store:
        found["store"] = store
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
        "source": info.source,
        "target_path": info.path or "",
        "capacity": info.capacity_bytes,
        "allocation": info.allocation_bytes,
        "available": info.available_bytes,
    }
