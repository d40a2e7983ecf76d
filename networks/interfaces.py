"""Ports for servers that are there already: planned and checked, and taken.

The compute side calls this. The checks, their order and their texts are the compute API's own.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import F, Max

from networks.errors import (
    BadNetworkRequest,
    IpAddressGenerationFailure,
    IpAddressInUse,
    NetworkNotFound,
    PortNotFound,
    RequestedPortInUse,
)
from networks.groups import default_group
from networks.lookup import find
from networks.models import Network, Port, PortStatus
from networks.server_ports import (
    PlannedPort,
    PortOwner,
    RequestedNetwork,
    check_is_inside,
    create_server_ports,
    is_taken,
    ports_of,
)


def plan_interface(wanted: RequestedNetwork, *, project_id: str) -> PlannedPort:
    """The port that a server of the project would get; nothing is written.

    Raises:
        BadNetworkRequest: what is asked for makes no sense, or cannot be used.
        NetworkNotFound, PortNotFound: there is none that the project may use.
        RequestedPortInUse: the port belongs to a server.
        IpAddressInUse: another port has the address.
        ExternalNetworkAttachForbidden: the network is an external one.
    """
    if wanted.port_id:
        return _existing(wanted, project_id)
    if wanted.network_id:
        network = find(Network.objects.seen_by(project_id), wanted.network_id)
        if network is None:
            raise NetworkNotFound(f"Network {wanted.network_id} could not be found.")
        check_is_inside(network)
    else:
        network = _only_network(project_id)
    if not network.subnets.exists():
        raise BadNetworkRequest(
            f"Network {network.pk} requires a subnet in order to boot instances on."
        )
    if wanted.fixed_ip and is_taken(network, wanted.fixed_ip):
        raise IpAddressInUse(f"Fixed IP address {wanted.fixed_ip} is already in use.")
    return PlannedPort(network, fixed_ip=wanted.fixed_ip, tag=wanted.tag or "")


def _existing(wanted: RequestedNetwork, project_id: str) -> PlannedPort:
    ports = Port.objects.filter(project_id=project_id).select_related("network")
    port = find(ports, str(wanted.port_id))
    if port is None:
        raise PortNotFound(f"Port id {wanted.port_id} could not be found.")
    if port.device_id:
        raise RequestedPortInUse(f"Port {wanted.port_id} is still in use.")
    if not port.fixed_ips.exists():
        raise BadNetworkRequest(f"Port {wanted.port_id} requires a FixedIP in order to be used.")
    return PlannedPort(port.network, port_id=port.pk, tag=wanted.tag or "")


def _only_network(project_id: str) -> Network:
    usable = list(Network.objects.usable_by(project_id)[:2])
    if not usable:
        raise BadNetworkRequest(
            f"No specific network was requested and none are available for project '{project_id}'."
        )
    if len(usable) > 1:
        raise BadNetworkRequest(
            "Multiple possible networks found, use a Network ID to be more specific."
        )
    return usable[0]


def take_port(planned: PlannedPort, *, owner: PortOwner, now: datetime) -> Port:
    """Bind or make the port, after the others of the server; inside the caller's transaction.

    Raises:
        BadNetworkRequest: the network has no address left, or the one asked for was just taken.
        RequestedPortInUse: the port was just bound to another server.
        PortLimitExceeded: the project may not have so many ports.
    """
    last = ports_of(owner.server_id).aggregate(last=Max("device_index"))["last"]
    try:
        [port] = create_server_ports(
            owner=owner,
            plan=[planned],
            security_groups=[default_group(owner.project_id, now=now)],
            now=now,
            first_index=0 if last is None else last + 1,
        )
    except IpAddressGenerationFailure as error:
        raise BadNetworkRequest(
            f"No fixed IP addresses available for network: {planned.network.pk}"
        ) from error
    return port


def mark_port_active(*, port_id: UUID, server_id: UUID, host: str, now: datetime) -> None:
    """The port is plugged into its server on that host."""
    ports_of(server_id).filter(pk=port_id).update(
        status=PortStatus.ACTIVE, host=host, revision=F("revision") + 1, updated_at=now
    )
