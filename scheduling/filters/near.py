"""Is the host's address in the network that the hints name?"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from django.db.models import Q

from hypervisors.models import Hypervisor
from scheduling.filters import Filter
from scheduling.request_spec import RequestSpec

_OCTETS = 4


def _condition(spec: RequestSpec) -> Q | None:
    if not spec.near:
        return None
    network = ip_network(spec.near)
    return _in_v4(network) if isinstance(network, IPv4Network) else _in_v6(network)


def _in_v4(network: IPv4Network) -> Q:
    """The text begins with the whole octets, then one of the numbers that the next may be."""
    whole, bits = divmod(network.prefixlen, 8)
    if whole == _OCTETS:
        return Q(host_ip=str(network.network_address))
    octets = network.network_address.packed
    begin = "".join(f"{octet}\\." for octet in octets[:whole])
    first = octets[whole]
    choices = "|".join(str(first + number) for number in range(2 ** (8 - bits)))
    rest = r"\.[0-9]{1,3}" * (_OCTETS - whole - 1)
    return Q(host_ip__regex=rf"^{begin}({choices}){rest}$")


def _in_v6(network: IPv6Network) -> Q:
    """One address has many spellings, so those that there are are read; few clouds have any."""
    written = Hypervisor.objects.filter(host_ip__contains=":").values_list("host_ip", flat=True)
    inside = [text for text in written.distinct().order_by() if _is_in(text, network)]
    return Q(host_ip__in=inside)


def _is_in(text: str, network: IPv6Network) -> bool:
    try:
        return ip_address(text) in network
    except ValueError:
        return False


NEAR = Filter("near", "Is the host's address in the network that the hints name?", _condition)
