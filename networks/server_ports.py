"""The ports of servers: planned and checked, made or bound, and given back.

The compute side calls this. The checks, their order and their texts are the compute API's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Literal
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Case, F, QuerySet, When

from identity.actors import Actor
from networks.addresses import allocate, allocate_fixed, check_address, save_with_mac
from networks.create import SERVER_PORT, automatic
from networks.errors import (
    BadNetworkRequest,
    ExternalNetworkAttachForbidden,
    InvalidInput,
    InvalidIpForNetwork,
    IpAddressInUse,
    NetworkAmbiguous,
    PortLimitExceeded,
    RequestedPortInUse,
)
from networks.floating_places import let_go
from networks.groups import resolve_security_groups as resolve_security_groups
from networks.lookup import find, visible_networks, visible_ports
from networks.models import FixedIP, FloatingIP, Network, Port, PortStatus, SecurityGroup
from networks.spread import note_members
from quotas.consume import consume_many, limits, release, usage
from quotas.errors import QuotaExceeded
from quotas.resources import UNLIMITED

OWNER_PREFIX = SERVER_PORT


@dataclass(frozen=True)
class RequestedNetwork:
    """One line of a server's `networks`."""

    network_id: str | None = None
    port_id: str | None = None
    fixed_ip: str | None = None
    tag: str | None = None


Requested = Sequence[RequestedNetwork] | Literal["auto", "none"] | None


@dataclass(frozen=True)
class PlannedPort:
    """A port that one server will get: a new one on the network, or the one made beforehand."""

    network: Network
    port_id: UUID | None = None
    fixed_ip: str | None = None
    tag: str = ""


def plan_ports(*, requested: Requested, count: int, actor: Actor) -> list[PlannedPort]:
    """The ports of each of `count` servers; nothing is written.

    Raises:
        BadNetworkRequest: something asked for does not exist, cannot be used, or not so often.
        RequestedPortInUse: a port belongs to a server.
        NetworkAmbiguous: no network is named and there are several.
        ExternalNetworkAttachForbidden: one that is named is an external one.
    """
    if requested == "none":
        return []
    if requested == "auto" or not requested:
        return _choose_network(actor, must_have=requested == "auto")
    _check_repeats(requested, count)
    return [_plan(line, actor) for line in requested]


def _choose_network(actor: Actor, *, must_have: bool) -> list[PlannedPort]:
    usable = list(Network.objects.usable_by(actor.project_id)[:2])
    if len(usable) > 1:
        raise NetworkAmbiguous(
            "Multiple possible networks found, use a Network ID to be more specific."
        )
    if not usable and must_have:
        raise BadNetworkRequest(
            f"Unable to automatically allocate a network for project {actor.project_id}"
        )
    for network in usable:
        _check_has_subnet(network)
    return [PlannedPort(network) for network in usable]


def _check_repeats(requested: Sequence[RequestedNetwork], count: int) -> None:
    ports = [line.port_id for line in requested if line.port_id]
    for port_id in ports:
        if ports.count(port_id) > 1:
            raise BadNetworkRequest(f"Port {port_id} is asked for more than once.")
    for line in requested:
        if line.port_id and line.fixed_ip:
            raise BadNetworkRequest(
                f"Specified Fixed IP '{line.fixed_ip}' cannot be used with port "
                f"'{line.port_id}': the two cannot be specified together."
            )
        if not line.port_id and not line.network_id:
            raise BadNetworkRequest("Bad network format: missing 'uuid'")
    if count > 1 and any(line.fixed_ip for line in requested):
        raise BadNetworkRequest(
            "Failed to launch instances: max_count cannot be greater than 1 if an fixed_ip is "
            "specified."
        )
    if count > 1 and ports:
        raise BadNetworkRequest(
            "Failed to launch instances: Unable to launch multiple instances with a single "
            "configured port ID. Please launch your instance one by one with different ports."
        )


def _plan(line: RequestedNetwork, actor: Actor) -> PlannedPort:
    return _plan_existing(line, actor) if line.port_id else _plan_new(line, actor)


def _plan_existing(line: RequestedNetwork, actor: Actor) -> PlannedPort:
    port = find(visible_ports(actor).select_related("network"), str(line.port_id))
    # An administrator sees foreign ports, but a server gets those of its own project only.
    if port is None or port.project_id != actor.project_id:
        raise BadNetworkRequest(f"Port id {line.port_id} could not be found.")
    if port.device_id:
        raise RequestedPortInUse(f"Port {line.port_id} is still in use.")
    if not port.fixed_ips.exists():
        raise BadNetworkRequest(f"Port {line.port_id} requires a FixedIP in order to be used.")
    return PlannedPort(port.network, port_id=port.pk, tag=line.tag or "")


def _plan_new(line: RequestedNetwork, actor: Actor) -> PlannedPort:
    network = find(visible_networks(actor), str(line.network_id))
    if network is None:
        raise BadNetworkRequest(f"Network {line.network_id} could not be found.")
    check_is_inside(network)
    _check_has_subnet(network)
    if line.fixed_ip and is_taken(network, line.fixed_ip):
        raise _taken(line.fixed_ip)
    return PlannedPort(network, fixed_ip=line.fixed_ip, tag=line.tag or "")


def check_is_inside(network: Network) -> None:
    """Whether servers can be on the network.

    Raises:
        ExternalNetworkAttachForbidden: it is an external one.
    """
    if network.is_external:
        raise ExternalNetworkAttachForbidden(
            f"It is not allowed to create an interface on external network {network.pk}"
        )


def _check_has_subnet(network: Network) -> None:
    if not network.subnets.exists():
        raise BadNetworkRequest(
            f"Network {network.pk} requires a subnet in order to boot instances on."
        )


def is_taken(network: Network, fixed_ip: str) -> bool:
    """Whether a port of the network has the address already.

    Raises:
        BadNetworkRequest: it is no address of the network.
    """
    try:
        address = str(ip_address(fixed_ip))
        for subnet in network.subnets.filter(ip_version=ip_address(fixed_ip).version):
            check_address(subnet, address)
            break
        else:
            raise ValueError(f"{address} is of no family of the network's.")  # noqa: TRY301 - said once, below
    except (ValueError, InvalidIpForNetwork):
        raise BadNetworkRequest(
            f"Fixed IP address {fixed_ip} is not a valid ip address for network {network.pk}."
        ) from None
    return FixedIP.objects.filter(subnet__network=network, address=address).exists()


def _taken(fixed_ip: str | None) -> BadNetworkRequest:
    return BadNetworkRequest(f"Fixed IP address {fixed_ip} is already in use.")


def affordable(plan: Sequence[PlannedPort], *, project_id: str, minimum: int, maximum: int) -> int:
    """For how many servers between the two the project's limit has these ports.

    Raises:
        PortLimitExceeded: for fewer than the minimum.
    """
    each = sum(planned.port_id is None for planned in plan)
    limit = limits(project_id)["ports"] if each else UNLIMITED
    if limit == UNLIMITED:
        return maximum
    most = min(maximum, (limit - usage(project_id)["ports"]) // each)
    if most < minimum:
        raise PortLimitExceeded("Maximum number of ports exceeded")
    return most


@dataclass(frozen=True)
class PortOwner:
    """The server that ports are made for."""

    server_id: UUID
    project_id: str
    availability_zone: str


def create_server_ports(
    *,
    owner: PortOwner,
    plan: Sequence[PlannedPort],
    security_groups: Sequence[SecurityGroup],
    now: datetime,
    first_index: int = 0,
) -> list[Port]:
    """Make or bind one server's ports in the plan's order, inside the caller's transaction.

    `first_index` is the place of the first of them among the server's interfaces.

    Raises:
        PortLimitExceeded: the project may not have so many more ports.
        RequestedPortInUse: a port was bound to another server meanwhile.
        BadNetworkRequest: an address asked for was taken meanwhile.
        IpAddressGenerationFailure: a network has no address left.
    """
    ids = {index: uuid4() for index, planned in enumerate(plan) if planned.port_id is None}
    wanted = [(port_id, {"ports": 1}) for port_id in ids.values()]
    if wanted:
        try:
            consume_many(project_id=owner.project_id, wanted=wanted, minimum=len(wanted), now=now)
        except QuotaExceeded as error:
            raise PortLimitExceeded("Maximum number of ports exceeded") from error
    ports = []
    for index, planned in enumerate(plan):
        place = first_index + index
        if planned.port_id is not None:
            port = _bind(planned.port_id, planned, owner, place, now)
        else:
            port = _make(ids[index], planned, owner, place, now)
            port.security_groups.set(security_groups)
        ports.append(port)
    if ids:
        note_members([group.pk for group in security_groups], now=now)
    return ports


def _bind(port_id: UUID, planned: PlannedPort, owner: PortOwner, index: int, now: datetime) -> Port:
    bound = Port.objects.filter(pk=port_id, device_id="").update(
        device_id=str(owner.server_id),
        device_owner=OWNER_PREFIX + owner.availability_zone,
        device_index=index,
        tag=planned.tag,
        revision=F("revision") + 1,
        updated_at=now,
    )
    if not bound:
        raise RequestedPortInUse(f"Port {port_id} is still in use.")
    return Port.objects.get(pk=port_id)


def _make(port_id: UUID, planned: PlannedPort, owner: PortOwner, index: int, now: datetime) -> Port:
    port = Port(
        id=port_id,
        network=planned.network,
        project_id=owner.project_id,
        device_id=str(owner.server_id),
        device_owner=OWNER_PREFIX + owner.availability_zone,
        device_index=index,
        tag=planned.tag,
        made_for_server=True,
        created_at=now,
        updated_at=now,
    )
    save_with_mac(port, None)
    subnets = list(planned.network.subnets.order_by("ip_version"))
    if planned.fixed_ip is None:
        for subnet in subnets:
            allocate(port, subnet)
        return port
    version = ip_address(planned.fixed_ip).version
    subnet = next(each for each in subnets if each.ip_version == version)
    try:
        allocate_fixed(port, subnet, planned.fixed_ip)
    except IpAddressInUse:
        raise _taken(planned.fixed_ip) from None
    except InvalidInput as error:
        raise BadNetworkRequest(str(error)) from None
    for each, _ in automatic([(subnet, None)], subnets):
        allocate(port, each)
    return port


def ports_of(server_id: UUID) -> QuerySet[Port]:
    """The server's ports in the order of its interfaces."""
    return Port.objects.filter(device_id=str(server_id)).order_by("device_index", "created_at")


def release_server_ports(*, server_id: UUID, now: datetime) -> None:
    """Delete the ports made for the server and free the others; done again it finds none."""
    _release(ports_of(server_id), now)


def release_server_port(*, server_id: UUID, port_id: UUID, now: datetime) -> None:
    """The same of one of its ports; one that is not the server's is left alone."""
    _release(ports_of(server_id).filter(pk=port_id), now)


def _release(ports: QuerySet[Port], now: datetime) -> None:
    with transaction.atomic():
        made = ports.filter(made_for_server=True)
        through = Port.security_groups.through.objects.filter(port__in=made)
        groups = set(through.values_list("securitygroup_id", flat=True))
        # Held, so that no floating IP is led there meanwhile.
        for port in made.select_for_update():
            let_go(FloatingIP.objects.filter(port=port), now=now)
            release(subject=port.pk)
            port.delete()
        note_members(groups, now=now)
        ports.update(
            device_id="",
            device_owner="",
            device_index=0,
            tag="",
            host="",
            status=PortStatus.DOWN,
            revision=F("revision") + 1,
            updated_at=now,
        )


def mark_ports_active(*, server_id: UUID, host: str, now: datetime) -> None:
    """The server runs on that host with its ports plugged.

    Of one that came from another host nobody knows whether a change of its filters meanwhile
    reached the new one or the old one: it is brought there once more.
    """
    again = Case(When(host__in=["", host], then=F("filter_wanted")), default=F("filter_wanted") + 1)
    ports_of(server_id).update(
        status=PortStatus.ACTIVE,
        filter_wanted=again,
        host=host,
        revision=F("revision") + 1,
        updated_at=now,
    )


def mark_ports_down(*, server_id: UUID, now: datetime) -> None:
    """The server's ports carry nothing."""
    ports_of(server_id).update(status=PortStatus.DOWN, revision=F("revision") + 1, updated_at=now)
