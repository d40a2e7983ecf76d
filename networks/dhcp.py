"""Who gives addresses on a network whose gateway is not the host: an address of the hosts' own.

On every host the bridge of such a network has that one address, as it has the gateway's elsewhere;
it is never seen beyond the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network

from networks.addresses import Pool, is_in_pools
from networks.errors import InvalidInput
from networks.models import Network, NetworkType, Subnet


def check_dhcp(network: Network, *, has_dhcp: bool) -> None:
    """Whether hosts can give addresses on this network, if that is asked for.

    Raises:
        InvalidInput: it lies on a bridge that is not theirs to change.
    """
    if network.type == NetworkType.FLAT and has_dhcp:
        raise InvalidInput(
            "Invalid input for operation: hosts give no addresses on a flat network, where others "
            "do; make its subnet with enable_dhcp false: servers learn theirs from the config "
            "drive."
        )


def check_ipv6(network: Network, *, has_dhcp: bool) -> None:
    """Whether the network can have IPv6 like that.

    Raises:
        InvalidInput: floating IPs are of IPv4, or somebody else advertises the addresses there.
    """
    if network.is_external:
        raise InvalidInput(
            "Invalid input for operation: an external network has no IPv6 subnet: floating IPs "
            "are of IPv4."
        )
    if has_dhcp and not network.is_routed_by_hosts:
        raise InvalidInput(
            f"Invalid input for operation: hosts advertise no IPv6 on a {network.type} network, "
            "whose routers are outside the cloud; make its subnet with enable_dhcp false: servers "
            "learn their addresses from the config drive."
        )


def take_dhcp_address(subnet: Subnet, *, has_pools: bool) -> None:
    """Set aside the highest address that is not the gateway's: of the pools, if those are all.

    Raises:
        InvalidInput: the pools that were asked for leave none.
    """
    cidr = IPv4Network(subnet.cidr)
    pools = subnet.allocation_pools
    for number in range(int(cidr.broadcast_address) - 1, int(cidr.network_address), -1):
        address = str(IPv4Address(number))
        if address == subnet.gateway_ip or (has_pools and is_in_pools(pools, address)):
            continue
        subnet.dhcp_address = address
        if not has_pools:
            subnet.allocation_pools = _without(pools, number)
        return
    raise InvalidInput(
        "Invalid input for operation: the allocation pools leave no address for the hosts' DHCP."
    )


def _without(pools: Sequence[Pool], number: int) -> list[list[str]]:
    """The pools without their very last address."""
    return [
        [first, str(min(IPv4Address(last), IPv4Address(number - 1)))]
        for first, last in pools
        if int(IPv4Address(first)) < number
    ]


def check_pools_leave(subnet: Subnet, pools: Sequence[Pool]) -> None:
    """Whether other pools leave the hosts' address alone.

    Raises:
        InvalidInput: they do not.
    """
    if subnet.dhcp_address and is_in_pools(pools, subnet.dhcp_address):
        raise InvalidInput(
            f"Invalid input for operation: {subnet.dhcp_address} is the address of the hosts' DHCP."
        )
