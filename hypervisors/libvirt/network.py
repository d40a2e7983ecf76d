"""Networks of a host and their static DHCP entries, by libvirt's network API.

There is no dynamic range: dnsmasq answers only the cards it was told of. A change of a DHCP entry
makes libvirt write its firewall rules anew (0.3 to 0.5 s with iptables, against 2 ms where the
network has no rules), and the first entry and the last restart dnsmasq (some 2 s). So the bridge's
own address is an entry from the start, and entries are changed only where they differ.
"""

import hashlib
import ipaddress
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt

from hypervisors.libvirt.connection import on_host
from hypervisors.libvirt.errors import AlreadyThere
from hypervisors.libvirt.storage import find

_BOTH = libvirt.VIR_NETWORK_UPDATE_AFFECT_LIVE | libvirt.VIR_NETWORK_UPDATE_AFFECT_CONFIG
_CONFIG = libvirt.VIR_NETWORK_UPDATE_AFFECT_CONFIG
_SECTION = libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST
_ADD = libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST
_DELETE = libvirt.VIR_NETWORK_UPDATE_COMMAND_DELETE
_START_S = 60.0
_DNSMASQ = "http://libvirt.org/schemas/network/dnsmasq/1.0"
# Options of DHCP, by their numbers.
_ROUTER, _NAME_SERVER = 3, 6
ET.register_namespace("dnsmasq", _DNSMASQ)


@dataclass(frozen=True)
class NatNetworkSpec:
    """An IPv4 network behind the host's own address. `bridge` has at most 15 characters."""

    name: str
    bridge: str
    uuid: UUID
    cidr: str
    gateway: str
    dns: tuple[str, ...] = ()
    mtu: int | None = None
    domain: str | None = None


@dataclass(frozen=True)
class PlainNetworkSpec:
    """A network whose gateway is somewhere else: the host takes no part in its traffic.

    `is_found`: the bridge is the host's own, and is left as it is; there the host gives no
    addresses. Else libvirt makes it, and gives addresses from `dhcp_address`; "" is not at all.
    """

    name: str
    bridge: str
    uuid: UUID
    cidr: str
    gateway: str = ""
    dhcp_address: str = ""
    dns: tuple[str, ...] = ()
    mtu: int | None = None
    is_found: bool = False


@dataclass(frozen=True)
class DhcpHost:
    """A static entry: this card gets this address."""

    mac: str
    ip: str
    hostname: str | None


def bridge_mac(uuid: UUID) -> str:
    """The MAC address of the network's bridge: the same on each start and each host."""
    digest = hashlib.sha256(uuid.bytes).digest()
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in digest[:3])


def network_xml(spec: NatNetworkSpec | PlainNetworkSpec) -> str:
    """The network's definition.

    Raises:
        ValueError: the gateway is not an address of the IPv4 network, or a name server is none.
    """
    network = _nat(spec) if isinstance(spec, NatNetworkSpec) else _plain(spec)
    return ET.tostring(network, encoding="unicode")


def _nat(spec: NatNetworkSpec) -> ET.Element:
    subnet = ipaddress.IPv4Network(spec.cidr)
    if ipaddress.IPv4Address(spec.gateway) not in subnet:
        raise ValueError(f"The gateway {spec.gateway} is not in {spec.cidr}.")
    network = _named(spec)
    ET.SubElement(network, "forward", {"mode": "nat"})
    _add_bridge(network, spec)
    if spec.domain is not None:
        ET.SubElement(network, "domain", {"name": spec.domain, "localOnly": "yes"})
    if spec.dns:
        dns = ET.SubElement(network, "dns")
        for server in spec.dns:
            ET.SubElement(dns, "forwarder", {"addr": str(ipaddress.ip_address(server))})
    _add_dhcp(network, spec.uuid, spec.gateway, subnet)
    return network


def _plain(spec: PlainNetworkSpec) -> ET.Element:
    subnet = ipaddress.IPv4Network(spec.cidr)
    network = _named(spec)
    if spec.is_found:
        ET.SubElement(network, "forward", {"mode": "bridge"})
        ET.SubElement(network, "bridge", {"name": spec.bridge})
        return network
    _add_bridge(network, spec)
    if not spec.dhcp_address:
        return network
    if ipaddress.IPv4Address(spec.dhcp_address) not in subnet:
        raise ValueError(f"The address {spec.dhcp_address} is not in {spec.cidr}.")
    _add_dhcp(network, spec.uuid, spec.dhcp_address, subnet)
    # libvirt's own entry would be that there is no gateway; of two, dnsmasq heeds the last.
    ways = [str(ipaddress.IPv4Address(spec.gateway))] if spec.gateway else []
    servers = [str(ipaddress.ip_address(server)) for server in spec.dns]
    options = ET.SubElement(network, f"{{{_DNSMASQ}}}options")
    for number, values in ((_ROUTER, ways), (_NAME_SERVER, servers)):
        text = ",".join([f"dhcp-option={number}", *values])
        ET.SubElement(options, f"{{{_DNSMASQ}}}option", {"value": text})
    return network


def _named(spec: NatNetworkSpec | PlainNetworkSpec) -> ET.Element:
    network = ET.Element("network")
    ET.SubElement(network, "name").text = spec.name
    ET.SubElement(network, "uuid").text = str(spec.uuid)
    return network


def _add_bridge(network: ET.Element, spec: NatNetworkSpec | PlainNetworkSpec) -> None:
    ET.SubElement(network, "bridge", {"name": spec.bridge, "stp": "off", "delay": "0"})
    if spec.mtu is not None:
        ET.SubElement(network, "mtu", {"size": str(spec.mtu)})
    ET.SubElement(network, "mac", {"address": bridge_mac(spec.uuid)})


def _add_dhcp(network: ET.Element, uuid: UUID, own: str, subnet: ipaddress.IPv4Network) -> None:
    address = {"address": own, "prefix": str(subnet.prefixlen)}
    dhcp = ET.SubElement(ET.SubElement(network, "ip", address), "dhcp")
    ET.SubElement(dhcp, "host", {"mac": bridge_mac(uuid), "ip": own})


@on_host(_START_S)
def ensure_network(raw: Any, spec: NatNetworkSpec | PlainNetworkSpec) -> None:
    """Define, start and autostart the network where it is not yet.

    Raises:
        AlreadyThere: a network of that name is another one.
    """
    network = find(raw.networkLookupByName, spec.name)
    if network is None:
        network = raw.networkDefineXML(network_xml(spec))
    elif network.UUIDString() != str(spec.uuid):
        raise AlreadyThere(f"A network {spec.name} exists with the id {network.UUIDString()}.")
    if not network.isActive():
        _start(network)
    if not network.autostart():
        network.setAutostart(1)


def _start(network: Any) -> None:
    try:
        network.create()
    except libvirt.libvirtError:
        # Builds begin side by side: another one may have started it just now.
        if not network.isActive():
            raise


@on_host(_START_S)
def remove_network(raw: Any, name: str) -> None:
    """Stop and forget the network. Absent is fine."""
    network = find(raw.networkLookupByName, name)
    if network is None:
        return
    if network.isActive():
        network.destroy()
    network.undefine()


@on_host()
def network_exists(raw: Any, name: str) -> bool:
    """Whether the network is defined and runs."""
    network = find(raw.networkLookupByName, name)
    return network is not None and bool(network.isActive())


@on_host()
def list_networks(raw: Any) -> list[str]:
    """Names of the host's networks that run, sorted."""
    # Asked one by one, a network that goes meanwhile would be an error.
    running = raw.listAllNetworks(libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE)
    return sorted(network.name() for network in running)


@on_host(_START_S)
def ensure_dhcp_host(raw: Any, name: str, mac: str, ip: str, hostname: str | None) -> None:
    """Give the card this address; an entry of the same card with another address goes.

    The name is told to the card too, unless another card of the network has it already.

    Raises:
        NotThere: no such network.
        AlreadyThere: the address is given to another card.
    """
    network = raw.networkLookupByName(name)
    for flags, entries in _entries(network):
        own = [entry for entry in entries if entry.mac == mac.lower()]
        others = [entry for entry in entries if entry.mac != mac.lower()]
        for entry in others:
            if entry.ip == ip:
                raise AlreadyThere(f"The address {ip} is given to {entry.mac}.")
        # libvirt takes a name once a network: of two cards called alike, the second has none.
        is_taken = hostname in {entry.hostname for entry in others}
        wanted = DhcpHost(mac.lower(), ip, None if is_taken else hostname)
        if own == [wanted]:
            continue
        for entry in own:
            network.update(_DELETE, _SECTION, -1, _host_xml(entry), flags)
        network.update(_ADD, _SECTION, -1, _host_xml(wanted), flags)


@on_host(_START_S)
def remove_dhcp_host(raw: Any, name: str, mac: str) -> None:
    """Take the card's entry away. Absent is fine, also the network."""
    network = find(raw.networkLookupByName, name)
    if network is None:
        return
    for flags, entries in _entries(network):
        for entry in entries:
            if entry.mac == mac.lower():
                network.update(_DELETE, _SECTION, -1, _host_xml(entry), flags)


@on_host()
def list_dhcp_hosts(raw: Any, name: str) -> list[DhcpHost]:
    """The network's entries as they are kept, without the bridge's own.

    Raises:
        NotThere: no such network.
    """
    network = raw.networkLookupByName(name)
    return read_entries(network.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE))


def _entries(network: Any) -> list[tuple[int, list[DhcpHost]]]:
    """What to change and what it holds: both at once where the running network and the kept agree.

    They differ only when a caller died between the two, or an admin changed one of them.
    """
    kept = read_entries(network.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE))
    if not network.isActive():
        return [(_CONFIG, kept)]
    live = read_entries(network.XMLDesc())
    if sorted(live, key=lambda entry: entry.mac) == sorted(kept, key=lambda entry: entry.mac):
        return [(_BOTH, kept)]
    return [(libvirt.VIR_NETWORK_UPDATE_AFFECT_LIVE, live), (_CONFIG, kept)]


def read_entries(xml: str) -> list[DhcpHost]:
    """The static entries of a network's definition, without the bridge's own."""
    root = ET.fromstring(xml)  # noqa: S314 - libvirt's own output
    bridge = root.find("mac")
    own = None if bridge is None else bridge.get("address")
    return [
        DhcpHost(host.get("mac", "").lower(), host.get("ip", ""), host.get("name"))
        for host in root.iterfind("ip/dhcp/host")
        if host.get("mac") != own
    ]


def _host_xml(entry: DhcpHost) -> str:
    attributes = {"mac": entry.mac, "ip": entry.ip}
    if entry.hostname:
        attributes["name"] = entry.hostname
    return ET.tostring(ET.Element("host", attributes), encoding="unicode")
