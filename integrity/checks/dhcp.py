"""Does each network's DHCP give every card its address, and none to cards that are gone?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from hypervisors.survey import NetworkSeen
from integrity.facts import HostFacts
from integrity.found import Found
from integrity.states import FindingKind
from integrity.view import HostView
from networks.wiring import dhcp_addresses, libvirt_network_name
from servers.models import Server


@dataclass(frozen=True)
class _Wanted:
    server: Server
    mac: str
    address: str


def check(view: HostView) -> Iterator[Found]:
    """Stale, missing and wrong entries; of a network that does not run, none."""
    facts = view.facts
    wanted = _wanted(view)
    cards = {mac for domain in view.seen.domains for mac in domain.macs}
    for network in view.seen.networks:
        # Of a network that is not in the books nobody can say what is right.
        if network.live is None or network.name in facts.busy.networks:
            continue
        yield from _missing(facts, network, wanted.get(network.name, []))
        if network.name in facts.known_networks:
            yield from _stale(facts, network, cards)


def _wanted(view: HostView) -> dict[str, list[_Wanted]]:
    found: dict[str, list[_Wanted]] = {}
    for server in view.settled:
        for port in view.facts.ports.get(server.pk, ()):
            entries = found.setdefault(libvirt_network_name(port.network_id), [])
            mac = port.mac_address.lower()
            entries += [_Wanted(server, mac, given.address) for given in dhcp_addresses(port)]
    return found


def _missing(facts: HostFacts, network: NetworkSeen, wanted: list[_Wanted]) -> Iterator[Found]:
    kept = {(entry.mac, entry.ip) for entry in network.kept}
    live = {(entry.mac, entry.ip) for entry in network.live or ()}
    entries = (*network.kept, *(network.live or ()))
    given = {(entry.mac, entry.version): entry.ip for entry in entries}
    for each in wanted:
        if (each.mac, each.address) in kept & live:
            continue
        other = given.get((each.mac, ip_address(each.address).version))
        how = (
            f"gives {each.mac} the address {other} instead of {each.address}"
            if other not in (None, each.address)
            else f"does not give {each.mac} its address {each.address}"
        )
        yield Found(
            kind=FindingKind.DHCP_MISSING,
            about=f"{network.name} {each.mac} {each.address}",
            subject=each.server.name,
            summary=f"The DHCP of network {network.name} on {facts.hypervisor.name} {how} "
            f"(server {each.server.name}).",
            repair=f"Give {each.mac} the address {each.address}.",
            action="dhcp.ensure",
            args={"network": network.name, "mac": each.mac, "address": each.address},
            server_id=each.server.pk,
            hypervisor_id=facts.hypervisor.pk,
        )


def _stale(facts: HostFacts, network: NetworkSeen, cards: set[str]) -> Iterator[Found]:
    for mac in sorted({entry.mac for entry in (*network.kept, *(network.live or ()))}):
        # A domain that has the card, known or not, is a matter of its own.
        if mac in cards or mac in facts.known_macs:
            continue
        yield Found(
            kind=FindingKind.DHCP_STALE,
            about=f"{network.name} {mac}",
            subject=mac,
            summary=f"The DHCP of network {network.name} on {facts.hypervisor.name} still has "
            f"an entry for {mac}, a card that no server there has.",
            repair=f"Remove the entry of {mac}.",
            action="dhcp.remove",
            args={"network": network.name, "mac": mac},
            hypervisor_id=facts.hypervisor.pk,
            # A build elsewhere in this cloud is known; one that was just begun is not yet.
            is_doubtful=True,
        )
