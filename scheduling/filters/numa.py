"""Have the host's cells the CPUs, memory and pages that the server's nodes ask for?

The database cannot tell, so this is asked of the hosts one by one: only by a server that asks for
nodes, and only of hosts that would have it otherwise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from django.db.models import Q, QuerySet

from hypervisors.models import Hypervisor
from hypervisors.numa import HostCell, NumaPlacement, NumaRequest
from scheduling.filters import Filter
from scheduling.filters.numa_fit import HostRoom, fit, obstacle
from scheduling.filters.ready import READY
from scheduling.filters.resources import CPU, RAM
from scheduling.models import Allocation
from scheduling.request_spec import RequestSpec


def room_of(
    cells: Iterable[Mapping[str, Any]] | None,
    held: Iterable[Mapping[str, Any]],
    *,
    cpu_ratio: float,
    ram_ratio: float,
) -> HostRoom:
    """A host's cells, as its row has them, and its allocations for the choice; None is none."""
    return HostRoom(
        cells=tuple(HostCell.from_json(cell) for cell in cells or ()),
        held=tuple(NumaPlacement.from_json(each) for each in held),
        cpu_ratio=cpu_ratio,
        ram_ratio=ram_ratio,
    )


def cells_booked(spec: RequestSpec, hypervisor_id: int) -> tuple[dict[str, Any], ...]:
    """What a plan is to bring to the host's cells before."""
    booking = spec.booked.get(hypervisor_id)
    return booking.numa if booking else ()


def _condition(spec: RequestSpec) -> Q | None:
    if not spec.numa:
        return None
    request = NumaRequest.from_json(spec.numa)
    hosts = Hypervisor.objects.filter(name=spec.host) if spec.host else _otherwise_fitting(spec)
    return Q(pk__in=[pk for pk, _, room in _rooms(hosts, spec) if fit(request, room)])


def _reasons(spec: RequestSpec, names: Collection[str]) -> dict[str, str]:
    request = NumaRequest.from_json(spec.numa)
    hosts = Hypervisor.objects.filter(name__in=names).order_by("name")
    return {name: obstacle(request, room) for _, name, room in _rooms(hosts, spec)}


def _rooms(hosts: QuerySet[Hypervisor], spec: RequestSpec) -> Iterator[tuple[int, str, HostRoom]]:
    held: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    holding = Allocation.objects.exclude(numa=[]).values_list("hypervisor_id", "numa")
    for hypervisor_id, placements in holding:
        held[hypervisor_id].extend(placements)
    fields = ("pk", "name", "capabilities__cells", "cpu_ratio", "ram_ratio")
    for pk, name, cells, cpu_ratio, ram_ratio in hosts.values_list(*fields):
        taken = [*held[pk], *cells_booked(spec, pk)]
        room = room_of(cells, taken, cpu_ratio=cpu_ratio, ram_ratio=ram_ratio)
        yield pk, name, room


def _otherwise_fitting(spec: RequestSpec) -> QuerySet[Hypervisor]:
    """Those that the filters before let through, as far as two or three columns tell."""
    hosts = Hypervisor.objects.all()
    for each in (READY, CPU, RAM):
        condition = each.condition(spec)
        if condition is not None:
            hosts = hosts.filter(condition)
    if spec.wanted_host:
        hosts = hosts.filter(name=spec.wanted_host)
    return hosts


NUMA = Filter(
    "numa_topology",
    "Have the host's NUMA cells the CPUs, memory and pages that the server's nodes ask for?",
    _condition,
    _reasons,
)
