"""The disks of a server that is being rescued: one to boot from beside its own.

Their names derive from the server's id and begin with it, so that whoever deletes the server's
disks deletes them too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

from hypervisors.connections import connected
from hypervisors.libvirt.spec import DiskSpec
from hypervisors.models import Hypervisor, StoragePool

ROLES = ("rescue", "rescuer")


@dataclass(frozen=True)
class RescuePlan:
    """What a server is rescued with.

    With a `device` (or a bus) the rescue disk comes behind all of the server's own, which keep
    their names; without, it comes first and only the root disk second, as the field does it.
    """

    base_volume: str
    device: Literal["", "disk", "cdrom"] = ""
    bus: str = ""
    config_drive: bytes | None = None

    @property
    def is_beside(self) -> bool:
        """Whether the server keeps its disks as they are."""
        return bool(self.device or self.bus)


def rescue_disk_names(server_id: UUID) -> tuple[str, str]:
    """The disk that is booted from, and the config drive for it."""
    return f"{server_id}-rescue", f"{server_id}-rescue-config"


def rescue_disks(
    pool: str, server_id: UUID, own: Sequence[DiskSpec], plan: RescuePlan
) -> tuple[DiskSpec, ...]:
    """The disks of the guest while it is rescued."""
    disk, drive = rescue_disk_names(server_id)
    kept = [
        replace(each, boot_order=None)
        for each in own
        if each.role != "config" and (plan.is_beside or each.boot_order == 1)
    ]
    rescuer = DiskSpec(
        pool,
        disk,
        "rescuer" if plan.is_beside else "rescue",
        device=plan.device or "disk",
        bus=plan.bus or None,
        boot_order=1,
    )
    found = [*kept, rescuer]
    if plan.config_drive is not None:
        found.append(DiskSpec(pool, drive, "config", device="cdrom", format="raw"))
    return tuple(found)


def create_rescue_disks(
    hypervisor: Hypervisor, pool: str, server_id: UUID, plan: RescuePlan
) -> None:
    """Make what is not there yet of them.

    Raises:
        NotOnHost: the pool or the base volume is not there.
        PoolFull: they do not fit.
    """
    disk, drive = rescue_disk_names(server_id)
    with connected(hypervisor) as host:
        host.create_overlay(pool, disk, plan.base_volume, 0)
        if plan.config_drive is not None:
            host.put_content(pool, drive, plan.config_drive)


def delete_rescue_disks(hypervisor: Hypervisor, server_id: UUID) -> None:
    """Delete them, in whichever pool. Absent is fine."""
    with connected(hypervisor) as host:
        for pool in StoragePool.objects.filter(hypervisor=hypervisor):
            for volume in rescue_disk_names(server_id):
                host.delete_volume(pool.name, volume)
