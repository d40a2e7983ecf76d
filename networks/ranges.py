"""What a new range of addresses may be: its network, gateway, pools, and how guests get theirs."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from cloudportal.errors import Conflict
from networks.addresses import default_pools
from networks.errors import InvalidInput
from networks.models import Ipv6Mode, Network, Subnet

# By family the longest and the shortest prefix: dnsmasq advertises no more than a /64.
_LENGTHS = {4: (8, 30), 6: (64, 126)}
AnyNetwork = IPv4Network | IPv6Network
AnyAddress = IPv4Address | IPv6Address


def checked_range(text: str, version: int) -> AnyNetwork:
    """The network that a subnet is to be.

    Raises:
        InvalidInput: it is none of that family, or none that hosts can have.
    """
    try:
        cidr = ip_network(text)
    except ValueError as error:
        raise InvalidInput(f"Invalid input for cidr. Reason: '{text[:64]}': {error}.") from None
    if cidr.version != version:
        raise InvalidInput(
            f"Invalid input for operation: cidr '{cidr}' does not match the ip_version '{version}'."
        )
    shortest, longest = _LENGTHS[version]
    if _is_unusable(cidr) or not shortest <= cidr.prefixlen <= longest:
        raise InvalidInput(
            f"Invalid input for cidr. Reason: '{cidr}' is no range of /{shortest} to /{longest} "
            "that hosts can have."
        )
    return cidr


def _is_unusable(cidr: AnyNetwork) -> bool:
    special = cidr.is_loopback or cidr.is_link_local or cidr.is_multicast or cidr.is_reserved
    zeros = ip_network("0.0.0.0/8" if cidr.version == 4 else "::/8")
    return special or cidr.overlaps(zeros)


def checked_address(text: str, version: int) -> str:
    """An address of that family in canonical form.

    Raises:
        InvalidInput: it is none.
    """
    try:
        found = ip_address(text)
    except ValueError:
        found = None
    if found is None or found.version != version:
        raise InvalidInput(f"'{text[:64]}' is not a valid IPv{version} address.")
    return str(found)


def checked_gateway(text: str, cidr: AnyNetwork) -> str:
    """The gateway; "" is the first address.

    Raises:
        InvalidInput: it is no address of the network that a host can have.
    """
    if not text:
        return str(cidr[1])
    gateway = ip_address(checked_address(text, cidr.version))
    ends = [cidr[0], cidr[-1]] if cidr.version == 4 else [cidr[0]]
    if gateway not in cidr or gateway in ends:
        raise InvalidInput(f"Gateway is not valid on subnet: {gateway} is no address of {cidr}.")
    return str(gateway)


def checked_pools(
    pools: Sequence[Sequence[str]] | None, cidr: AnyNetwork, gateway: str | None
) -> list[list[str]]:
    """The pools in order, or all addresses of the range but the gateway without any.

    Raises:
        InvalidInput: a pool is empty or leaves the range, or two overlap.
        Conflict: a pool holds the gateway.
    """
    if pools is None:
        return default_pools(str(cidr), gateway)
    ranges = sorted(_pool(first, last, cidr.version) for first, last in pools)
    previous = int(cidr[0])
    end = int(cidr[-2 if cidr.version == 4 else -1])
    for low, high in ranges:
        first, last = (_text(each, cidr.version) for each in (low, high))
        if not previous < low <= high <= end:
            raise InvalidInput(
                f"The allocation pool {first}-{last} is not valid: it is empty, leaves {cidr} or "
                "overlaps another one."
            )
        if gateway is not None and low <= int(ip_address(gateway)) <= high:
            raise Conflict(f"Gateway ip {gateway} conflicts with allocation pool {first}-{last}.")
        previous = high
    return [[_text(low, cidr.version), _text(high, cidr.version)] for low, high in ranges]


def _pool(first: str, last: str, version: int) -> tuple[int, int]:
    low, high = (int(ip_address(checked_address(each, version))) for each in (first, last))
    return low, high


def _text(number: int, version: int) -> str:
    return str(IPv4Address(number) if version == 4 else IPv6Address(number))


def checked_ipv6_mode(
    ra_mode: str | None, address_mode: str | None, cidr: AnyNetwork, *, has_dhcp: bool
) -> str:
    """How guests come by their addresses there; "" leaves that to the config drive.

    Raises:
        InvalidInput: hosts cannot do that, or not in this range.
    """
    if ra_mode is None and address_mode is None:
        return ""
    if cidr.version == 4:
        raise _invalid("ipv6_ra_mode and ipv6_address_mode are for subnets of IPv6.")
    if ra_mode != address_mode:
        raise _invalid(
            f"ipv6_ra_mode set to '{ra_mode}' with ipv6_address_mode set to '{address_mode}' is "
            "not valid: hosts advertise what they do, so both are to be the same."
        )
    if not has_dhcp:
        raise _invalid(
            "ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False."
        )
    mode = Ipv6Mode(str(ra_mode))
    if mode != Ipv6Mode.STATEFUL and cidr.prefixlen != 64:
        raise _invalid(
            f"{cidr} is no /64, of which guests could make addresses as '{mode}' has them do."
        )
    return mode


def check_is_free(network: Network, cidr: AnyNetwork) -> None:
    """Whether the network may have this range; the caller holds the ranges' lock.

    Raises:
        Conflict: it has one of that family.
        InvalidInput: another network has some of it.
    """
    if network.subnets.filter(ip_version=cidr.version).exists():
        raise Conflict(
            f"Network {network.pk} has a subnet of IPv{cidr.version}; this cloud gives each "
            "network one of a family."
        )
    ranges = Subnet.objects.filter(ip_version=cidr.version).values_list("cidr", flat=True)
    for taken in ranges:
        # By numbers: of both families at once the library's types allow no overlaps().
        other = ip_network(taken)
        if int(cidr[0]) <= int(other[-1]) and int(other[0]) <= int(cidr[-1]):
            raise InvalidInput(
                f"Invalid input for operation: Requested subnet with cidr: {cidr} overlaps with "
                f"{taken}: networks of all projects meet on the hosts."
            )


def _invalid(text: str) -> InvalidInput:
    return InvalidInput(f"Invalid input for operation: {text}")
