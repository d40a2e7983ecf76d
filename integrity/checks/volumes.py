"""Has every server its disks, and is nobody else's volume in our pools?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from hypervisors.disks import BASE_PREFIX
from hypervisors.guests import DiskSpec
from hypervisors.pools import STORE_PREFIX
from hypervisors.survey import VERIFIED_SUFFIX
from hypervisors.volumes import named_volume
from integrity.facts import base_image_of, disks_of, server_of_volume
from integrity.found import Found
from integrity.states import FindingKind, Policy
from integrity.view import HostView
from servers.models import Server

_LOG = "_console.log"
_NAMED = 5
_REMAKES = {
    "config": ("volume.remake", "It is made again, without the password it was made with."),
    "swap": ("volume.remake", "An empty one is made."),
    "ephemeral": ("volume.remake", "An empty one is made; what was on it is lost."),
}


def check(view: HostView) -> Iterator[Found]:
    """Missing and stray volumes."""
    missing = list(_missing_disks(view))
    emptied = _emptied_pools(view, [disk for _, disk in missing])
    for server, disk in missing:
        if disk.role == "root":
            yield _lost_root(view, server, disk, is_pool_lost=disk.pool in emptied)
        else:
            yield _missing(view, server, disk)
    for pool, names in view.volumes.items():
        yield from _stray_ones(view, pool, names)
    yield from _lost_ones(view)


def _lost_ones(view: HostView) -> Iterator[Found]:
    """Volumes that outlive servers, and their snapshots: nobody can make their content again."""
    busy = view.facts.busy.servers
    for key, (pool, name) in sorted(view.facts.kept.here.items()):
        if key in busy or pool not in view.volumes or name in view.volumes[pool]:
            continue
        yield Found(
            kind=FindingKind.VOLUME_MISSING,
            about=f"{pool} {name}",
            subject=name,
            summary=f"The file {name} is gone from the pool {pool} of {view.hypervisor.name}.",
            policy=Policy.NEVER,
            hypervisor_id=view.hypervisor.pk,
        )


def _missing_disks(view: HostView) -> Iterator[tuple[Server, DiskSpec]]:
    for server in view.settled:
        pool = view.pool_of(server)
        if pool is not None:
            for disk in disks_of(server, view.facts.places(pool)):
                if disk.volume not in view.volumes.get(disk.pool, {disk.volume}):
                    yield server, disk


def _emptied_pools(view: HostView, missing: list[DiskSpec]) -> set[str]:
    """Pools that lost most root disks at once: a mount is gone rather than so many files."""
    lost = Counter(disk.pool for disk in missing if disk.role == "root")
    servers = Counter(view.pool_of(server) for server in view.settled)
    return {pool for pool, count in lost.items() if count > 1 and count * 2 > servers[pool]}


def _lost_root(view: HostView, server: Server, disk: DiskSpec, *, is_pool_lost: bool) -> Found:
    where = f"the pool {disk.pool} of {view.hypervisor.name}"
    most = f", with most others: see whether {where} is mounted" if is_pool_lost else ""
    return Found(
        summary=f"The root disk of server {server.name} is gone from {where}{most}.",
        repair="It cannot be made again: the server goes to ERROR with this reason.",
        policy=Policy.ON_REQUEST if is_pool_lost else Policy.AUTOMATIC,
        action="server.fail",
        args={"reason": f"The server's root disk is gone from {view.hypervisor.name}."},
        is_doubtful=True,
        **_common(view, server, disk),
    )


def _common(view: HostView, server: Server, disk: DiskSpec) -> dict[str, Any]:
    return {
        "kind": FindingKind.VOLUME_MISSING,
        "about": f"{disk.pool} {disk.volume}",
        "subject": server.name,
        "server_id": server.pk,
        "hypervisor_id": view.hypervisor.pk,
    }


def _missing(view: HostView, server: Server, disk: DiskSpec) -> Found:
    action, repair = _REMAKES[disk.role]
    return Found(
        summary=f"The {disk.role} disk of server {server.name} is gone from the pool {disk.pool} "
        f"of {view.hypervisor.name}.",
        repair=repair,
        policy=Policy.ON_REQUEST if disk.role == "ephemeral" else Policy.AUTOMATIC,
        action=action,
        args={"pool": disk.pool, "volume": disk.volume},
        **_common(view, server, disk),
    )


def _stray_ones(view: HostView, pool: str, names: set[str]) -> Iterator[Found]:
    foreign = []
    for name in sorted(names):
        server_id = server_of_volume(name)
        if server_id is not None:
            yield from _of_server(view, pool, name, server_id)
        elif (kept := named_volume(name)) is not None:
            yield from _of_kept(view, pool, name, kept)
        elif base_image_of(name) is None and not name.startswith((BASE_PREFIX, STORE_PREFIX)):
            foreign.append(name)
    if foreign:
        yield _foreign(view, pool, foreign)


def _of_kept(view: HostView, pool: str, name: str, key: UUID) -> Iterator[Found]:
    """What may be somebody's data goes on request only."""
    if key in view.facts.kept.may_be_here or key in view.facts.busy.servers:
        return
    known = key in view.facts.kept.known
    reason = "it is on another host" if known else "the database does not know a volume of this id"
    yield Found(
        kind=FindingKind.VOLUME_STRAY,
        about=f"{pool} {name}",
        subject=name,
        summary=f"The volume {name} in the pool {pool} of {view.hypervisor.name} belongs to "
        f"nobody: {reason}.",
        repair="The volume is deleted.",
        policy=Policy.ON_REQUEST,
        action="volume.delete",
        args={"pool": pool, "volume": name},
        hypervisor_id=view.hypervisor.pk,
        is_doubtful=True,
    )


def _of_server(view: HostView, pool: str, name: str, server_id: UUID) -> Iterator[Found]:
    server = view.facts.servers.get(server_id)
    if server is not None:
        kept = {disk.volume for disk in disks_of(server, view.facts.places(pool))}
        if name.removesuffix(VERIFIED_SUFFIX) in kept or _LOG in name or server not in view.settled:
            return
        reason = f"server {server.name} has no such disk"
        yield _stray(view, pool, name, server_id, reason, Policy.ON_REQUEST)
        return
    if server_id in view.domains and server_id not in view.facts.elsewhere:
        return  # the domain of an unknown server is a matter of its own
    gone = view.facts.elsewhere.get(server_id)
    if gone is None:
        reason = "the database does not know a server of this id"
        yield _stray(view, pool, name, server_id, reason, Policy.ON_REQUEST)
    elif gone.deleted_at is not None:
        yield _stray(view, pool, name, server_id, f"server {gone.name} was deleted")
    elif view.facts.is_shared(pool):
        return  # where it is, the same file is looked for
    elif view.hypervisor.pk not in view.facts.allocated.get(server_id, frozenset()):
        never = gone.hypervisor_id is None and gone.launched_at is None
        reason = f"server {gone.name} is not on this host"
        policy = Policy.AUTOMATIC if never else Policy.ON_REQUEST
        yield _stray(view, pool, name, server_id, reason, policy)


def _stray(
    view: HostView,
    pool: str,
    name: str,
    server_id: UUID,
    reason: str,
    policy: Policy = Policy.AUTOMATIC,
) -> Found:
    return Found(
        kind=FindingKind.VOLUME_STRAY,
        about=f"{pool} {name}",
        subject=name,
        summary=f"The volume {name} in the pool {pool} of {view.hypervisor.name} belongs to "
        f"nobody: {reason}.",
        repair="The volume is deleted.",
        policy=policy,
        action="volume.delete",
        args={"pool": pool, "volume": name},
        server_id=server_id,
        hypervisor_id=view.hypervisor.pk,
        is_doubtful=policy == Policy.ON_REQUEST,
    )


def _foreign(view: HostView, pool: str, names: list[str]) -> Found:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return Found(
        kind=FindingKind.VOLUME_FOREIGN,
        about=pool,
        subject=pool,
        summary=f"The pool {pool} of {view.hypervisor.name} has volumes that this portal did not "
        f"make: {', '.join(names[:_NAMED])}{more}.",
        policy=Policy.NEVER,
        hypervisor_id=view.hypervisor.pk,
    )
