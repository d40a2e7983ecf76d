"""Repairs of networks, ports' filters, and what goes through them."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from hypervisors import links, segments
from hypervisors.connections import connected
from hypervisors.errors import HostCannot
from integrity.repairs.work import Work
from networks import wiring
from networks.errors import NetworkNotFound
from networks.models import Network, Port
from servers.models import Server


def ensure_filter(work: Work) -> None:
    """Define a port's filter as it should be."""
    port = Port.objects.filter(pk=work.args["port"]).prefetch_related("fixed_ips").first()
    if port is not None:
        links.ensure_port_filter(work.host, wiring.port_filter(port))


def remove_filter(work: Work) -> None:
    """Remove the filter of a port that is not here.

    Raises:
        HostBusy: a guest that runs uses it all the same.
    """
    links.remove_port_filter(work.host, work.args["port"])


def restore(work: Work) -> None:
    """Make and start a network, give its servers their addresses, and plug their guests in.

    Raises:
        NetworkNotFound: it was deleted meanwhile.
        TakenOnHost: another network there has its name or bridge.
    """
    network = _network(work)
    wiring.ensure_network(work.host, network)
    ports = Port.objects.filter(network=network).exclude(device_id="")
    servers = Server.objects.alive().filter(
        pk__in=[port.device_id for port in ports], hypervisor=work.host
    )
    for server in servers:
        leases = [
            lease
            for lease in wiring.leases_of(server.pk)
            if lease.network == wiring.libvirt_network_name(network.pk)
        ]
        wiring.lease_addresses(hypervisor=work.host, leases=leases, hostname=server.hostname)
    with connected(work.host) as host:
        host.replug(wiring.libvirt_network_name(network.pk))


def remake(work: Work) -> None:
    """Put a network in the place of one that was changed by hand."""
    links.remove_nat_network(work.host, wiring.libvirt_network_name(work.args["network_id"]))
    restore(work)


def remove(work: Work) -> None:
    """Stop and remove a network that the database does not know, the wire to other hosts first."""
    name, network_id = work.args["name"], work.args.get("network_id", "")
    known = map(wiring.libvirt_network_name, Network.objects.values_list("pk", flat=True))
    if name in set(known):
        return
    # By another name it is none that was made here.
    if network_id and wiring.libvirt_network_name(network_id) == name:
        # Where no commands can be run none has made a wire.
        with suppress(HostCannot):
            segments.remove_segment(work.host, UUID(network_id))
    links.remove_nat_network(work.host, name)


def _network(work: Work) -> Network:
    found = Network.objects.filter(pk=work.args["network_id"]).prefetch_related("subnets").first()
    if found is None:
        raise NetworkNotFound(f"Network {work.args['network_id']} could not be found.")
    return found
