"""Gives addresses to ports so that no two get the same, whoever asks at once.

The database's constraint decides, never a look beforehand: free addresses are picked at random,
so that callers who race seldom meet, and who loses picks again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, ip_address

from django.db import IntegrityError, transaction

from networks.errors import (
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
    return sum(int(IPv4Address(last)) - int(IPv4Address(first)) + 1 for first, last in pools)


def pool_address(pools: Sequence[Pool], index: int) -> str:
    """The address at this place, counted from 0 through all pools.

    Raises:
        IndexError: the pools hold fewer.
    """
    for first, last in pools:
        size = int(IPv4Address(last)) - int(IPv4Address(first)) + 1
        if index < size:
            return str(IPv4Address(first) + index)
        index -= size
    raise IndexError("The pools hold fewer addresses.")


def default_pools(cidr: str, gateway: str | None) -> list[list[str]]:
    """All host addresses of the network without its gateway."""
    network = IPv4Network(cidr)
    first, last = int(network.network_address) + 1, int(network.broadcast_address) - 1
    if gateway is None or not first <= int(IPv4Address(gateway)) <= last:
        ranges = [(first, last)]
    else:
        middle = int(IPv4Address(gateway))
        ranges = [(first, middle - 1), (middle + 1, last)]
    return [[str(IPv4Address(low)), str(IPv4Address(high))] for low, high in ranges if low <= high]


def is_in_pools(pools: Sequence[Pool], address: str) -> bool:
    """Whether one of the pools holds the address."""
    wanted = IPv4Address(address)
    return any(IPv4Address(first) <= wanted <= IPv4Address(last) for first, last in pools)


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
    """Give the port a free address of the subnet.

    Raises:
        IpAddressGenerationFailure: none is left.
    """

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
        IpAddressInUse: another port has it.
    """
    check_address(subnet, address)
    fixed_ip = _take(port, subnet, str(ip_address(address)))
    if fixed_ip is None:
        raise IpAddressInUse(
            f"Unable to complete operation for network {subnet.network_id}. "
            f"The IP address {address} is in use."
        )
    return fixed_ip


def check_address(subnet: Subnet, address: str) -> None:
    """Whether a port may have this address: any of the subnet's but its ends and the hosts' own.

    Raises:
        InvalidIpForNetwork: it may not.
    """
    network = IPv4Network(subnet.cidr)
    try:
        wanted = IPv4Address(address)
    except ValueError:
        wanted = IPv4Address(0)
    ends = (network.network_address, network.broadcast_address)
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
