"""Networks of a host and their static DHCP entries, by libvirt's network API.

There is no dynamic range: dnsmasq answers only the cards it was told of. A change of a DHCP entry
makes libvirt write its firewall rules anew (0.3 to 0.5 s with iptables, against 2 ms where the
network has no rules), and the first entry and the last restart dnsmasq (some 2 s). So the bridge's
own address is an entry from the start, and entries are changed only where they differ.

Of IPv6, dnsmasq sends the router's advertisements. libvirt lets it know a card by the client's
identifier alone, so an entry is for a guest that identifies itself by its card (DUID-LL).
"""

import hashlib
import ipaddress
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt

from hypervisors.libvirt.connection import on_host
from hypervisors.libvirt.errors import AlreadyThere, Busy
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
# RFC 8415, 11.4: an identifier made of the address of an Ethernet card.
_DUID_LL = "00:03:00:01:"
Ipv6Mode = Literal["slaac", "dhcpv6-stateful", "dhcpv6-stateless"]


@dataclass(frozen=True)
class Ipv6Range:
    """The IPv6 addresses of a network, a /64 or less, with the host's own.

    By `mode` guests make their addresses themselves (slaac; stateless: and ask for the rest), or
    are told that they are given theirs.
    """

    cidr: str
    gateway: str
    mode: Ipv6Mode = "dhcpv6-stateful"


@dataclass(frozen=True)
class NatNetworkSpec:
    """A network behind the host's own addresses. `bridge` has at most 15 characters.

    `cidr` and `gateway` are of IPv4; "" where it has none. It has at least one of the two.
    """

    name: str
    bridge: str
    uuid: UUID
    cidr: str
    gateway: str
    dns: tuple[str, ...] = ()
    mtu: int | None = None
    domain: str | None = None
    six: Ipv6Range | None = None


@dataclass(frozen=True)
class PlainNetworkSpec:
    """A network whose gateway is somewhere else: the host takes no part in its traffic.

    `is_found`: the bridge is the host's own, and is left as it is; there the host gives no
    addresses. Else libvirt makes it, and gives addresses from `dhcp_address`; "" is not at all.
    `cidr` is of IPv4. `has_six`: guests have IPv6 among themselves and from elsewhere.
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
    has_six: bool = False


@dataclass(frozen=True)
class DhcpHost:
    """A static entry: this card gets this address."""

    mac: str
    ip: str
    hostname: str | None

    @property
    def version(self) -> int:
        """The family of the address."""
        return 6 if ":" in self.ip else 4


def bridge_mac(uuid: UUID) -> str:
    """The MAC address of the network's bridge: the same on each start and each host."""
    digest = hashlib.sha256(uuid.bytes).digest()
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in digest[:3])


def network_xml(spec: NatNetworkSpec | PlainNetworkSpec) -> str:
    """The network's definition.

    Raises:
        ValueError: a gateway is not an address of its network, or a name server is none.
    """
    network = _nat(spec) if isinstance(spec, NatNetworkSpec) else _plain(spec)
    return ET.tostring(network, encoding="unicode")


def _nat(spec: NatNetworkSpec) -> ET.Element:
    network = _named(spec)
    forward = ET.SubElement(network, "forward", {"mode": "nat"})
    if spec.six is not None:
        ET.SubElement(forward, "nat", {"ipv6": "yes"})
    _add_bridge(network, spec)
    if spec.domain is not None:
        ET.SubElement(network, "domain", {"name": spec.domain, "localOnly": "yes"})
    if spec.dns:
        dns = ET.SubElement(network, "dns")
        for server in spec.dns:
            ET.SubElement(dns, "forwarder", {"addr": str(ipaddress.ip_address(server))})
    if spec.cidr:
        subnet = ipaddress.IPv4Network(spec.cidr)
        if ipaddress.IPv4Address(spec.gateway) not in subnet:
            raise ValueError(f"The gateway {spec.gateway} is not in {spec.cidr}.")
        _add_dhcp(network, spec.uuid, spec.gateway, subnet)
    if spec.six is not None:
        _add_six(network, spec.uuid, spec.six)
    return network


def _add_six(network: ET.Element, uuid: UUID, six: Ipv6Range) -> None:
    subnet = ipaddress.IPv6Network(six.cidr)
    if ipaddress.IPv6Address(six.gateway) not in subnet:
        raise ValueError(f"The gateway {six.gateway} is not in {six.cidr}.")
    own = {"address": six.gateway, "prefix": str(subnet.prefixlen), "family": "ipv6"}
    address = ET.SubElement(network, "ip", own)
    if six.mode == "dhcpv6-stateful":
        # With an entry, and only so, the advertisements leave the addresses to us.
        dhcp = ET.SubElement(address, "dhcp")
        ET.SubElement(dhcp, "host", {"id": _DUID_LL + bridge_mac(uuid), "ip": six.gateway})
    elif six.mode == "dhcpv6-stateless":
        # Beside libvirt's own range, which says that there is nothing to ask for.
        options = ET.SubElement(network, f"{{{_DNSMASQ}}}options")
        text = f"dhcp-range={subnet.network_address},ra-stateless,{subnet.prefixlen}"
        ET.SubElement(options, f"{{{_DNSMASQ}}}option", {"value": text})


def _plain(spec: PlainNetworkSpec) -> ET.Element:
    network = _named(spec)
    if spec.has_six and not spec.is_found:
        network.set("ipv6", "yes")
    if spec.is_found:
        ET.SubElement(network, "forward", {"mode": "bridge"})
        ET.SubElement(network, "bridge", {"name": spec.bridge})
        return network
    _add_bridge(network, spec)
    if not spec.dhcp_address:
        return network
    subnet = ipaddress.IPv4Network(spec.cidr)
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
    """Define, start and autostart the network where it is not yet, or has other addresses there.

    Raises:
        AlreadyThere: a network of that name is another one.
        Busy: guests run on it, with other addresses of the host's.
    """
    wanted = network_xml(spec)
    network = find(raw.networkLookupByName, spec.name)
    if network is None:
        network = raw.networkDefineXML(wanted)
    elif network.UUIDString() != str(spec.uuid):
        raise AlreadyThere(f"A network {spec.name} exists with the id {network.UUIDString()}.")
    elif _addresses(network.XMLDesc()) != _addresses(wanted):
        _readdress(network)
        network = raw.networkDefineXML(wanted)
    if not network.isActive():
        _start(network)
    if not network.autostart():
        network.setAutostart(1)


def _addresses(xml: str) -> set[tuple[str, str, bool]]:
    """The host's own on the network, with their prefixes, and whether IPv6 is given or made.

    The rest is not compared: what an admin has changed stays.
    """
    root = ET.fromstring(xml)  # noqa: S314 - our own or libvirt's output
    return {
        (
            each.get("address", ""),
            each.get("prefix", ""),
            each.get("family") == "ipv6" and each.find("dhcp") is not None,
        )
        for each in root.iterfind("ip")
    }


def _readdress(network: Any) -> None:
    """Stop a network that nobody is on, to be defined anew."""
    root = ET.fromstring(network.XMLDesc())  # noqa: S314 - libvirt's own output
    if int(root.get("connections", "0")):
        raise Busy(f"Guests run on the network {network.name()}, whose addresses have changed.")
    if network.isActive():
        network.destroy()


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
    """Give the card this address; an entry of the same card with another of its family goes.

    The name is told to the card too, unless another card of the network has it already.

    Raises:
        NotThere: no such network.
        AlreadyThere: the address is given to another card.
    """
    network = raw.networkLookupByName(name)
    wanted_version = DhcpHost(mac, ip, None).version
    place = _place(network, ip)
    for flags, all_entries in _entries(network):
        entries = [entry for entry in all_entries if entry.version == wanted_version]
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
            network.update(_DELETE, _SECTION, place, _host_xml(entry), flags)
        network.update(_ADD, _SECTION, place, _host_xml(wanted), flags)


@on_host(_START_S)
def remove_dhcp_host(raw: Any, name: str, mac: str) -> None:
    """Take the card's entry away. Absent is fine, also the network."""
    network = find(raw.networkLookupByName, name)
    if network is None:
        return
    for flags, entries in _entries(network):
        for entry in entries:
            if entry.mac == mac.lower():
                place = _place(network, entry.ip)
                network.update(_DELETE, _SECTION, place, _host_xml(entry), flags)


@on_host()
def list_dhcp_hosts(raw: Any, name: str) -> list[DhcpHost]:
    """The network's entries as they are kept, without the bridge's own.

    Raises:
        NotThere: no such network.
    """
    network = raw.networkLookupByName(name)
    return read_entries(network.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE))


def _place(network: Any, ip: str) -> int:
    """Which of the network's ranges has the address, counted from 0; -1 lets libvirt choose."""
    root = ET.fromstring(network.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE))  # noqa: S314 - libvirt's own output
    address = ipaddress.ip_address(ip)
    for index, each in enumerate(root.iterfind("ip")):
        own = f"{each.get('address')}/{each.get('prefix') or each.get('netmask')}"
        if address in ipaddress.ip_network(own, strict=False):
            return index
    return -1


def _entries(network: Any) -> list[tuple[int, list[DhcpHost]]]:
    """What to change and what it holds: both at once where the running network and the kept agree.

    They differ only when a caller died between the two, or an admin changed one of them.
    """
    kept = read_entries(network.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE))
    if not network.isActive():
        return [(_CONFIG, kept)]
    live = read_entries(network.XMLDesc())
    if set(live) == set(kept):
        return [(_BOTH, kept)]
    return [(libvirt.VIR_NETWORK_UPDATE_AFFECT_LIVE, live), (_CONFIG, kept)]


def read_entries(xml: str) -> list[DhcpHost]:
    """The static entries of a network's definition, without the bridge's own."""
    root = ET.fromstring(xml)  # noqa: S314 - libvirt's own output
    bridge = root.find("mac")
    own = None if bridge is None else bridge.get("address")
    entries = [
        DhcpHost(_card(host).lower(), host.get("ip", ""), host.get("name"))
        for host in root.iterfind("ip/dhcp/host")
    ]
    return [entry for entry in entries if entry.mac != own]


def _card(host: ET.Element) -> str:
    return host.get("mac") or host.get("id", "").removeprefix(_DUID_LL)


def _host_xml(entry: DhcpHost) -> str:
    card = {"mac": entry.mac} if entry.version == 4 else {"id": _DUID_LL + entry.mac}
    attributes = {**card, "ip": entry.ip}
    if entry.hostname:
        attributes["name"] = entry.hostname
    return ET.tostring(ET.Element("host", attributes), encoding="unicode")
