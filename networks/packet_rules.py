"""What the filters of ports should be: the rules of their security groups, for their addresses.

A rule whose other side is a group becomes a rule for each address that the group's ports have on
the same network: ports of different networks do not meet but through their hosts' routing, which
lets nobody in. A port that may send and receive everything needs no packet rules at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import collapse_addresses, ip_network
from typing import Any
from uuid import UUID

from hypervisors.links import FilterRule, FilterSpec
from networks.models import FixedIP, Port, SecurityGroupRule

_FAMILIES = {"IPv4": "ipv4", "IPv6": "ipv6"}
_DIRECTIONS = {"ingress": "in", "egress": "out"}
# What hosts can tell apart, under the names and numbers of the network service; "" is all.
PROTOCOLS = {
    "": None,
    **dict.fromkeys(("tcp", "6"), "tcp"),
    **dict.fromkeys(("udp", "17"), "udp"),
    **dict.fromkeys(("sctp", "132"), "sctp"),
    **dict.fromkeys(("icmp", "1", "icmpv6", "ipv6-icmp", "58"), "icmp"),
    **dict.fromkeys(("igmp", "2"), "igmp"),
    **dict.fromkeys(("esp", "50"), "esp"),
    **dict.fromkeys(("ah", "51"), "ah"),
    **dict.fromkeys(("udplite", "136"), "udplite"),
}
WITH_PORTS = ("tcp", "udp", "sctp")

# By group and network the addresses there.
_Members = Mapping[tuple[UUID, UUID], Collection[str]]


def port_filter(port: Port) -> FilterSpec:
    """The filter that a port has on its host."""
    return port_filters([port])[port.pk]


def port_filters(ports: Collection[Port]) -> dict[UUID, FilterSpec]:
    """The filters of some ports, by their ids; a constant number of queries.

    The ports' fixed IPs are read from the rows, so they may have been prefetched.
    """
    groups = _groups_of(ports)
    rules = _rules_of({group for each in groups.values() for group in each})
    members = _members(rules)
    return {port.pk: _filter(port, groups.get(port.pk, ()), rules, members) for port in ports}


def _filter(
    port: Port,
    groups: Iterable[UUID],
    rules: Mapping[UUID, list[SecurityGroupRule]],
    members: _Members,
) -> FilterSpec:
    addresses = tuple(each.address for each in port.fixed_ips.all())
    common: dict[str, Any] = {
        "port_id": str(port.pk), "mac": port.mac_address, "addresses": addresses,
        "pairs": tuple((mac, network) for mac, network in port.address_pairs),
    }  # fmt: skip
    if not port.has_port_security:
        return FilterSpec(**common, is_open=True)
    own = [rule for group in groups for rule in rules.get(group, ())]
    if _lets_everything_through(own):
        return FilterSpec(**common)
    besides = [network for _, network in port.address_pairs]
    families = {f"IPv{ip_network(each).version}" for each in (*addresses, *besides)} or {"IPv4"}
    found = {
        made
        for rule in own
        if rule.ethertype in families
        for made in _packet_rules(rule, port, addresses, members)
    }
    return FilterSpec(**common, rules=tuple(sorted(found, key=repr)))


def _lets_everything_through(rules: Iterable[SecurityGroupRule]) -> bool:
    free = {
        (rule.direction, rule.ethertype)
        for rule in rules
        if not rule.protocol and not rule.remote_ip_prefix and rule.remote_group_id is None
    }
    return len(free) == len(_DIRECTIONS) * len(_FAMILIES)


def _packet_rules(
    rule: SecurityGroupRule, port: Port, addresses: Collection[str], members: _Members
) -> Iterator[FilterRule]:
    protocol = PROTOCOLS[rule.protocol]
    for remote in _remotes(rule, port, addresses, members):
        yield FilterRule(
            direction=_DIRECTIONS[rule.direction],  # type: ignore[arg-type]  # the same words
            protocol=protocol,  # type: ignore[arg-type]  # the same words
            ports=_ports(rule, protocol),
            remote=remote,
            family=_FAMILIES[rule.ethertype],  # type: ignore[arg-type]  # the same words
        )


def _ports(rule: SecurityGroupRule, protocol: str | None) -> tuple[int, int | None] | None:
    if protocol is None or rule.port_range_min is None:
        return None
    return rule.port_range_min, rule.port_range_max


def _remotes(
    rule: SecurityGroupRule, port: Port, addresses: Collection[str], members: _Members
) -> Iterator[str | None]:
    """The networks of the other side; None is everywhere."""
    if rule.remote_group_id is not None:
        there = members.get((rule.remote_group_id, port.network_id), ())
        others = [ip_network(each) for each in there if each not in addresses]
        version = int(rule.ethertype[-1])
        of_family = [each for each in others if each.version == version]
        yield from (str(each) for each in collapse_addresses(of_family))  # type: ignore[type-var]  # all of one family
    elif rule.remote_ip_prefix and ip_network(rule.remote_ip_prefix).prefixlen:
        yield str(ip_network(rule.remote_ip_prefix))
    else:
        yield None


def _groups_of(ports: Iterable[Port]) -> dict[UUID, list[UUID]]:
    found: dict[UUID, list[UUID]] = defaultdict(list)
    through = Port.security_groups.through.objects.filter(port__in=[port.pk for port in ports])
    for port_id, group_id in through.values_list("port_id", "securitygroup_id"):
        found[port_id].append(group_id)
    return found


def _rules_of(groups: Collection[UUID]) -> dict[UUID, list[SecurityGroupRule]]:
    found: dict[UUID, list[SecurityGroupRule]] = defaultdict(list)
    for rule in SecurityGroupRule.objects.filter(group__in=groups):
        found[rule.group_id].append(rule)
    return found


def _members(rules: Mapping[UUID, Iterable[SecurityGroupRule]]) -> _Members:
    wanted = {
        rule.remote_group_id for each in rules.values() for rule in each if rule.remote_group_id
    }
    found: dict[tuple[UUID, UUID], set[str]] = defaultdict(set)
    if wanted:
        rows = FixedIP.objects.filter(port__security_groups__in=wanted)
        for group, network, address in rows.values_list(
            "port__security_groups", "port__network_id", "address"
        ):
            if group in wanted:
                found[group, network].add(address)
        for group, network, pairs in _pairs(wanted):
            found[group, network].update(address for _, address in pairs)
    return found


def _pairs(groups: Collection[UUID]) -> Iterator[tuple[UUID, UUID, list[list[str]]]]:
    """By group and network what ports there may send as besides."""
    through = Port.security_groups.through.objects.filter(securitygroup__in=groups)
    rows = through.exclude(port__address_pairs=[])
    yield from rows.values_list("securitygroup_id", "port__network_id", "port__address_pairs")
