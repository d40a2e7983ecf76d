"""Networks of hosts, the addresses their DHCP gives, and the filters of ports."""

from __future__ import annotations

from contextlib import suppress

from cloudportal.errors import Invalid
from hypervisors.connections import connected
from hypervisors.errors import NotOnHost
from hypervisors.libvirt.filters import FilterRule, FilterSpec, filter_name
from hypervisors.libvirt.network import DhcpHost, Ipv6Range, NatNetworkSpec, bridge_mac
from hypervisors.models import Hypervisor

__all__ = [
    "DhcpHost", "FilterRule", "FilterSpec", "Ipv6Range", "NatNetworkSpec",
    "bridge_mac", "change_port_filter",
    "dhcp_hosts_on", "ensure_dhcp_host",
    "ensure_nat_network", "ensure_port_filter", "filter_name", "filters_on", "networks_on",
    "remove_dhcp_host", "remove_nat_network", "remove_port_filter",
]  # fmt: skip


def ensure_nat_network(hypervisor: Hypervisor, spec: NatNetworkSpec) -> None:
    """Let the host have the network, running and started with the host.

    Raises:
        TakenOnHost: the host has another network of that name or bridge.
        Invalid: the addresses do not fit each other.
    """
    with connected(hypervisor) as host:
        try:
            host.ensure_network(spec)
        except ValueError as error:
            raise Invalid(str(error)) from error


def remove_nat_network(hypervisor: Hypervisor, name: str) -> None:
    """Stop and forget the network on that host. Absent is fine."""
    with connected(hypervisor) as host:
        host.remove_network(name)


def networks_on(hypervisor: Hypervisor) -> list[str]:
    """Names of the networks that run there, sorted."""
    with connected(hypervisor) as host:
        return host.list_networks()


def ensure_dhcp_host(
    hypervisor: Hypervisor, network: str, *, mac: str, ip: str, hostname: str | None
) -> None:
    """Let the host's DHCP give this address to this card, and no other.

    Raises:
        NotOnHost: the host does not have the network.
        TakenOnHost: the address is given to another card.
    """
    with connected(hypervisor) as host:
        host.ensure_dhcp_host(network, mac, ip, hostname)


def remove_dhcp_host(hypervisor: Hypervisor, network: str, *, mac: str) -> None:
    """Take the card's address away. Absent is fine, also the network."""
    with connected(hypervisor) as host:
        host.remove_dhcp_host(network, mac)


def dhcp_hosts_on(hypervisor: Hypervisor, network: str) -> list[DhcpHost]:
    """The addresses given by the network on that host; none where it is not."""
    with suppress(NotOnHost), connected(hypervisor) as host:
        return host.list_dhcp_hosts(network)
    return []


def ensure_port_filter(hypervisor: Hypervisor, spec: FilterSpec) -> str:
    """Let the host have the port's filter, for guests that run at once; its name.

    Raises:
        Invalid: an address or a network in it is none.
    """
    with connected(hypervisor) as host:
        try:
            host.ensure_filter(spec)
        except ValueError as error:
            raise Invalid(str(error)) from error
    return filter_name(spec.port_id)


def change_port_filter(hypervisor: Hypervisor, spec: FilterSpec) -> bool:
    """Let the port's filter be this, if the host has one; whether it has.

    Raises:
        Invalid: an address or a network in it is none.
    """
    with connected(hypervisor) as host:
        try:
            return host.change_filter(spec)
        except ValueError as error:
            raise Invalid(str(error)) from error


def remove_port_filter(hypervisor: Hypervisor, port_id: str) -> None:
    """Forget the port's filter. Absent is fine.

    Raises:
        HostBusy: a guest that runs uses it.
    """
    with connected(hypervisor) as host:
        host.remove_filter(port_id)


def filters_on(hypervisor: Hypervisor) -> list[str]:
    """Names of the ports' filters there, sorted."""
    with connected(hypervisor) as host:
        return host.list_filters()
