"""Move a running guest from one host to another, with the disks that only its own host has.

Where the guest is, whatever broke off, `hypervisors.settle` finds out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from uuid import UUID

from django.db.models import Q

from hypervisors.connections import connected
from hypervisors.errors import (
    GuestNotFound,
    HostCannot,
    HostRefused,
    MoveRefused,
    NotOnHost,
)
from hypervisors.guests import read_console
from hypervisors.host import Host
from hypervisors.libvirt.migrate import DiskSeen, MovableGuest, MoveProgress, MoveRequest
from hypervisors.libvirt.post_copy import LACKS_PAGE_FAULTS, UNSUPPORTED
from hypervisors.libvirt.spec import VolumeInfo
from hypervisors.libvirt.storage import VolumeFormat
from hypervisors.models import Hypervisor
from hypervisors.pools import is_one_store, log_pool_of
from hypervisors.under_way import carry_out
from hypervisors.uris import ssh_address

__all__ = [
    "Move", "MoveProgress", "bring_console", "check_move", "hosts_unfit", "move_guest", "obstacle",
    "resume_move",
]  # fmt: skip

CONSOLE_BYTES = 1024 * 1024
_GIB = 1024**3


@dataclass(frozen=True)
class Move:
    """A guest, where it is and where it goes: the host, and the pool there.

    One that is halted on purpose arrives so. `may_post_copy`: it may be let run there before all
    of its memory is.
    """

    server_id: UUID
    source: Hypervisor
    destination: Hypervisor
    pool: str
    is_paused: bool = False
    may_post_copy: bool = False

    @property
    def is_shared(self) -> bool:
        """Whether both hosts have the same files in that pool, so that they need no copy."""
        return is_one_store(self.source, self.destination, self.pool)


def obstacle(source: Hypervisor, destination: Hypervisor) -> str:
    """What, as far as the database knows, keeps running guests from moving so; "": nothing."""
    if source.pk == destination.pk:
        return f"the server is on {source.name} already"
    if source.arch != destination.arch:
        return f"{destination.name} is of another architecture ({destination.arch})"
    if source.domain_type != destination.domain_type:
        return (
            f"{destination.name} runs guests by {destination.domain_type}, "
            f"{source.name} by {source.domain_type}"
        )
    if destination.qemu_version < source.qemu_version:
        return f"the QEMU version of {destination.name} is older than that of {source.name}"
    if destination.libvirt_version < source.libvirt_version:
        return f"the libvirt version of {destination.name} is older than that of {source.name}"
    return ""


def hosts_unfit(source: Hypervisor) -> list[str]:
    """The names of the hosts that `obstacle` refuses, in one query."""
    fit = Q(
        arch=source.arch,
        domain_type=source.domain_type,
        qemu_version__gte=source.qemu_version,
        libvirt_version__gte=source.libvirt_version,
    )
    return list(Hypervisor.objects.filter(~fit).values_list("name", flat=True))


def check_move(move: Move, *, may_overcommit: bool = True) -> None:
    """See on both hosts whether the guest can move; nothing is changed.

    With `may_overcommit` it counts what its disks take, else what they may grow to.

    Raises:
        MoveRefused: it cannot, for a reason that is named.
        GuestNotFound: the source does not have it.
        WrongGuestState: it does not run.
    """
    reason = obstacle(move.source, move.destination)
    if reason:
        raise MoveRefused(f"Migration pre-check error: {reason}.")
    guest = _movable(move)
    _check_hardware(move, guest)
    volumes = _volumes_of(move, guest)
    shared = _shared_disks(move, guest)
    with connected(move.destination) as there:
        lacking = there.cpu_obstacle(guest)
        if lacking:
            raise _refused(move, f"has a CPU that lacks what the guest's CPU has: {lacking}")
        lacking = there.post_copy_obstacle() if move.may_post_copy else ""
        if lacking:
            raise _refused(move, lacking)
        if shared:
            there.look_anew(move.pool)
        pool = there.pool_info(move.pool)
        seen = {volume.name for volume in there.list_volumes(move.pool, f"{move.server_id}-")}
    if pool.type == "logical":
        raise _refused(move, f"has block devices in its pool {move.pool}, which take no files")
    missing = sorted(disk.volume for disk in shared if disk.volume not in seen)
    if missing:
        raise _refused(move, f"does not see the volume {missing[0]} of the pool {move.pool}")
    taken = sum(volume.allocation_bytes for volume in volumes.values())
    most = sum(disk.capacity_bytes for disk in guest.disks if disk.target in volumes)
    needed = taken if may_overcommit else most
    if pool.available_bytes < needed:
        raise _refused(
            move, f"has {pool.available_bytes} bytes free in its pool; the disks take {needed}"
        )


def _check_hardware(move: Move, guest: MovableGuest) -> None:
    """What the destination is known to have, without asking it."""
    known = move.destination.capabilities
    machines = known.get("machines", {})
    if guest.machine not in machines and guest.machine not in machines.values():
        raise _refused(move, f"has no machine type {guest.machine}")
    if guest.has_secure_boot and not known.get("has_secure_boot"):
        raise _refused(move, "has no firmware with secure boot")
    if guest.tpm and guest.tpm not in known.get("tpms", []):
        raise _refused(move, f"emulates no TPM {guest.tpm}")


def _refused(move: Move, reason: str) -> MoveRefused:
    return MoveRefused(f"Migration pre-check error: {move.destination.name} {reason}.")


def _movable(move: Move) -> MovableGuest:
    try:
        with connected(move.source) as here:
            return here.movable_guest(move.server_id)
    except NotOnHost as error:
        raise GuestNotFound("The host does not have the guest.", detail=error.detail) from error


def _shared_disks(move: Move, guest: MovableGuest) -> list[DiskSeen]:
    """The server's own disks that the destination has already."""
    if not move.is_shared:
        return []
    return [disk for disk in guest.disks if disk.pool == move.pool and _is_own(move, disk.volume)]


def _volumes_of(move: Move, guest: MovableGuest) -> dict[str, VolumeInfo]:
    """The server's own volumes behind its disks, by target; without those that both hosts have.

    Raises:
        MoveRefused: a disk is of something else, which stays on the host.
    """
    volumes = {}
    shared = _shared_disks(move, guest)
    with connected(move.source) as here:
        for disk in guest.disks:
            if disk in shared or not (disk.volume or disk.path):
                continue
            name = disk.volume or PurePosixPath(disk.path).name
            found = _volume(here, move, name) if _is_own(move, name) else None
            if found is None:
                raise MoveRefused(
                    f"Migration pre-check error: the disk {disk.target} is on {move.source.name} "
                    "only, and not one of the server's own."
                )
            volumes[disk.target] = found
    if volumes and move.is_shared:
        # What is made there would take the place of what the guest is using.
        raise MoveRefused(
            f"Migration pre-check error: the disk {min(volumes)} is not known as one of the pool "
            f"{move.pool}, which both hosts have."
        )
    return volumes


def _is_own(move: Move, volume: str) -> bool:
    return volume.startswith(f"{move.server_id}-")


def _volume(here: Host, move: Move, name: str) -> VolumeInfo | None:
    for pool in move.source.pools.all():
        for volume in here.list_volumes(pool.name, name):
            if volume.name == name:
                return volume
    return None


def move_guest(move: Move, watch: Callable[[MoveProgress | None], None]) -> None:
    """Move the guest; done before, it is done.

    `watch` is told every second how far it is, and may raise to end the migration: the guest then
    stays where it is. What an earlier try left on the destination is made anew. Whatever comes of
    it, `settle` tells where the guest is.

    Raises:
        MoveRefused: a disk of it cannot move.
        HostCannot: the destination has no address.
        CloudError: the migration failed.
    """
    guest = _movable(move)
    volumes = _volumes_of(move, guest)
    request = _prepare(move, guest, volumes)
    try:
        carry_out(
            move, watch, lambda here, there: here.migrate_guest(move.server_id, there, request)
        )
    except HostRefused as error:
        if UNSUPPORTED in error.detail:
            raise _refused(move, LACKS_PAGE_FAULTS) from error
        raise


def resume_move(move: Move, watch: Callable[[MoveProgress | None], None]) -> None:
    """Mend the stream of a guest that was switched, and come back when all of it has arrived.

    `watch` is told every second how far it is; it cannot end this.

    Raises:
        HostBusy: there is nothing to mend: memory is being sent.
        HostUnreachable: a host does not answer.
        CloudError: it broke again.
    """
    request = MoveRequest(address=_address(move.destination))
    carry_out(
        move, watch, lambda here, there: here.resume_post_copy(move.server_id, there, request)
    )


def _prepare(move: Move, guest: MovableGuest, volumes: dict[str, VolumeInfo]) -> MoveRequest:
    pool = move.pool
    disks = [disk for disk in guest.disks if disk.target in volumes]
    with connected(move.source) as here, connected(move.destination) as there:
        if move.is_shared:
            there.look_anew(pool)
        bases = {each.name for each in there.list_volumes(pool, "base-")}
        lacks = any(_base_of(volumes[disk.target]) not in {"", *bases} for disk in disks)
        for disk in disks:
            volume = volumes[disk.target]
            # A half copy of an earlier try is not written over where the guest has discarded since.
            there.delete_volume(pool, volume.name)
            if disk.is_readonly:
                content = here.get_content(_pool_on_source(move, disk), volume.name)
                there.put_content(pool, volume.name, content)
            else:
                _make_empty(there, pool, disk, volume, is_whole=lacks)
        paths = {each.name: each.path for each in there.list_volumes(pool, f"{move.server_id}-")}
        log = there.prepare_console_log(log_pool_of(move.destination, pool), move.server_id)
    return MoveRequest(
        address=_address(move.destination),
        pool=pool,
        paths={disk.target: paths[volumes[disk.target].name] for disk in disks},
        console_log_path=log,
        copied=tuple(disk.target for disk in disks if not disk.is_readonly),
        copy_mode="all" if lacks else "top",
        is_shared=move.is_shared,
        may_post_copy=move.may_post_copy,
    )


def _pool_on_source(move: Move, disk: DiskSeen) -> str:
    """A disk that has come by a migration itself is known by its file."""
    if disk.pool:
        return disk.pool
    folder = str(PurePosixPath(disk.path).parent)
    return next((pool.name for pool in move.source.pools.filter(target_path=folder)), move.pool)


def _base_of(volume: VolumeInfo) -> str:
    return PurePosixPath(volume.backing_path).name if volume.backing_path else ""


def _make_empty(
    there: Host, pool: str, disk: DiskSeen, volume: VolumeInfo, *, is_whole: bool
) -> None:
    base = _base_of(volume)
    if base and not is_whole:
        whole_gib, rest = divmod(disk.capacity_bytes, _GIB)
        # Of 0 GiB it is as large as its image.
        there.create_overlay(pool, volume.name, base, 0 if rest else whole_gib)
    else:
        kind: VolumeFormat = "qcow2" if disk.format == "qcow2" else "raw"
        there.create_blank(pool, volume.name, disk.capacity_bytes, kind)


def _address(hypervisor: Hypervisor) -> str:
    """Where the host is reached by others: as by the portal, or by its own name."""
    found = ssh_address(hypervisor.uri)
    address = hypervisor.hostname if found is None else found.host
    if not address:
        raise HostCannot("The destination has no address.", detail=hypervisor.name)
    return address


def bring_console(move: Move) -> None:
    """Put what the guest said on the source before what it says on the destination.

    There it is in the place of the log that virtlogd puts away when it begins a new one.
    """
    log = read_console(move.source, move.server_id, max_bytes=CONSOLE_BYTES)
    with connected(move.destination) as there:
        put_away = f"{move.server_id}_console.log.0"
        pool = log_pool_of(move.destination, move.pool)
        found = there.list_volumes(pool, put_away)
        if log and not any(volume.capacity_bytes for volume in found):
            there.put_content(pool, put_away, log.encode())
