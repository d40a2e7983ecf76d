"""What joins a network's bridges on several hosts: a VLAN interface, or a VXLAN tunnel, of each.

libvirt makes the bridge, as it does for NAT networks; a VLAN or a tunnel it cannot make, so these
are made with iproute2 and joined to that bridge. On every host the bridge has the same MAC address
and the same IP address, from which the host serves its own guests. A table of nftables keeps both,
and DHCP, from leaving by the wire or coming in by it, so that no host serves another one's guests.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from typing import Any, Literal
from uuid import UUID

from hypervisors.libvirt.connection import Connection
from hypervisors.libvirt.errors import AlreadyThere, Busy, DriverError, Unsupported
from hypervisors.libvirt.network import bridge_mac
from hypervisors.libvirt.shell import run_on_host, succeed_on_host

VXLAN_PORT = 4789
VXLAN_OVERHEAD = 50
VLAN_IDS = range(1, 4095)
VXLAN_IDS = range(1, 1 << 24)
# Frames for addresses that the tunnel has not learned yet, and for everybody.
_EVERYBODY = "00:00:00:00:00:00"
# Before whatever else looks at bridged frames, and after it.
_FIRST, _LAST = -400, 400
_LIMIT = 15
_TRIES = 3
_LOST_RACES = ("File exists", "Cannot find device")
_MODULES = {"vlan": "VLANs (8021q)", "vxlan": "VXLAN tunnels (vxlan)"}


@dataclass(frozen=True)
class SegmentSpec:
    """The wire of one network on one host; `number` is the VLAN's or the tunnel's.

    `parent` is the interface that carries a VLAN. A tunnel begins at the address `local` and leads
    to `peers`. `own_address` is the host's on the bridge; "" where it has none.
    """

    network_id: UUID
    bridge: str
    kind: Literal["vlan", "vxlan"]
    number: int
    mtu: int
    parent: str = ""
    local: str = ""
    peers: tuple[str, ...] = ()
    own_address: str = ""


@dataclass(frozen=True)
class Link:
    """An interface as the kernel has it; `facts` are those of its kind."""

    name: str
    also: frozenset[str]
    kind: str
    mtu: int
    master: str
    parent: str
    is_up: bool
    facts: Mapping[str, Any]


def wire_name(network_id: UUID) -> str:
    """The name of the network's VLAN or tunnel on every host."""
    return f"cpw{network_id.hex[:8]}"


def guard_name(network_id: UUID) -> str:
    """The name of the table that guards it."""
    return f"cloudportal_{network_id.hex[:8]}"


def ensure_segment(connection: Connection, spec: SegmentSpec, *, is_exact: bool) -> None:
    """Join the bridge, which is there, to the others; again changes nothing.

    `is_exact`: other ends of the tunnel than the peers are taken away.

    Raises:
        HostUnreachable: it does not answer.
        Unsupported: it lacks a program, a module of the kernel, or the VLAN's interface.
        AlreadyThere: another interface has the VLAN or the tunnel.
        ValueError: an address or a number is none.
    """
    guard = guard_rules(spec)
    lines = link_commands(spec, _links(connection))
    # First, so that nothing passes without it.
    succeed_on_host(connection, ["nft", "-f", "-"], given=guard)
    for _ in range(_TRIES):
        if not lines or _set_links(connection, spec, lines):
            break
        lines = link_commands(spec, _links(connection))
    else:
        raise Busy(f"Others keep changing {wire_name(spec.network_id)}.")
    if spec.kind == "vxlan":
        _flood(connection, spec, is_exact=is_exact)


def _set_links(connection: Connection, spec: SegmentSpec, lines: Iterable[str]) -> bool:
    """False where somebody else who needs the wire was faster, so that it is to be looked at."""
    given = "".join(f"{line}\n" for line in lines)
    ran = run_on_host(connection, ["ip", "-batch", "-"], given=given)
    if "Unknown device type" in ran.errors:
        raise Unsupported(f"The host's kernel has no {_MODULES[spec.kind]}.")
    if ran.status and not any(words in ran.errors for words in _LOST_RACES):
        raise DriverError(f"ip failed with {ran.status}: {ran.errors}")
    return ran.status == 0


def remove_segment(connection: Connection, network_id: UUID) -> None:
    """Take the wire and its table away. Absent is fine.

    Raises:
        HostUnreachable: it does not answer.
        DriverError: it refused a command.
    """
    name = wire_name(network_id)
    if any(each.name == name for each in _links(connection)):
        succeed_on_host(connection, ["ip", "link", "delete", name])
    begin = _anew(network_id)
    if run_on_host(connection, ["nft", "list", "table", *begin.split()[1:3]]).status == 0:
        succeed_on_host(connection, ["nft", "-f", "-"], given=begin)


def list_segments(connection: Connection) -> list[str]:
    """The names of the wires there, sorted."""
    names = (each.name for each in _links(connection) if each.kind in ("vlan", "vxlan"))
    return sorted(name for name in names if name.startswith("cpw"))


def find_bridge(connection: Connection, name: str) -> str:
    """The kernel's own name of a bridge of the host.

    Raises:
        Unsupported: the host has none of that name.
    """
    link = _named(_links(connection), name)
    if link is None or link.kind != "bridge":
        raise Unsupported(f"The host has no bridge {name}.")
    return link.name


def read_links(text: str) -> list[Link]:
    """What `ip -json -details link show` says."""
    return [_link(each) for each in json.loads(text or "[]") if each.get("ifname")]


def _link(each: Mapping[str, Any]) -> Link:
    info = each.get("linkinfo", {})
    return Link(
        name=each["ifname"],
        also=frozenset(each.get("altnames", ())),
        kind=info.get("info_kind", ""),
        mtu=int(each.get("mtu", 0)),
        master=each.get("master", ""),
        parent=each.get("link") or "",
        is_up="UP" in each.get("flags", ()),
        facts=info.get("info_data", {}),
    )


def link_commands(spec: SegmentSpec, links: Iterable[Link]) -> list[str]:
    """The lines of `ip -batch` that the host's interfaces need; none when all is so.

    Raises:
        Unsupported: the host lacks the interface that is to carry the VLAN.
        AlreadyThere: another interface has the VLAN or the tunnel.
        ValueError: an address, a number or a name is none.
    """
    links = list(links)
    name, bridge = wire_name(spec.network_id), _name(spec.bridge)
    facts, adding = _vlan(spec, links) if spec.kind == "vlan" else _vxlan(spec)
    _check_is_free(spec, facts, links, name)
    link = next((each for each in links if each.name == name), None)
    lines = []
    if link is not None and not _has(link, facts):
        lines.append(f"link delete {name}")
        link = None
    if link is None:
        lines.append(f"link add {adding}")
    wanted = (int(spec.mtu), bridge, True)
    if link is None or (link.mtu, link.master, link.is_up) != wanted:
        # An address of its own would answer where the bridge is to.
        lines.append(f"link set dev {name} addrgenmode none")
        lines.append(f"link set dev {name} mtu {int(spec.mtu)} master {bridge} up")
    return lines


def _vlan(spec: SegmentSpec, links: Iterable[Link]) -> tuple[dict[str, Any], str]:
    if spec.number not in VLAN_IDS:
        raise ValueError(f"{spec.number} is no VLAN.")
    parent = _named(links, spec.parent)
    if parent is None:
        raise Unsupported(f"The host has no interface {spec.parent}.")
    name, above = wire_name(spec.network_id), _name(parent.name)
    return (
        {"kind": "vlan", "id": spec.number, "parent": above},
        f"link {above} name {name} type vlan id {spec.number}",
    )


def _vxlan(spec: SegmentSpec) -> tuple[dict[str, Any], str]:
    if spec.number not in VXLAN_IDS:
        raise ValueError(f"{spec.number} is no number of a tunnel.")
    local = ip_address(spec.local)
    name = wire_name(spec.network_id)
    key = "local" if local.version == 4 else "local6"
    return (
        {"kind": "vxlan", "id": spec.number, "port": VXLAN_PORT, key: str(local)},
        f"name {name} type vxlan id {spec.number} dstport {VXLAN_PORT} local {local}",
    )


def _has(link: Link, facts: Mapping[str, Any]) -> bool:
    there = {**link.facts, "kind": link.kind, "parent": link.parent}
    return all(there.get(key) == value for key, value in facts.items())


def _check_is_free(
    spec: SegmentSpec, facts: Mapping[str, Any], links: Iterable[Link], name: str
) -> None:
    """The kernel's own words for it would be "File exists"."""
    for each in links:
        # A tunnel of that number is one whatever address it begins at.
        same = {key: facts[key] for key in ("kind", "id", "port", "parent") if key in facts}
        if each.name != name and _has(each, same):
            raise AlreadyThere(f"The interface {each.name} has the {spec.kind} {spec.number}.")


def _named(links: Iterable[Link], name: str) -> Link | None:
    return next((each for each in links if name == each.name or name in each.also), None)


def _name(interface: str) -> str:
    """An interface's name as `ip -batch` and `nft` take it.

    Raises:
        ValueError: no kernel calls an interface so.
    """
    if not interface or len(interface) > _LIMIT or set("\"'\\/# \n\t") & set(interface):
        raise ValueError(f"{interface!r} is no name of an interface.")
    return interface


def _links(connection: Connection) -> list[Link]:
    return read_links(succeed_on_host(connection, ["ip", "-json", "-details", "link", "show"]))


def _anew(network_id: UUID) -> str:
    name = guard_name(network_id)
    return f"table bridge {name}\ndelete table bridge {name}\n"


def guard_rules(spec: SegmentSpec) -> str:
    """What `nft -f` reads: the old table away and this one in its place at once."""
    name, mac = wire_name(spec.network_id), bridge_mac(spec.network_id)
    rules = [f"ether saddr {mac} drop", f"ether daddr {mac} drop"]
    if spec.own_address:
        own = IPv4Address(spec.own_address)
        # Each host answers for it on its own bridge.
        rules += [f"arp saddr ip {own} drop", f"arp daddr ip {own} drop"]
        rules += ["udp dport { 67, 68 } drop"]
    chains = [
        _chain("inward", "prerouting", _FIRST, [f'iifname != "{name}" accept', *rules]),
        _chain("outward", "postrouting", _LAST, [f'oifname != "{name}" accept', *rules]),
    ]
    table = guard_name(spec.network_id)
    return _anew(spec.network_id) + "\n".join([f"table bridge {table} {{", *chains, "}", ""])


def _chain(name: str, hook: str, priority: int, rules: Iterable[str]) -> str:
    head = f"type filter hook {hook} priority {priority}; policy accept;"
    return "\n".join([f"\tchain {name} {{", *(f"\t\t{line}" for line in (head, *rules)), "\t}"])


def _flood(connection: Connection, spec: SegmentSpec, *, is_exact: bool) -> None:
    name = wire_name(spec.network_id)
    said = succeed_on_host(connection, ["bridge", "-json", "fdb", "show", "dev", name])
    lines = flood_commands(spec, read_flood(said), is_exact=is_exact)
    if lines:
        given = "".join(f"{line}\n" for line in lines)
        succeed_on_host(connection, ["bridge", "-batch", "-"], given=given)


def read_flood(text: str) -> set[str]:
    """The other ends that `bridge -json fdb show` names for frames to everybody."""
    entries = json.loads(text or "[]")
    return {each["dst"] for each in entries if each.get("mac") == _EVERYBODY and "dst" in each}


def flood_commands(spec: SegmentSpec, there: set[str], *, is_exact: bool) -> list[str]:
    """The lines of `bridge -batch` that bring the other ends up to date."""
    name = wire_name(spec.network_id)
    wanted = {str(ip_address(each)) for each in spec.peers}
    gone = sorted(there - wanted) if is_exact else []
    return [
        *(f"fdb append {_EVERYBODY} dev {name} dst {each}" for each in sorted(wanted - there)),
        *(f"fdb delete {_EVERYBODY} dev {name} dst {each}" for each in gone),
    ]
