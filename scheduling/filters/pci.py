"""Has the host free PCI devices for all that the flavor asks for?

As with NUMA cells the database cannot tell: the hosts that are ready are looked at one by one, but
only for a server that asks for devices.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

from django.db.models import Q, QuerySet

from hypervisors.models import Hypervisor
from hypervisors.pci import PciDevice
from scheduling.filters import Filter
from scheduling.filters.pci_fit import DeviceRoom, counts_of, fit_pci, pci_obstacle
from scheduling.filters.ready import READY
from scheduling.models import PciAlias, PciClaim
from scheduling.request_spec import RequestSpec


def aliases_in(request: str) -> dict[str, PciAlias]:
    """The aliases that a request names, as far as there are such."""
    return {alias.name: alias for alias in PciAlias.objects.filter(name__in=counts_of(request))}


def devices_booked(spec: RequestSpec, hypervisor_id: int) -> tuple[str, ...]:
    """Addresses of the host that a plan is to give to others before."""
    booking = spec.booked.get(hypervisor_id)
    return booking.pci if booking else ()


def _condition(spec: RequestSpec) -> Q | None:
    if not spec.pci:
        return None
    aliases = aliases_in(spec.pci)
    hosts = Hypervisor.objects.filter(name=spec.host) if spec.host else _ready(spec)
    fitting = [pk for pk, _, room in _rooms(hosts, spec) if fit_pci(spec.pci, aliases, room)]
    return Q(pk__in=fitting)


def _reasons(spec: RequestSpec, names: Collection[str]) -> dict[str, str]:
    aliases = aliases_in(spec.pci)
    hosts = Hypervisor.objects.filter(name__in=names).order_by("name")
    return {name: pci_obstacle(spec.pci, aliases, room) for _, name, room in _rooms(hosts, spec)}


def _rooms(hosts: QuerySet[Hypervisor], spec: RequestSpec) -> Iterator[tuple[int, str, DeviceRoom]]:
    taken: dict[int, set[str]] = defaultdict(set)
    for hypervisor_id, address in PciClaim.objects.values_list("hypervisor_id", "address"):
        taken[hypervisor_id].add(address)
    for pk, name, devices in hosts.values_list("pk", "name", "capabilities__pci_devices"):
        yield (
            pk,
            name,
            DeviceRoom(
                devices=tuple(map(PciDevice.from_json, devices or ())),
                taken=frozenset((*taken[pk], *devices_booked(spec, pk))),
            ),
        )


def _ready(spec: RequestSpec) -> QuerySet[Hypervisor]:
    hosts = Hypervisor.objects.filter(READY.condition(spec) or Q())
    return hosts.filter(name=spec.wanted_host) if spec.wanted_host else hosts


PCI = Filter(
    "pci_passthrough",
    "Has the host free PCI devices of the aliases that the flavor asks for?",
    _condition,
    _reasons,
)
