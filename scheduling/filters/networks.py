"""Is the host on the networks outside that the server's ports lie on, and can it have tunnels?"""

from django.db.models import Exists, OuterRef, Q

from hypervisors.models import PhysicalNetwork
from scheduling.filters import Filter
from scheduling.request_spec import RequestSpec

_LOOPBACK = ("", "127.0.0.1", "::1")


def _on_all(spec: RequestSpec) -> Q | None:
    if not spec.physical_networks:
        return None
    there = PhysicalNetwork.objects.filter(hypervisor_id=OuterRef("pk"))
    condition = Q()
    for name in spec.physical_networks:
        condition &= Q(Exists(there.filter(name=name)))
    return condition


def _has_address(spec: RequestSpec) -> Q | None:
    if not spec.has_tunnels:
        return None
    return Q(tunnel_address__isnull=False) | ~Q(host_ip__in=_LOOPBACK)


PHYSICAL_NETWORK = Filter(
    "physical_network",
    "Is the host on the physical networks that the server's networks lie on?",
    _on_all,
)
TUNNELS = Filter(
    "tunnels", "Has the host an address that tunnels from other hosts reach?", _has_address
)
