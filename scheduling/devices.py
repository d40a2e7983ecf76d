"""What servers hold of a host's PCI devices; chosen under the host's row as the lock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from hypervisors.models import Hypervisor
from hypervisors.pci import devices_of
from scheduling.errors import PciAliasUnknown
from scheduling.filters.pci import aliases_in, devices_booked
from scheduling.filters.pci_fit import DeviceRoom, counts_of, fit_pci
from scheduling.models import Allocation, PciClaim
from scheduling.request_spec import RequestSpec


def check_aliases(request: str) -> None:
    """Refuse a request for what no administrator has named; one for nothing makes no query.

    Raises:
        PciAliasUnknown: in the words of the compute API.
    """
    unknown = counts_of(request).keys() - aliases_in(request).keys() if request else ()
    if unknown:
        raise PciAliasUnknown(f"PCI alias {min(unknown)} is not defined")


def fit_devices(hypervisor_id: int, spec: RequestSpec) -> tuple[str, ...] | None:
    """The addresses that the server is to have; empty where it asks for none, None is too few.

    Whoever claims them holds the host's row; a plan need not.
    """
    if not spec.pci:
        return ()
    host = Hypervisor.objects.only("capabilities").get(pk=hypervisor_id)
    claimed = PciClaim.objects.filter(hypervisor_id=hypervisor_id)
    taken = (*claimed.values_list("address", flat=True), *devices_booked(spec, hypervisor_id))
    room = DeviceRoom(devices_of(host.capabilities), frozenset(taken))
    return fit_pci(spec.pci, aliases_in(spec.pci), room)


def hold_devices(allocation: Allocation, request: str, addresses: Sequence[str]) -> None:
    """Let the server have these for its request.

    Raises:
        IntegrityError: one is another's, so whoever chose it did not hold the host's row.
    """
    claims = [
        PciClaim(
            allocation=allocation,
            hypervisor_id=allocation.hypervisor_id,
            address=address,
            request=request,
        )
        for address in addresses
    ]
    PciClaim.objects.bulk_create(claims)


def unclaimed(hypervisor_id: int, addresses: Sequence[str]) -> tuple[str, ...]:
    """Those of the host's devices that no server holds."""
    if not addresses:
        return ()
    rows = PciClaim.objects.filter(hypervisor_id=hypervisor_id, address__in=addresses)
    held = set(rows.values_list("address", flat=True))
    return tuple(each for each in addresses if each not in held)


def keep_devices(allocation: Allocation, spec: RequestSpec) -> None:
    """Let the server hold devices for just this request: those it has, or others if it can."""
    held = PciClaim.objects.filter(allocation=allocation)
    held.exclude(request=spec.pci).delete()
    if spec.pci and not held.filter(request=spec.pci).exists():
        found = fit_devices(allocation.hypervisor_id, spec)
        hold_devices(allocation, spec.pci, found or ())


def has_devices_for(allocation: Allocation, request: str) -> bool:
    """Whether it holds devices for just this request."""
    held = PciClaim.objects.filter(allocation=allocation, request=request)
    return bool(request) and held.exists()


def devices_on_hosts(requests: Mapping[UUID, str]) -> dict[tuple[UUID, int], tuple[str, ...]]:
    """The addresses that servers hold for just these requests, by server and host; one query."""
    found: dict[tuple[UUID, int], list[str]] = defaultdict(list)
    rows = PciClaim.objects.filter(allocation__server_id__in=requests).order_by("pk")
    fields = ("allocation__server_id", "hypervisor_id", "request", "address")
    for server_id, hypervisor_id, request, address in rows.values_list(*fields):
        if request == requests[server_id]:
            found[server_id, hypervisor_id].append(address)
    return {key: tuple(addresses) for key, addresses in found.items()}
