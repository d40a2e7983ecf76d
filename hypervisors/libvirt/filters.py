"""A port's packet filter on its host: what it may send as, and what may reach it.

Two floors. Frames: only the port's own MAC and addresses leave it, no rogue DHCP server or router
advertisement, nothing but IP and ARP. Packets: with rules, only what a rule allows, and the answers
to it. The packet rules need the host's bridge to pass frames to iptables
(net.bridge.bridge-nf-call-iptables), which is the kernel's default once br_netfilter is loaded.
Source: https://libvirt.org/formatnwfilter.html
"""

import ipaddress
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal
from xml.etree import ElementTree as ET

from hypervisors.libvirt.connection import on_host
from hypervisors.libvirt.storage import find

FILTER_PREFIX = "cp-port-"
_NAMESPACE = uuid.UUID("5f0d3a43-8a3f-4ab5-9d5b-3f5a2c9a6a51")
Protocol = Literal["tcp", "udp", "sctp", "icmp", "igmp", "esp", "ah", "udplite"]
FilterRules = list[tuple[object, ...]]
# Who is there, which routers are, and who listens to which group (RFC 4861, 2710, 3810): without
# these there is no IPv6. A guest that advertises itself as a router is stopped among the frames.
_NEIGHBOURS = {"in": (130, 134, 135, 136), "out": (131, 132, 133, 135, 136, 143)}
_PROTOCOLS_WITH_PORTS = ("tcp", "udp", "sctp")


@dataclass(frozen=True)
class FilterRule:
    """Something allowed; what no rule allows is dropped.

    `ports` is first and last of the destination's ports for tcp, udp and sctp, type and code (or
    None) for icmp. `remote` is the other side's network. Protocol None is any.
    """

    direction: Literal["in", "out"]
    protocol: Protocol | None = None
    ports: tuple[int, int | None] | None = None
    remote: str | None = None
    family: Literal["ipv4", "ipv6"] = "ipv4"


@dataclass(frozen=True)
class FilterSpec:
    """A port and what it may do; rules None lets all packets pass that are not forged.

    `pairs` are MAC addresses, each with an address or network, that it may send as besides.
    `is_open`: there is no filtering at all, of forged frames neither.
    """

    port_id: str
    mac: str
    addresses: tuple[str, ...]
    rules: tuple[FilterRule, ...] | None = None
    is_open: bool = False
    pairs: tuple[tuple[str, str], ...] = ()


def filter_name(port_id: str) -> str:
    """The name of a port's filter."""
    return FILTER_PREFIX + port_id


def filter_xml(spec: FilterSpec) -> str:
    """The filter's definition.

    Raises:
        ValueError: an address or a network is none, or is of the other family.
    """
    name = filter_name(spec.port_id)
    root = ET.Element("filter", {"name": name, "chain": "root"})
    # libvirt refuses the same name under another uuid, so the name decides it.
    ET.SubElement(root, "uuid").text = str(uuid.uuid5(_NAMESPACE, name))
    if spec.is_open:
        return ET.tostring(root, encoding="unicode")
    given = [ipaddress.ip_address(text) for text in spec.addresses]
    four = [str(address) for address in given if address.version == 4]
    six = [str(address) for address in given if address.version == 6]
    _add_arp(root, spec.mac, four)
    _add_ipv4(root, spec.mac, four)
    _add_ipv6(root, spec.mac, six)
    for mac, text in spec.pairs:
        _add_pair(root, mac, ipaddress.ip_network(text))
    # After a migration QEMU makes the guest's new place known to the switches by RARP.
    _rule(root, "accept", "out", -500, "mac", srcmacaddr=spec.mac, protocolid="rarp")
    # Whatever was not accepted is forged or none of the guest's business. One such rule for all
    # and only outwards: each rule is a run of ebtables, some 20 ms of a guest's start.
    _rule(root, "drop", "out", -100, "mac")
    if spec.rules is not None:
        has_six = any(ipaddress.ip_network(text).version == 6 for _, text in spec.pairs)
        _add_packet_rules(root, spec.rules, has_six=has_six or bool(six))
    return ET.tostring(root, encoding="unicode")


@on_host()
def ensure_filter(raw: Any, spec: FilterSpec) -> None:
    """Define the filter, or change it; guests that use it follow at once."""
    wanted = filter_xml(spec)
    existing = find(raw.nwfilterLookupByName, filter_name(spec.port_id))
    if existing is None or canonical_rules(existing.XMLDesc(0)) != canonical_rules(wanted):
        raw.nwfilterDefineXML(wanted)


@on_host()
def change_filter(raw: Any, spec: FilterSpec) -> bool:
    """Change the filter, for guests that use it at once; False where there is none to change."""
    wanted = filter_xml(spec)
    existing = find(raw.nwfilterLookupByName, filter_name(spec.port_id))
    if existing is None:
        return False
    if canonical_rules(existing.XMLDesc(0)) != canonical_rules(wanted):
        raw.nwfilterDefineXML(wanted)
    return True


@on_host()
def remove_filter(raw: Any, port_id: str) -> None:
    """Forget the port's filter. Absent is fine.

    Raises:
        WrongState: a guest that runs uses it; libvirt keeps it until that one stops.
    """
    existing = find(raw.nwfilterLookupByName, filter_name(port_id))
    if existing is not None:
        find(existing.undefine)


@on_host()
def list_filters(raw: Any, prefix: str = FILTER_PREFIX) -> list[str]:
    """Names of the host's filters that begin so, sorted."""
    names = (each.name() for each in raw.listAllNWFilters())
    return sorted(name for name in names if name.startswith(prefix))


def link_local(mac: str) -> str:
    """The IPv6 address a card gives itself (RFC 4291, appendix A)."""
    octets = [int(part, 16) for part in mac.split(":")]
    octets[0] ^= 2
    eui64 = bytes([*octets[:3], 0xFF, 0xFE, *octets[3:]])
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + eui64))


def _rule(
    root: ET.Element, action: str, direction: str, priority: int, tag: str, **match: str
) -> ET.Element:
    attributes = {"action": action, "direction": direction, "priority": str(priority)}
    rule = ET.SubElement(root, "rule", attributes)
    ET.SubElement(rule, tag, match)
    return rule


def _add_arp(root: ET.Element, mac: str, addresses: Iterable[str]) -> None:
    # 0.0.0.0 asks whether an address is free (RFC 5227), before the guest takes it.
    for address in (*addresses, "0.0.0.0"):  # noqa: S104 - an address to match, not to listen on
        match = {"srcmacaddr": mac, "arpsrcmacaddr": mac, "arpsrcipaddr": address}
        _rule(root, "accept", "out", -800, "arp", **match)


def _add_ipv4(root: ET.Element, mac: str, addresses: Iterable[str]) -> None:
    _rule(root, "drop", "out", -700, "ip", protocol="udp", srcportstart="67")
    _rule(
        root, "accept", "out", -690, "ip", srcmacaddr=mac,
        srcipaddr="0.0.0.0", dstipaddr="255.255.255.255", protocol="udp",  # noqa: S104 - as above
        srcportstart="68", dstportstart="67",
    )  # fmt: skip
    for address in addresses:
        _rule(root, "accept", "out", -680, "ip", srcmacaddr=mac, srcipaddr=address)


def _add_ipv6(root: ET.Element, mac: str, addresses: list[str]) -> None:
    if not addresses:
        return  # then IPv6 is among what the last frame rule drops
    _rule(root, "drop", "out", -600, "ipv6", protocol="udp", srcportstart="547")
    _rule(root, "drop", "out", -600, "ipv6", protocol="icmpv6", type="134")
    # "::" looks for a duplicate of an address (RFC 4862) before the guest takes it.
    for address in (*addresses, link_local(mac), "::"):
        _rule(root, "accept", "out", -580, "ipv6", srcmacaddr=mac, srcipaddr=address)


def _add_pair(
    root: ET.Element, mac: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network
) -> None:
    # As libvirt itself writes masks, so that the two are the same when compared.
    address, mask = str(network.network_address), str(network.prefixlen)
    if network.version == 6:
        for source in ({"srcipaddr": address, "srcipmask": mask}, {"srcipaddr": link_local(mac)}):
            _rule(root, "accept", "out", -580, "ipv6", srcmacaddr=mac, **source)
        return
    match = {"srcmacaddr": mac, "arpsrcmacaddr": mac, "arpsrcipaddr": address}
    _rule(root, "accept", "out", -800, "arp", **match, arpsrcipmask=mask)
    source = {"srcipaddr": address, "srcipmask": mask}
    _rule(root, "accept", "out", -680, "ip", srcmacaddr=mac, **source)


def _add_packet_rules(root: ET.Element, rules: Iterable[FilterRule], *, has_six: bool) -> None:
    # The DHCP answer is no reply to the guest's broadcast in the eyes of connection tracking.
    _rule(root, "accept", "in", 100, "udp", srcportstart="67", dstportstart="68")
    _rule(root, "accept", "out", 100, "udp", srcportstart="68", dstportstart="67")
    if has_six:
        for direction, numbers in _NEIGHBOURS.items():
            for number in numbers:
                # They belong to no connection; and of "inout" with a type libvirt makes nothing.
                made = _rule(root, "accept", direction, 100, "icmpv6", type=str(number))
                made.set("statematch", "false")
        # A guest may ask for its address from the link's own, and is answered there.
        link = {"srcipaddr": "fe80::", "srcipmask": "10"}
        _rule(root, "accept", "in", 100, "udp-ipv6", srcportstart="547", dstportstart="546", **link)
        _rule(
            root, "accept", "out", 100, "udp-ipv6", srcportstart="546", dstportstart="547", **link
        )
    else:
        # One frame rule in the place of a dozen packet rules for what such a port never has.
        _rule(root, "drop", "in", -100, "ipv6")
    for rule in rules:
        tag: str = rule.protocol or "all"
        if rule.family == "ipv6":
            tag = "icmpv6" if rule.protocol == "icmp" else f"{tag}-ipv6"
        _rule(root, "accept", rule.direction, 500, tag, **_match(rule))
    for tag in ("all", "all-ipv6") if has_six else ("all",):
        _rule(root, "drop", "inout", 1000, tag)


def _match(rule: FilterRule) -> dict[str, str]:
    match: dict[str, str] = {}
    if rule.remote is not None:
        network = ipaddress.ip_network(rule.remote)
        if f"ipv{network.version}" != rule.family:
            raise ValueError(f"The network {rule.remote} is not of the family {rule.family}.")
        side = "src" if rule.direction == "in" else "dst"
        match[f"{side}ipaddr"] = str(network.network_address)
        match[f"{side}ipmask"] = str(network.prefixlen)
    if rule.ports is not None:
        match.update(_port_match(rule.protocol, rule.ports))
    return match


def _port_match(protocol: str | None, ports: tuple[int, int | None]) -> dict[str, str]:
    first, last = ports
    if protocol == "icmp":
        return {"type": str(first)} | ({} if last is None else {"code": str(last)})
    if protocol not in _PROTOCOLS_WITH_PORTS:
        raise ValueError("Ports need a protocol that has them.")
    return {"dstportstart": str(first), "dstportend": str(first if last is None else last)}


def canonical_rules(xml: str) -> FilterRules:
    """The rules as libvirt means them, whatever order and spelling its printer chooses."""
    root = ET.fromstring(xml)  # noqa: S314 - our own or libvirt's output
    return sorted(
        (
            *sorted(rule.attrib.items()),
            *((match.tag, *sorted(_plain(match.attrib).items())) for match in rule),
        )
        for rule in root.iterfind("rule")
    )


def _plain(attributes: dict[str, str]) -> dict[str, str]:
    return {name: value.lower() for name, value in attributes.items()}
