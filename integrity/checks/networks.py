"""Does every network that servers here are on run?"""

from __future__ import annotations

from collections.abc import Iterator

from hypervisors.survey import NetworkSeen
from integrity.found import Found
from integrity.states import FindingKind, Policy
from integrity.view import HostView
from networks.models import Network, NetworkType
from networks.wiring import bridge_name, libvirt_network_name


def check(view: HostView) -> Iterator[Found]:
    """Networks that are missing or stopped, and those that nobody knows."""
    there = {network.name: network for network in view.seen.networks}
    wanted: dict[str, Network] = {}
    for server in view.settled:
        for port in view.facts.ports.get(server.pk, ()):
            wanted[libvirt_network_name(port.network_id)] = port.network
    for name, network in wanted.items():
        if name not in view.facts.busy.networks:
            yield from _of_servers(view, name, network, there.get(name))
    used = {name for domain in view.seen.domains for name in domain.networks}
    for name, seen in there.items():
        if name not in view.facts.known_networks | view.facts.busy.networks | used:
            yield _stray(view, seen)


def _of_servers(
    view: HostView, name: str, network: Network, seen: NetworkSeen | None
) -> Iterator[Found]:
    # That of a flat network is the host's own, under the host's own name.
    is_found = network.type == NetworkType.FLAT
    bridge = seen.bridge if seen is not None and is_found else bridge_name(network.pk)
    host = view.hypervisor.name
    how = ""
    if seen is None:
        how = f"{host} does not have the network {network} ({name}) that servers there are on."
    elif seen.uuid != network.pk or seen.bridge != bridge:
        how = f"The network {network} ({name}) on {host} was changed by hand."
    elif not seen.is_active:
        how = f"The network {network} ({name}) is stopped on {host}, where servers are on it."
    if not how:
        return
    remade = seen is not None and (seen.uuid != network.pk or seen.bridge != bridge)
    yield Found(
        kind=FindingKind.NETWORK_MISSING,
        about=name,
        subject=str(network),
        summary=how,
        repair="The network is made and started, with the addresses of the servers there, and "
        "their interfaces are plugged in again.",
        action="network.remake" if remade else "network.restore",
        args={"network_id": str(network.pk)},
        hypervisor_id=view.hypervisor.pk,
    )


def _stray(view: HostView, seen: NetworkSeen) -> Found:
    name = seen.name
    return Found(
        kind=FindingKind.NETWORK_STRAY,
        about=name,
        subject=name,
        summary=f"{view.hypervisor.name} has a network {name} that the database does not know; no "
        "domain there is on it.",
        repair="The network is stopped and removed, with what joins it to other hosts.",
        policy=Policy.ON_REQUEST,
        action="network.remove",
        args={"name": name, "network_id": str(seen.uuid)},
        hypervisor_id=view.hypervisor.pk,
        is_doubtful=True,
    )
