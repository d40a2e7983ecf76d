"""Make a storage pool of a host known, or have libvirt make it there first."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from hypervisors.connections import connected
from hypervisors.errors import InvalidPool
from hypervisors.libvirt.pools import (
    TYPES,
    DirPoolSpec,
    LogicalPoolSpec,
    NetworkPoolSpec,
    PoolSpec,
)
from hypervisors.libvirt.spec import PoolInfo
from hypervisors.models import Hypervisor, StoragePool
from hypervisors.pools import record_pool

# The types that the portal makes; others are taken as libvirt has them.
MADE = ("dir", "netfs", "logical")
# Where file servers' exports are mounted, the same on all hosts: overlays name what they lie over.
MOUNTS = PurePosixPath("/var/lib/libvirt/cloudportal-pools")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_EXPORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9.-]{0,252}):(/[^\s]{0,255})")
_GROUP = re.compile(r"[A-Za-z0-9+_][A-Za-z0-9+_.-]{0,126}")
_PATH = re.compile(r"(/[A-Za-z0-9][A-Za-z0-9 ._+:@=-]*)+")
_PATH_LENGTH = 512


@dataclass(frozen=True)
class NewPool:
    """A pool as an administrator asks for it; without `type` and `path` libvirt has it already.

    `source` is SERVER:/EXPORT for netfs, and a volume group for logical.
    """

    name: str
    type: str = ""
    path: str = ""
    source: str = ""


def add_pool(*, hypervisor: Hypervisor, wanted: NewPool) -> StoragePool:
    """Let servers ask for a storage pool of the host by name. Again is fine.

    Raises:
        InvalidPool: what is asked for is malformed, or of a type that is not used here.
        NotOnHost: it is not to be made, and the host has no such pool.
        TakenOnHost: a pool of that name is made of something else.
        HostRefused: libvirt cannot make or start it.
        HostUnreachable: the host does not answer.
    """
    spec = _spec(wanted)
    with connected(hypervisor) as host:
        if spec is None:
            _check_type(host.pool_info(wanted.name))
            info = host.start_pool(wanted.name)
        else:
            info = host.ensure_pool(spec)
        # A volume group is one host's: LVM by itself keeps no two from writing to one.
        store = "" if info.type == "logical" else host.store_of(info.name)
    _check_store(hypervisor, info, store)
    return record_pool(hypervisor, info, store)


def _spec(wanted: NewPool) -> PoolSpec | None:
    """What is to be made; None: nothing.

    Raises:
        InvalidPool: it cannot be.
    """
    if not _NAME.fullmatch(wanted.name):
        raise InvalidPool("A pool's name is letters, digits, '.', '_' and '-', 64 at most.")
    kind = wanted.type or ("dir" if wanted.path else "")
    if not kind:
        if wanted.source:
            raise InvalidPool(f"A source needs a type: {', '.join(MADE)}.")
        return None
    if kind not in MADE:
        raise InvalidPool(f"Pools of type {kind} are not made here, but {', '.join(MADE)}.")
    if wanted.path and not _is_path(wanted.path):
        raise InvalidPool(f"{wanted.path} is no absolute path of a folder.")
    if kind == "netfs":
        return _network_pool(wanted)
    return _logical_pool(wanted) if kind == "logical" else _dir_pool(wanted)


def _is_path(text: str) -> bool:
    return len(text) <= _PATH_LENGTH and _PATH.fullmatch(text) is not None


def _dir_pool(wanted: NewPool) -> DirPoolSpec:
    if not wanted.path or wanted.source:
        raise InvalidPool("A pool of type dir has a path, and no source.")
    return DirPoolSpec(wanted.name, wanted.path)


def _network_pool(wanted: NewPool) -> NetworkPoolSpec:
    match = _EXPORT.fullmatch(wanted.source)
    if match is None:
        raise InvalidPool("The source of a pool of type netfs is SERVER:/EXPORT.")
    export = match[2].rstrip("/") or "/"
    path = wanted.path or str(MOUNTS / wanted.name)
    return NetworkPoolSpec(wanted.name, path, match[1].strip("[]"), export)


def _logical_pool(wanted: NewPool) -> LogicalPoolSpec:
    if wanted.path or not _GROUP.fullmatch(wanted.source):
        raise InvalidPool("A pool of type logical has a volume group as its source, and no path.")
    return LogicalPoolSpec(wanted.name, wanted.source)


def _check_type(found: PoolInfo) -> None:
    if found.type not in TYPES:
        raise InvalidPool(
            f"The pool {found.name} is of type {found.type}; servers' disks go to pools of type "
            f"{', '.join(TYPES)}."
        )


def _check_store(hypervisor: Hypervisor, info: PoolInfo, store: str) -> None:
    """See that what is one store is one pool by its name and its place, everywhere."""
    if not store:
        return
    others = StoragePool.objects.filter(store=store).select_related("hypervisor")
    for other in others.exclude(hypervisor=hypervisor, name=info.name):
        where = f"{other.name} of {other.hypervisor.name}"
        if other.hypervisor_id == hypervisor.pk:
            raise InvalidPool(f"It has the same files as the pool {where}.")
        if other.is_default:
            raise InvalidPool(
                f"It has the same files as {where}, which is the default pool there: a default "
                "pool is one host's own."
            )
        if (other.name, other.target_path) != (info.name, info.path or ""):
            raise InvalidPool(
                f"It has the same files as the pool {where}, at {other.target_path}: one store has "
                "one name and one path on all hosts."
            )
    if (
        StoragePool.objects.filter(hypervisor=hypervisor, name=info.name, is_default=True).exists()
        and others.exclude(hypervisor=hypervisor).exists()
    ):
        raise InvalidPool("Other hosts have the same files: a default pool is one host's own.")
