"""Gives addresses to ports so that no two get the same, whoever asks at once.

The database's constraint decides, never a look beforehand: free addresses are picked at random,
so that callers who race seldom meet, and who loses picks again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv6Network, ip_address, ip_network

from django.db import IntegrityError, transaction

from networks.errors import (
    InvalidInput,
    InvalidIpForNetwork,
    IpAddressGenerationFailure,
    IpAddressInUse,
    MacAddressInUse,
)
from networks.models import FixedIP, Port, Subnet

MAC_PREFIX = "fa:16:3e"
Pool = Sequence[str]
_CANDIDATES = 32
_ATTEMPTS = 100


def pool_size(pools: Sequence[Pool]) -> int:
    """How many addresses the pools hold."""
    return sum(int(ip_address(last)) - int(ip_address(first)) + 1 for first, last in pools)


def pool_address(pools: Sequence[Pool], index: int) -> str:
    """The address at this place, counted from 0 through all pools.

    Raises:
        IndexError: the pools hold fewer.
    """
    for first, last in pools:
        size = int(ip_address(last)) - int(ip_address(first)) + 1
        if index < size:
            return str(ip_address(first) + index)
        index -= size
    raise IndexError("The pools hold fewer addresses.")


def default_pools(cidr: str, gateway: str | None) -> list[list[str]]:
    """All host addresses of the network without its gateway; IPv6 has no broadcast."""
    network = ip_network(cidr)
    first, last = network[1], network[-2 if network.version == 4 else -1]
    middle = None if gateway is None else ip_address(gateway)
    if middle is None or not int(first) <= int(middle) <= int(last):
        return [[str(first), str(last)]]
    ranges = [(first, middle - 1), (middle + 1, last)]
    return [[str(low), str(high)] for low, high in ranges if int(low) <= int(high)]


def is_in_pools(pools: Sequence[Pool], address: str) -> bool:
    """Whether one of the pools holds the address."""
    wanted = int(ip_address(address))
    return any(int(ip_address(first)) <= wanted <= int(ip_address(last)) for first, last in pools)


def eui64_address(cidr: str, mac: str) -> str:
    """The address that a card gives itself in a /64 (RFC 4291, appendix A)."""
    octets = bytearray.fromhex(mac.replace(":", ""))
    octets[0] ^= 2
    own = bytes([*octets[:3], 0xFF, 0xFE, *octets[3:]])
    return str(IPv6Network(cidr).network_address + int.from_bytes(own, "big"))


def free_address(
    pools: Sequence[Pool],
    taken: Callable[[Sequence[str] | None], set[str]],
    pick: Callable[[int], int] = secrets.randbelow,
) -> str | None:
    """An address of the pools that is not taken, or None when all are.

    Args:
        pools: pairs of first and last address.
        taken: which of the given addresses are taken; of all when given None.
        pick: a number from 0 to below its argument.
    """
    size = pool_size(pools)
    if not size:
        return None
    candidates = list(dict.fromkeys(pool_address(pools, pick(size)) for _ in range(_CANDIDATES)))
    gone = taken(candidates)
    for address in candidates:
        if address not in gone:
            return address
    # The pools are nearly full: look at all, from a random place on.
    everything = taken(None)
    start = pick(size)
    return next((free for free in _from(pools, size, start) if free not in everything), None)


def _from(pools: Sequence[Pool], size: int, start: int) -> Iterator[str]:
    for step in range(size):
        yield pool_address(pools, (start + step) % size)


def allocate(port: Port, subnet: Subnet) -> FixedIP:
    """Give the port a free address of the subnet, or the one that its card gives itself there.

    Raises:
        IpAddressGenerationFailure: none is left.
        IpAddressInUse: the card's own is another port's.
    """
    if subnet.is_automatic:
        return _take_or_refuse(port, subnet, eui64_address(subnet.cidr, port.mac_address))

    def taken(addresses: Sequence[str] | None) -> set[str]:
        rows = FixedIP.objects.filter(subnet=subnet)
        if addresses is not None:
            rows = rows.filter(address__in=addresses)
        return set(rows.values_list("address", flat=True))

    for _ in range(_ATTEMPTS):
        address = free_address(subnet.allocation_pools, taken)
        if address is None:
            break
        fixed_ip = _take(port, subnet, address)
        if fixed_ip is not None:
            return fixed_ip
    raise IpAddressGenerationFailure(
        f"No more IP addresses available on network {subnet.network_id}."
    )


def allocate_fixed(port: Port, subnet: Subnet, address: str) -> FixedIP:
    """Give the port this address of the subnet.

    Raises:
        InvalidIpForNetwork: the subnet may not give it.
        InvalidInput: there the port's card gives itself another one.
        IpAddressInUse: another port has it.
    """
    check_address(subnet, address)
    wanted = str(ip_address(address))
    if subnet.is_automatic and wanted != eui64_address(subnet.cidr, port.mac_address):
        raise InvalidInput(
            f"Invalid input for operation: IPv6 address {wanted} can not be directly assigned to "
            f"a port on subnet {subnet.pk} as the subnet is configured for automatic addresses."
        )
    return _take_or_refuse(port, subnet, wanted)


def _take_or_refuse(port: Port, subnet: Subnet, address: str) -> FixedIP:
    fixed_ip = _take(port, subnet, address)
    if fixed_ip is None:
        raise IpAddressInUse(
            f"Unable to complete operation for network {subnet.network_id}. "
            f"The IP address {address} is in use."
        )
    return fixed_ip


def check_address(subnet: Subnet, address: str) -> None:
    """Whether a port may have this address: any of the subnet's but its ends and the hosts' own.

    Of IPv6 there is one end: the first address is any router's.

    Raises:
        InvalidIpForNetwork: it may not.
    """
    network = ip_network(subnet.cidr)
    ends = [network[0]] if network.version == 6 else [network[0], network[-1]]
    try:
        wanted = ip_address(address)
    except ValueError:
        wanted = ends[0]
    own = (subnet.gateway_ip, subnet.dhcp_address)
    if wanted not in network or wanted in ends or str(wanted) in own:
        raise InvalidIpForNetwork(
            f"IP address {address} is not a valid IP for the specified subnet."
        )


def _take(port: Port, subnet: Subnet, address: str) -> FixedIP | None:
    try:
        with transaction.atomic():
            return FixedIP.objects.create(port=port, subnet=subnet, address=address)
    except IntegrityError:
        return None


def random_mac() -> str:
    """A MAC address under the field's prefix."""
    octets = secrets.token_bytes(3)
    return ":".join([MAC_PREFIX, *(f"{octet:02x}" for octet in octets)])


def save_with_mac(port: Port, mac_address: str | None) -> None:
    """Insert the port under this MAC address, or under a random one.

    Raises:
        MacAddressInUse: another port on the network has the address.
    """
    for _ in range(1 if mac_address else _ATTEMPTS):
        port.mac_address = mac_address or random_mac()
        try:
            with transaction.atomic():
                port.save(force_insert=True)
        except IntegrityError:
            continue
        return
    raise MacAddressInUse(
        f"Unable to complete operation for network {port.network_id}. "
        f"The mac address {port.mac_address} is in use."
    )
