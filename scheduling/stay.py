"""A server that changes its size on its own host: what it holds there, before, meanwhile and after.

There is one allocation of a server on a host, so meanwhile it is the larger of both sizes, with
the disks of both, since those from before are kept beside for the way back.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import transaction

from hypervisors.capacity import claim, take, unclaim
from hypervisors.models import Hypervisor
from scheduling.cells import fit_cells, lock_cells, placement_for
from scheduling.choose import choose_hosts
from scheduling.devices import fit_devices, has_devices_for, hold_devices, keep_devices
from scheduling.errors import NoValidHost
from scheduling.groups import with_group
from scheduling.models import Allocation, Decision
from scheduling.network_needs import with_networks
from scheduling.place import hold_server
from scheduling.request_spec import RequestSpec


def stay_on_host(
    *,
    server_id: UUID,
    hypervisor: Hypervisor,
    spec: RequestSpec,
    operation_id: UUID,
    request_id: str,
    now: datetime,
) -> None:
    """Let a server hold on its own host what both its sizes take; the caller's transaction.

    It is not asked twice: the caller notes the choice in the same transaction.

    Raises:
        NoValidHost: the host may not have it so, or has no room.
    """
    held = _locked(server_id, hypervisor.pk)
    if held is None:
        raise NoValidHost("The server holds nothing of its own host.")
    asked = replace(
        spec,
        vcpus=max(0, spec.vcpus - held.vcpus),
        ram_mib=max(0, spec.ram_mib - held.ram_mib),
        host="",
        wanted_host=hypervisor.name,
        # Nodes that are asked for again stay where they are.
        numa={} if placement_for(held, spec) else spec.numa,
        # So do devices.
        pci="" if has_devices_for(held, spec.pci) else spec.pci,
    )
    more = {"vcpus": asked.vcpus, "ram_mib": asked.ram_mib, "disk_gib": asked.disk_gib}
    asked = with_networks(with_group(asked, server_id, lock=True), server_id)
    choice = choose_hosts(asked, without=[])
    if not choice.candidates or not claim(hypervisor.pk, **more):
        raise NoValidHost(f"The server's own host does not have it either: {choice.refusal()}")
    cells = fit_cells(hypervisor.pk, asked)
    if cells is None:
        raise NoValidHost("The server's own host does not have the NUMA cells for it any more.")
    devices = fit_devices(hypervisor.pk, asked)
    if devices is None:
        raise NoValidHost("The server's own host does not have the devices for it any more.")
    hold_devices(held, asked.pci, devices)
    Allocation.objects.filter(pk=held.pk).update(
        vcpus=held.vcpus + more["vcpus"],
        ram_mib=held.ram_mib + more["ram_mib"],
        disk_gib=held.disk_gib + more["disk_gib"],
        numa=[*held.numa, *cells],
    )
    Decision.objects.create(
        server_id=server_id,
        operation_id=operation_id,
        request_id=request_id,
        created_at=now,
        candidates=1,
        filters=choice.filters,
        chosen=hypervisor.name,
        summary=f"{hypervisor.name}, its own host: no other one has room.",
    )


def hold_just(*, server_id: UUID, hypervisor_id: int, spec: RequestSpec, now: datetime) -> None:
    """Let a server hold just this of a host, room or no room; again changes nothing."""
    with transaction.atomic():
        held = _locked(server_id, hypervisor_id)
        if held is None:
            hold_server(server_id=server_id, hypervisor_id=hypervisor_id, spec=spec, now=now)
            return
        lock_cells(hypervisor_id, spec)
        wanted = {"vcpus": spec.vcpus, "ram_mib": spec.ram_mib, "disk_gib": spec.disk_gib}
        kept = placement_for(held, spec)
        cells = [kept] if kept else fit_cells(hypervisor_id, spec)
        Allocation.objects.filter(pk=held.pk).update(**wanted, numa=cells or [])
        keep_devices(held, spec)
        unclaim(hypervisor_id, vcpus=held.vcpus, ram_mib=held.ram_mib, disk_gib=held.disk_gib)
        take(hypervisor_id, **wanted)


def _locked(server_id: UUID, hypervisor_id: int) -> Allocation | None:
    rows = Allocation.objects.select_for_update()
    return rows.filter(server_id=server_id, hypervisor_id=hypervisor_id).first()
