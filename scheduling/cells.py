"""What servers hold of a host's NUMA cells; read and chosen under the host's row as the lock."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from hypervisors.models import Hypervisor
from hypervisors.numa import NumaPlacement, NumaRequest
from scheduling.filters.numa import cells_booked, room_of
from scheduling.filters.numa_fit import fit
from scheduling.models import Allocation
from scheduling.request_spec import RequestSpec


def lock_cells(hypervisor_id: int, spec: RequestSpec) -> None:
    """Let nobody else choose among the host's cells and devices until the transaction ends."""
    if spec.numa or spec.pci:
        Hypervisor.objects.select_for_update(no_key=True).get(pk=hypervisor_id)


def fit_cells(hypervisor_id: int, spec: RequestSpec) -> list[dict[str, Any]] | None:
    """What the server is to hold of the host's cells, as its allocation keeps it.

    Empty where it asks for none, None where there is no room. Whoever claims it holds the host's
    row; a plan need not.
    """
    if not spec.numa:
        return []
    host = Hypervisor.objects.only("capabilities", "cpu_ratio", "ram_ratio").get(pk=hypervisor_id)
    rows = Allocation.objects.filter(hypervisor_id=hypervisor_id).exclude(numa=[])
    held = [placement for row in rows.values_list("numa", flat=True) for placement in row]
    held.extend(cells_booked(spec, hypervisor_id))
    cells = host.capabilities.get("cells")
    room = room_of(cells, held, cpu_ratio=host.cpu_ratio, ram_ratio=host.ram_ratio)
    found = fit(NumaRequest.from_json(spec.numa), room)
    return None if found is None else [found.to_json()]


def placement_for(allocation: Allocation, spec: RequestSpec) -> dict[str, Any] | None:
    """What the allocation holds for just this request; None is nothing."""
    return _answering(allocation.numa, spec.numa)


def placement_on(
    *, server_id: UUID, hypervisor_id: int, request: dict[str, Any]
) -> NumaPlacement | None:
    """What a server holds of a host's cells for just this request; None is nothing."""
    rows = Allocation.objects.filter(server_id=server_id, hypervisor_id=hypervisor_id)
    found = _answering(rows.values_list("numa", flat=True).first() or [], request)
    return None if found is None else NumaPlacement.from_json(found)


def placements_on_hosts(
    requests: dict[UUID, dict[str, Any]],
) -> dict[tuple[UUID, int], NumaPlacement]:
    """The same for many servers in one query, by server and host."""
    rows = Allocation.objects.filter(server_id__in=requests).exclude(numa=[])
    found = {}
    for server_id, hypervisor_id, numa in rows.values_list("server_id", "hypervisor_id", "numa"):
        placement = _answering(numa, requests[server_id])
        if placement is not None:
            found[server_id, hypervisor_id] = NumaPlacement.from_json(placement)
    return found


def _answering(placements: list[dict[str, Any]], request: dict[str, Any]) -> dict[str, Any] | None:
    if not request:
        return None
    return next((each for each in placements if each["request"] == request), None)
