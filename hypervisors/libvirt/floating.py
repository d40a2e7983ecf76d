"""Floating IPs of a host: a table of nftables, an accepting chain of iptables, and addresses.

The table is written whole: it translates each address to the server's own and back, and lets in
only what the port's rules let in, for libvirt's filters do not see what is routed to a guest. The
chain lies before libvirt's own, which lets no connection into a NAT network. The addresses lie on
the interface of the external network, so that the host answers for them.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from hypervisors.libvirt.connection import Connection
from hypervisors.libvirt.errors import Unsupported
from hypervisors.libvirt.filters import FilterRule
from hypervisors.libvirt.shell import run_on_host, succeed_on_host

TABLE = "cloudportal_floating"
CHAIN = "CLOUDPORTAL-FLOATING"
# libvirt's own chains: those of networks let nothing in, those of filters look at what is bridged.
_LIBVIRT_NETWORKS = "-j LIBVIRT_"
# Just before libvirt's masquerading and everybody's filters.
_BEFORE_NAT_IN, _BEFORE_FILTER, _BEFORE_NAT_OUT = -105, -5, 95
_PROTOCOLS = {
    "tcp": 6, "udp": 17, "sctp": 132, "icmp": 1, "igmp": 2, "esp": 50, "ah": 51, "udplite": 136
}  # fmt: skip


_TRANSLATED = re.compile(r"dnat to ip daddr map \{([^}]*)\}")
_PAIR = re.compile(r"([0-9.]+) : [0-9.]+")


@dataclass(frozen=True)
class FloatingAddress:
    """An address of the outside that is a server's, and where its network lies.

    `cidr` is the server's own network; `rules` what may come in, None everything. `uplink` names an
    interface or a bridge of the host; "" is the one by which the host reaches `gateway`.
    """

    address: str
    fixed_address: str
    cidr: str
    gateway: str
    uplink: str = ""
    rules: tuple[FilterRule, ...] | None = None


@dataclass(frozen=True)
class _Interface:
    name: str
    also: frozenset[str]
    addresses: frozenset[str]


def apply_floating(
    connection: Connection, wanted: Sequence[FloatingAddress], leaving: Sequence[str]
) -> dict[str, str]:
    """Let the host have these floating IPs and no other; `leaving` may be on its interfaces.

    What comes back are the addresses that it cannot have, for want of an interface, with the
    reason; they hold up no other. A host that has none and shall have none needs no programs.

    Raises:
        HostUnreachable: it does not answer.
        Unsupported: it lacks a program, or libvirt filters its networks by nftables there.
        DriverError: it refused a command.
    """
    known = _known(connection)
    if not wanted and not leaving and known is None:
        return {}
    if wanted:
        _refuse_nftables_of_libvirt(connection)
    interfaces = _interfaces(connection)
    uplinks, refused = _uplinks(connection, interfaces, wanted)
    staying = [each for each in wanted if each.address in uplinks]
    # Also what nobody remembers: the host's own table does.
    gone = [*leaving, *refused, *(each for each in known or () if each not in uplinks)]
    wrong, lacking = differences(uplinks, gone, interfaces_of(interfaces))
    _addresses(connection, (f"address del {address}/32 dev {name}" for address, name in wrong))
    succeed_on_host(connection, ["nft", "-f", "-"], given=ruleset(staying, uplinks))
    _let_in(connection, [each.fixed_address for each in staying])
    _addresses(connection, (f"address replace {each}/32 dev {name}" for each, name in lacking))
    _forget_connections(connection, leaving)
    _announce(connection, lacking)
    return refused


def ruleset(addresses: Sequence[FloatingAddress], uplinks: Mapping[str, str]) -> str:
    """What `nft -f` reads: the old table away, and the new one, or none, in its place at once.

    Raises:
        ValueError: an address or a network is none.
    """
    begin = [f"table ip {TABLE}", f"delete table ip {TABLE}"]
    if not addresses:
        return "\n".join([*begin, ""])
    inward = _pairs((each.address, each.fixed_address) for each in addresses)
    known = ", ".join(_address(each.address) for each in addresses)
    # A server may have one of each outside: what may come in is the same.
    guards = {_address(each.fixed_address): each.rules for each in addresses}
    goes_to = ", ".join(f"{fixed} : goto guard{number}" for number, fixed in enumerate(guards))
    guarded = f"ct status dnat ct direction original ip daddr vmap {{ {goes_to} }}"
    translated = f"dnat to ip daddr map {{ {inward} }}"
    chains = [
        *(_guard(f"guard{number}", rules) for number, rules in enumerate(guards.values())),
        _hooked("prerouting", "nat", _BEFORE_NAT_IN, [translated]),
        _hooked("output", "nat", _BEFORE_NAT_IN, [translated]),
        _hooked("forward", "filter", _BEFORE_FILTER, [guarded]),
        _chain(
            "local",
            [f"type filter hook output priority {_BEFORE_FILTER}; policy accept;", guarded],
        ),
        _hooked("postrouting", "nat", _BEFORE_NAT_OUT, _outward(addresses, uplinks, known)),
    ]
    return "\n".join([*begin, f"table ip {TABLE} {{", *chains, "}", ""])


def _outward(
    addresses: Sequence[FloatingAddress], uplinks: Mapping[str, str], known: str
) -> list[str]:
    """What leaves: by the outside under the floating IP; to a neighbour so that answers return."""
    networks = sorted({str(IPv4Network(each.cidr)) for each in addresses})
    by_uplink: dict[str, dict[str, str]] = {}
    for each in addresses:
        # Of two outsides on one interface the first is the server's way out.
        by_uplink.setdefault(uplinks[each.address], {}).setdefault(each.fixed_address, each.address)
    return [
        # The host itself speaks from the very address that it speaks to.
        f"ct status dnat ip saddr {{ {known} }} masquerade",
        *(f"ct status dnat ip saddr {each} ip daddr {each} masquerade" for each in networks),
        *(
            f'oifname "{_name(uplink)}" snat to ip saddr map {{ {_pairs(pairs.items())} }}'
            for uplink, pairs in sorted(by_uplink.items())
        ),
    ]


def _guard(name: str, rules: Iterable[FilterRule] | None) -> str:
    if rules is None:
        return _chain(name, ["accept"])
    inward = [rule for rule in rules if rule.direction == "in" and rule.family == "ipv4"]
    return _chain(name, [*(_accept(rule) for rule in inward), "drop"])


def _accept(rule: FilterRule) -> str:
    words = []
    if rule.remote is not None:
        words.append(f"ip saddr {IPv4Network(rule.remote)}")
    if rule.protocol is not None and rule.ports is None:
        words.append(f"meta l4proto {_PROTOCOLS[rule.protocol]}")
    elif rule.protocol == "icmp" and rule.ports is not None:
        kind, code = rule.ports
        words.append(f"icmp type {int(kind)}" + ("" if code is None else f" icmp code {int(code)}"))
    elif rule.protocol is not None and rule.ports is not None:
        first, last = rule.ports
        ports = str(int(first)) if last in (None, first) else f"{int(first)}-{int(last or first)}"
        words.append(f"{rule.protocol} dport {ports}")
    return " ".join([*words, "accept"])


def _hooked(name: str, kind: str, priority: int, rules: Iterable[str]) -> str:
    return _chain(name, [f"type {kind} hook {name} priority {priority}; policy accept;", *rules])


def _chain(name: str, lines: Iterable[str]) -> str:
    return "\n".join([f"\tchain {name} {{", *(f"\t\t{line}" for line in lines), "\t}"])


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{_address(before)} : {_address(after)}" for before, after in pairs)


def _address(text: str) -> str:
    return str(IPv4Address(text))


def _name(interface: str) -> str:
    """An interface's name as nft takes it between quotes.

    Raises:
        ValueError: no kernel calls an interface so.
    """
    if not interface or len(interface) > 15 or set('"\\/ \n\t') & set(interface):
        raise ValueError(f"{interface!r} is no name of an interface.")
    return interface


def restored_chain(fixed_addresses: Iterable[str]) -> str:
    """What `iptables-restore --noflush` reads: the chain anew, and nothing else changed."""
    rules = [
        f"-A {CHAIN} -d {_address(each)}/32 -m conntrack --ctstate DNAT -j ACCEPT"
        for each in dict.fromkeys(fixed_addresses)
    ]
    return "\n".join(["*filter", f":{CHAIN} - [0:0]", *rules, "COMMIT", ""])


def differences(
    uplinks: Mapping[str, str], leaving: Iterable[str], has: Mapping[str, Iterable[str]]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Pairs of address and interface: those to be taken away, and those that are lacking."""
    concerned = set(uplinks) | set(leaving)
    here = {(each, name) for name, found in has.items() for each in found if each in concerned}
    wanted = set(uplinks.items())
    return sorted(here - wanted), sorted(wanted - here)


def interfaces_of(interfaces: Iterable[_Interface]) -> dict[str, frozenset[str]]:
    """By interface the single addresses that it has."""
    return {each.name: each.addresses for each in interfaces}


def read_interfaces(text: str) -> list[_Interface]:
    """What `ip -json address show` says; only addresses of a single host, as ours are."""
    return [
        _Interface(
            each["ifname"],
            frozenset(each.get("altnames", ())),
            frozenset(
                found["local"]
                for found in each.get("addr_info", ())
                if found.get("family") == "inet" and found.get("prefixlen") == 32
            ),
        )
        for each in json.loads(text)
        if each.get("ifname")
    ]


def _interfaces(connection: Connection) -> list[_Interface]:
    return read_interfaces(succeed_on_host(connection, ["ip", "-json", "address", "show"]))


def _uplinks(
    connection: Connection, interfaces: Sequence[_Interface], wanted: Iterable[FloatingAddress]
) -> tuple[dict[str, str], dict[str, str]]:
    """By address the interface that its network lies on, or why there is none."""
    asked: dict[tuple[str, str], tuple[str, str]] = {}
    found: dict[str, str] = {}
    refused: dict[str, str] = {}
    for each in wanted:
        key = (each.uplink, each.gateway)
        if key not in asked:
            asked[key] = _uplink(connection, interfaces, each)
        name, reason = asked[key]
        if reason:
            refused[each.address] = reason
        else:
            found[each.address] = name
    return found, refused


def _uplink(
    connection: Connection, interfaces: Iterable[_Interface], wanted: FloatingAddress
) -> tuple[str, str]:
    """The interface's own name, or "" and why there is none."""
    if wanted.uplink:
        for each in interfaces:
            if wanted.uplink == each.name or wanted.uplink in each.also:
                return each.name, ""
        return "", f"The host has no interface {wanted.uplink}."
    ran = run_on_host(connection, ["ip", "-json", "route", "get", _address(wanted.gateway)])
    routes: list[dict[str, Any]] = json.loads(ran.output or "[]") if ran.status == 0 else []
    name = str(routes[0].get("dev", "")) if routes else ""
    if name in ("", "lo"):
        return "", f"No interface of the host leads to the gateway {wanted.gateway}."
    return name, ""


def _refuse_nftables_of_libvirt(connection: Connection) -> None:
    ran = run_on_host(connection, ["nft", "list", "table", "ip", "libvirt_network"])
    if ran.is_missing:
        raise Unsupported("The program nft is missing on the host: install nftables there.")
    if ran.status == 0:
        raise Unsupported(
            "libvirt filters this host's networks by nftables, where no connection from outside "
            'can be let in: set firewall_backend = "iptables" in its network.conf.'
        )


def _known(connection: Connection) -> list[str] | None:
    """The addresses in the host's present table; None where there is none."""
    ran = run_on_host(connection, ["nft", "list", "table", "ip", TABLE])
    return None if ran.status else read_table(ran.output)


def read_table(text: str) -> list[str]:
    """The addresses that a table, as nft prints it, translates to others."""
    found = _TRANSLATED.search(text)
    return _PAIR.findall(found[1]) if found else []


def _let_in(connection: Connection, fixed_addresses: Sequence[str]) -> None:
    before = succeed_on_host(connection, ["iptables", "-w", "-S", "FORWARD"]).splitlines()
    rules = [line for line in before if line.startswith("-A ")]
    jumps = [number for number, line in enumerate(rules, 1) if line.endswith(f"-j {CHAIN}")]
    if not fixed_addresses and not jumps:
        _drop_chain(connection)
        return
    restore = ["iptables-restore", "-w", "--noflush"]
    succeed_on_host(connection, restore, given=restored_chain(fixed_addresses))
    place = next((n for n, line in enumerate(rules, 1) if _LIBVIRT_NETWORKS in line), 0)
    if fixed_addresses and len(jumps) == 1 and (not place or jumps[0] < place):
        return
    for number in reversed(jumps):
        succeed_on_host(connection, ["iptables", "-w", "-D", "FORWARD", str(number)])
    if not fixed_addresses:
        _drop_chain(connection)
        return
    place = max(1, place - sum(number < place for number in jumps))
    succeed_on_host(connection, ["iptables", "-w", "-I", "FORWARD", str(place), "-j", CHAIN])


def _drop_chain(connection: Connection) -> None:
    """Absent is fine."""
    if run_on_host(connection, ["iptables", "-w", "-F", CHAIN]).status == 0:
        succeed_on_host(connection, ["iptables", "-w", "-X", CHAIN])


def _addresses(connection: Connection, lines: Iterable[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    if text:
        succeed_on_host(connection, ["ip", "-batch", "-"], given=text)


def _forget_connections(connection: Connection, leaving: Iterable[str]) -> None:
    """End what goes on through addresses that are no more; without the tool it ends by itself."""
    for address in leaving:
        for side in ("--orig-dst", "--reply-dst"):
            words = ["conntrack", "-D", side, _address(address)]
            if run_on_host(connection, words).is_missing:
                return


def _announce(connection: Connection, lacking: Iterable[tuple[str, str]]) -> None:
    """Tell the neighbours who has the addresses now; without the tool they find out by asking."""
    for address, name in lacking:
        words = ["arping", "-U", "-c", "2", "-w", "2", "-I", name, address]
        if run_on_host(connection, words).is_missing:
            return
