"""Makes a server's ports real on a host, and takes them off again.

Each network is made by a host when it is first needed there; every port has a static DHCP entry,
and a filter that keeps its guest from forging addresses. What was made on a host is found again
from facts that outlive the rows: port, MAC address and network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from ipaddress import ip_network
from typing import Any
from uuid import UUID

from django.utils import timezone

from hypervisors import links
from hypervisors.models import Hypervisor
from networks.models import FixedIP, Ipv6Mode, Port, Subnet
from networks.network_places import forget_ports, note_ports
from networks.packet_rules import port_filter as port_filter
from networks.packet_rules import port_filters
from networks.segments import NetworkWithoutSubnet as NetworkWithoutSubnet
from networks.segments import bridge_name as bridge_name
from networks.segments import ensure_network as ensure_network
from networks.segments import libvirt_network_name as libvirt_network_name
from networks.segments import network_spec as network_spec
from networks.server_ports import ports_of

_LINK_NAME_LENGTH = 14


@dataclass(frozen=True)
class WiredPort:
    """A port as the guest's definition needs it."""

    port_id: str
    mac: str
    network: str
    filter_name: str
    mtu: int

    def to_json(self) -> dict[str, Any]:
        """For an operation's outputs."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> WiredPort:
        """Back from an operation's outputs."""
        return cls(**fields)


def wire_ports(*, hypervisor: Hypervisor, server_id: UUID) -> list[WiredPort]:
    """Make network and filter of each port on the host; again changes nothing.

    The DHCP entries are for `lease_addresses`: each takes long, and nobody asks before the boot.

    Raises:
        NetworkWithoutSubnet: a port's network lost its subnet.
        HostBusy: the host is just letting go of one of the networks.
        HostUnreachable, HostCannot, TakenOnHost: as the host says.
    """
    return _wire_all(hypervisor, ports_with_addresses(server_id))


def wire_port(*, hypervisor: Hypervisor, port: Port) -> WiredPort:
    """The same for one port alone, and its DHCP entries too are for others to make."""
    [wired] = _wire_all(hypervisor, _with_addresses(Port.objects.filter(pk=port.pk)))
    return wired


def _wire_all(hypervisor: Hypervisor, ports: Sequence[Port]) -> list[WiredPort]:
    networks = {port.network_id: port.network for port in ports}
    note_ports(ports, hypervisor, now=timezone.now())
    for network in networks.values():
        ensure_network(hypervisor, network)
    for spec in port_filters(ports).values():
        links.ensure_port_filter(hypervisor, spec)
    return [wired_port(port) for port in ports]


def ports_with_addresses(server_id: UUID) -> list[Port]:
    """The server's ports in the order of its interfaces, ready for `wired_port`."""
    return list(_with_addresses(ports_of(server_id)))


def wired_port(port: Port) -> WiredPort:
    """A port as it is once its network and filter are on the host."""
    name = libvirt_network_name(port.network_id)
    filter_name = links.filter_name(str(port.pk))
    return WiredPort(str(port.pk), port.mac_address, name, filter_name, port.network.mtu)


@dataclass(frozen=True)
class Lease:
    """An address that a network's DHCP gives one card."""

    network: str
    mac: str
    address: str


def leases_of(server_id: UUID) -> list[Lease]:
    """The addresses that the server's cards ask for by DHCP."""
    return _leases(_with_addresses(ports_of(server_id)))


def leases_of_port(port: Port) -> list[Lease]:
    """The addresses that this card asks for."""
    return _leases(_with_addresses(Port.objects.filter(pk=port.pk)))


def _leases(ports: Iterable[Port]) -> list[Lease]:
    return [
        Lease(libvirt_network_name(port.network_id), port.mac_address, fixed_ip.address)
        for port in ports
        for fixed_ip in dhcp_addresses(port)
    ]


def dhcp_addresses(port: Port) -> list[FixedIP]:
    """What a card is given by DHCP, one of a family: its first; others a guest sets by itself."""
    fixed_ips = sorted(port.fixed_ips.all(), key=lambda each: each.pk)
    given: dict[int, FixedIP] = {}
    for each in fixed_ips:
        if _is_given(each.subnet):
            given.setdefault(each.subnet.ip_version, each)
    return list(given.values())


def _is_given(subnet: Subnet) -> bool:
    is_of_hosts = subnet.ip_version == 4 or subnet.ipv6_mode == Ipv6Mode.STATEFUL
    return subnet.has_dhcp and is_of_hosts


def lease_addresses(*, hypervisor: Hypervisor, leases: Iterable[Lease], hostname: str) -> None:
    """Let the host's DHCP give the addresses; again changes nothing. Needs no database.

    Raises:
        HostUnreachable, TakenOnHost: as the host says.
    """
    for lease in leases:
        links.ensure_dhcp_host(
            hypervisor, lease.network, mac=lease.mac, ip=lease.address, hostname=hostname or None
        )


def port_facts(server_id: UUID) -> list[dict[str, str]]:
    """What `unwire_ports` needs of the server's ports, as JSON."""
    return [port_fact(port) for port in ports_of(server_id)]


def port_fact(port: Port) -> dict[str, str]:
    """The same of one port."""
    return {"port": str(port.pk), "mac": port.mac_address, "network": str(port.network_id)}


def unwire_ports(*, hypervisor: Hypervisor, facts: Iterable[Mapping[str, str]]) -> None:
    """Take the ports' DHCP entries and filters off the host; what is not there is fine.

    Raises:
        HostBusy: a guest that runs uses a filter.
        HostUnreachable: the host does not answer.
    """
    facts = list(facts)
    for fact in facts:
        name = libvirt_network_name(fact["network"])
        links.remove_dhcp_host(hypervisor, name, mac=fact["mac"])
        links.remove_port_filter(hypervisor, fact["port"])
    if facts:
        ports = [UUID(fact["port"]) for fact in facts]
        forget_ports(ports, hypervisor, now=timezone.now())


def network_data(server_id: UUID) -> dict[str, Any]:
    """The server's interfaces as its config drive tells them (OpenStack's network_data.json)."""
    ports = ports_with_addresses(server_id)
    networks = [
        _static_network(f"network{index}", port, fixed_ip)
        for index, (port, fixed_ip) in enumerate(
            (port, fixed_ip)
            for port in ports
            for fixed_ip in sorted(port.fixed_ips.all(), key=lambda each: each.pk)
        )
    ]
    servers = dict.fromkeys(
        server
        for port in ports
        for fixed_ip in port.fixed_ips.all()
        for server in _name_servers(fixed_ip.subnet)
    )
    return {
        "links": [_link(port) for port in ports],
        "networks": networks,
        "services": [{"type": "dns", "address": server} for server in servers],
    }


def _link(port: Port) -> dict[str, Any]:
    return {
        "id": _link_id(port),
        "vif_id": str(port.pk),
        "type": "bridge",
        "mtu": port.network.mtu,
        "ethernet_mac_address": port.mac_address,
    }


def _link_id(port: Port) -> str:
    return f"tap{port.pk}"[:_LINK_NAME_LENGTH]


def _static_network(name: str, port: Port, fixed_ip: FixedIP) -> dict[str, Any]:
    subnet = fixed_ip.subnet
    anywhere = "0.0.0.0" if subnet.ip_version == 4 else "::"  # noqa: S104 - the default route
    route = {"network": anywhere, "netmask": anywhere, "gateway": subnet.gateway_ip}
    return {
        "id": name,
        "type": f"ipv{subnet.ip_version}",
        "link": _link_id(port),
        "network_id": str(port.network_id),
        "ip_address": fixed_ip.address,
        "netmask": str(ip_network(subnet.cidr).netmask),
        "routes": [route] if subnet.gateway_ip else [],
        "services": [{"type": "dns", "address": server} for server in _name_servers(subnet)],
    }


def _name_servers(subnet: Subnet) -> Sequence[str]:
    """Those of the subnet, else the host's own forwarder where the gateway is the host."""
    is_here = subnet.gateway_ip and subnet.network.is_routed_by_hosts
    return list(subnet.dns_nameservers) or ([subnet.gateway_ip] if is_here else [])


def _with_addresses(ports: Any) -> Any:
    return ports.select_related("network").prefetch_related(
        "fixed_ips__subnet__network", "network__subnets"
    )
