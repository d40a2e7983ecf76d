"""What a network is on one host: names, definitions, and the wire to the same network elsewhere."""

from __future__ import annotations

from uuid import UUID

from cloudportal.errors import Conflict
from hypervisors import links, segments
from hypervisors.errors import HostCannot
from hypervisors.models import Hypervisor, PhysicalNetwork
from networks.models import Ipv6Mode, Network, NetworkPlace, NetworkType, Subnet


class NetworkWithoutSubnet(Conflict):
    """A network that no host can make: it has no addresses."""


def libvirt_network_name(network_id: UUID | str) -> str:
    """The network's name on every host."""
    return f"cp-{UUID(str(network_id)).hex[:11]}"


def bridge_name(network_id: UUID | str) -> str:
    """The bridge's name on every host; the kernel allows 15 characters."""
    return f"cpb{UUID(str(network_id)).hex[:8]}"


def ensure_network(hypervisor: Hypervisor, network: Network, *, is_exact: bool = False) -> None:
    """Let the host have the network, joined to the same one elsewhere; again changes nothing.

    `is_exact`: other hosts that do not have it any more are forgotten too. Who has not looked at
    the places last adds to what the host knows, and takes nothing away.

    Raises:
        NetworkWithoutSubnet: it has no subnet.
        HostUnreachable, HostCannot, TakenOnHost: as the host says.
    """
    is_joined = network.type in (NetworkType.VLAN, NetworkType.VXLAN)
    # First, so that nothing is made where it cannot be.
    segment = segment_spec(hypervisor, network) if is_joined else None
    if network.is_routed_by_hosts:
        links.ensure_nat_network(hypervisor, network_spec(network))
    else:
        segments.ensure_plain_network(hypervisor, plain_spec(hypervisor, network))
    if segment is not None:
        segments.ensure_segment(hypervisor, segment, is_exact=is_exact)


def remove_network(hypervisor: Hypervisor, network_id: UUID) -> None:
    """Take the network off the host, the wire first. Absent is fine."""
    segments.remove_segment(hypervisor, network_id)
    links.remove_nat_network(hypervisor, libvirt_network_name(network_id))


def network_spec(network: Network) -> links.NatNetworkSpec:
    """A network that hosts route, as they make it.

    Raises:
        NetworkWithoutSubnet: it has no subnet with a gateway.
    """
    four, six = _subnets(network)
    if (four or six) is None or any(each and each.gateway_ip is None for each in (four, six)):
        raise NetworkWithoutSubnet(f"The network {network.pk} has no subnet with a gateway.")
    return links.NatNetworkSpec(
        name=libvirt_network_name(network.pk),
        bridge=bridge_name(network.pk),
        uuid=network.pk,
        cidr=four.cidr if four else "",
        gateway=(four and four.gateway_ip) or "",
        dns=tuple(server for each in (four, six) if each for server in each.dns_nameservers),
        mtu=network.mtu,
        six=_ipv6_range(six) if six else None,
    )


def _ipv6_range(subnet: Subnet) -> links.Ipv6Range:
    # Without a mode the config drive says the addresses: guests are not to make others.
    mode = Ipv6Mode(subnet.ipv6_mode or Ipv6Mode.STATEFUL)
    return links.Ipv6Range(subnet.cidr, subnet.gateway_ip or "", mode.value)  # type: ignore[arg-type]  # the same words


def plain_spec(hypervisor: Hypervisor, network: Network) -> segments.PlainNetworkSpec:
    """One whose gateway is somewhere else, as this host makes it.

    Raises:
        NetworkWithoutSubnet: it has no subnet.
        HostCannot: the host has not that bridge.
    """
    four, six = _subnets(network)
    if (four or six) is None:
        raise NetworkWithoutSubnet(f"The network {network.pk} has no subnet.")
    is_found = network.type == NetworkType.FLAT
    return segments.PlainNetworkSpec(
        name=libvirt_network_name(network.pk),
        bridge=segments.find_bridge(hypervisor, interface_of(hypervisor, network))
        if is_found
        else bridge_name(network.pk),
        uuid=network.pk,
        cidr=four.cidr if four else "",
        gateway=(four and four.gateway_ip) or "",
        dhcp_address=(four and four.dhcp_address) or "",
        dns=tuple(four.dns_nameservers) if four else (),
        mtu=network.mtu,
        is_found=is_found,
        has_six=six is not None,
    )


def segment_spec(hypervisor: Hypervisor, network: Network) -> segments.SegmentSpec:
    """What joins the network on this host to where else it is.

    Raises:
        HostCannot: the host is not told where the physical network is, or has no address.
    """
    four, _ = _subnets(network)
    assert network.segment is not None  # noqa: S101 - by the table's constraint; for the types
    is_tunnel = network.type == NetworkType.VXLAN
    return segments.SegmentSpec(
        network_id=network.pk,
        bridge=bridge_name(network.pk),
        kind="vxlan" if is_tunnel else "vlan",
        number=network.segment,
        mtu=network.mtu,
        parent="" if is_tunnel else interface_of(hypervisor, network),
        local=_own_end(hypervisor) if is_tunnel else "",
        peers=other_ends(hypervisor, network.pk) if is_tunnel else (),
        own_address=_own_address(four, is_tunnel=is_tunnel),
    )


def interface_of(hypervisor: Hypervisor, network: Network) -> str:
    """The host's interface or bridge on the network's physical network.

    Raises:
        HostCannot: nobody has said where that is.
    """
    found = PhysicalNetwork.objects.filter(hypervisor=hypervisor, name=network.physical_network)
    interface = found.values_list("interface", flat=True).first()
    if interface is None:
        raise HostCannot(
            f"The server's host is not on the physical network of the network {network.pk}.",
            detail=f"{hypervisor.name}: {network.physical_network}",
        )
    return interface


def other_ends(hypervisor: Hypervisor, network_id: UUID) -> tuple[str, ...]:
    """The addresses of the other hosts that have the network, in order."""
    places = NetworkPlace.objects.filter(network_id=network_id, is_leaving=False)
    others = places.exclude(hypervisor=hypervisor).select_related("hypervisor")
    found = {segments.tunnel_address(each.hypervisor) for each in others}
    return tuple(sorted(found - {""}))


def _own_end(hypervisor: Hypervisor) -> str:
    address = segments.tunnel_address(hypervisor)
    if not address:
        raise HostCannot(
            "The server's host has no address for tunnels.",
            detail=f"{hypervisor.name}: its tunnel address is not set",
        )
    return address


def _own_address(subnet: Subnet | None, *, is_tunnel: bool) -> str:
    """The hosts' own of IPv4; of IPv6, their frames tell them from others'."""
    if subnet is None:
        return ""
    return (subnet.gateway_ip if is_tunnel else subnet.dhcp_address) or ""


def _subnets(network: Network) -> tuple[Subnet | None, Subnet | None]:
    """Of IPv4 and of IPv6; they may have been fetched with the network."""
    found = {each.ip_version: each for each in network.subnets.all()}
    return found.get(4), found.get(6)
