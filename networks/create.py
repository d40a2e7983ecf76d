"""Makes networks, subnets and ports."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from identity.actors import Actor
from networks.address_pairs import check_may_forge, checked_mac, checked_pairs
from networks.addresses import allocate, allocate_fixed, save_with_mac
from networks.dhcp import check_dhcp, check_ipv6, take_dhcp_address
from networks.errors import (
    InvalidInput,
    InvalidIpForNetwork,
    NetworkInUse,
    OverQuota,
    PortSecurityAndIPRequiredForSecurityGroups,
)
from networks.groups import default_group
from networks.lookup import get_network, require
from networks.models import Network, NetworkType, Port, SecurityGroup, Subnet
from networks.provider import Provider, checked_provider, default_mtu, save_network
from networks.ranges import (
    check_is_free,
    checked_address,
    checked_gateway,
    checked_ipv6_mode,
    checked_pools,
    checked_range,
)
from networks.security_groups import checked_groups
from networks.spread import note_members
from quotas.consume import consume, lock_ledger
from quotas.errors import QuotaExceeded

# Ranges of all projects meet on the hosts, so whoever adds one locks this ledger row.
_RANGES = "network-ranges"
# How the owner of a server's port begins.
SERVER_PORT = "compute:"


@dataclass(frozen=True)
class NewNetwork:
    """A network as asked for; without a project it is the caller's.

    `mtu` None is what fits. An external one may name a physical network, which is the interface or
    bridge of the hosts that lies on it.
    """

    name: str = ""
    description: str = ""
    project_id: str | None = None
    is_shared: bool = False
    mtu: int | None = None
    is_external: bool = False
    provider: Provider = field(default_factory=Provider)


@dataclass(frozen=True)
class NewSubnet:
    """A subnet as asked for; `gateway_ip` "" is the first address, pools None all but that.

    The two modes are for IPv6.
    """

    network_id: str
    cidr: str
    name: str = ""
    description: str = ""
    gateway_ip: str = ""
    has_dhcp: bool = True
    allocation_pools: Sequence[Sequence[str]] | None = None
    dns_nameservers: Sequence[str] = ()
    project_id: str | None = None
    ip_version: int = 4
    ipv6_ra_mode: str | None = None
    ipv6_address_mode: str | None = None


@dataclass(frozen=True)
class WantedAddress:
    """An address for a port: this one, or any of the subnet or network."""

    subnet_id: str | None = None
    address: str | None = None


@dataclass(frozen=True)
class NewPort:
    """A port as asked for; `fixed_ips` None is one of each subnet, groups None the default group.

    Without port security its filter lets everything pass, and it may follow no group.
    """

    network_id: str
    name: str = ""
    description: str = ""
    project_id: str | None = None
    mac_address: str | None = None
    fixed_ips: Sequence[WantedAddress] | None = None
    security_groups: Sequence[str] | None = field(default=None)
    has_port_security: bool = True
    address_pairs: Sequence[Mapping[str, Any]] = ()


def create_network(*, wanted: NewNetwork, actor: Actor, now: datetime) -> Network:
    """Make a network; hosts make it real when a server first needs it there.

    Raises:
        Forbidden: only administrators make networks.
        InvalidInput: what it is to be made of makes no sense.
        FlatNetworkInUse, VlanIdInUse, TunnelIdInUse, NoNetworkAvailable: another one has that.
        OverQuota: the project has all it may have.
    """
    require(actor, "create_network", actor.project_id or "")
    provider = checked_provider(wanted.provider, is_external=wanted.is_external)
    network = Network(
        id=uuid4(),
        name=wanted.name,
        description=wanted.description,
        project_id=owner_of(wanted.project_id, actor),
        is_shared=wanted.is_shared,
        mtu=wanted.mtu or default_mtu(provider),
        is_external=wanted.is_external,
        type=provider.type,
        physical_network=provider.physical_network,
        segment=provider.segment,
        created_at=now,
        updated_at=now,
    )
    with transaction.atomic():
        _consume(network.project_id, network.pk, "networks", now)
        save_network(network)
    return network


def create_subnet(*, wanted: NewSubnet, actor: Actor, now: datetime) -> Subnet:
    """Give a network its addresses; each network has one range of IPv4 and one of IPv6.

    On VLANs the hosts' DHCP needs an address of its own there, as the gateway is somebody else's.

    Raises:
        Forbidden: only administrators make subnets.
        NetworkNotFound: no such network.
        InvalidInput: the addresses make no sense, or overlap another network's.
        Conflict: the network has its range, or servers on it that run without.
        OverQuota: the project has all it may have.
    """
    require(actor, "create_subnet", actor.project_id or "")
    network = get_network(wanted.network_id, actor=actor)
    if wanted.project_id not in (None, network.project_id):
        raise InvalidInput("A subnet belongs to the project of its network.")
    cidr = checked_range(wanted.cidr, wanted.ip_version)
    gateway = checked_gateway(wanted.gateway_ip, cidr)
    subnet = Subnet(
        id=uuid4(),
        network=network,
        name=wanted.name,
        description=wanted.description,
        project_id=network.project_id,
        cidr=str(cidr),
        ip_version=wanted.ip_version,
        gateway_ip=gateway,
        has_dhcp=wanted.has_dhcp,
        ipv6_mode=checked_ipv6_mode(
            wanted.ipv6_ra_mode, wanted.ipv6_address_mode, cidr, has_dhcp=wanted.has_dhcp
        ),
        allocation_pools=checked_pools(wanted.allocation_pools, cidr, gateway),
        dns_nameservers=[
            checked_address(server, wanted.ip_version) for server in wanted.dns_nameservers
        ],
        created_at=now,
        updated_at=now,
    )
    if wanted.ip_version == 6:
        check_ipv6(network, has_dhcp=wanted.has_dhcp)
    else:
        check_dhcp(network, has_dhcp=wanted.has_dhcp)
    if network.type == NetworkType.VLAN and wanted.has_dhcp:
        take_dhcp_address(subnet, has_pools=wanted.allocation_pools is not None)
    with transaction.atomic():
        _consume(subnet.project_id, subnet.pk, "subnets", now)
        lock_ledger(_RANGES, now=now)
        check_is_free(network, cidr)
        check_is_idle(network)
        subnet.save(force_insert=True)
    return subnet


def check_is_idle(network: Network) -> None:
    """Whether its ranges may come and go: hosts have a network with all of them, or anew.

    Raises:
        NetworkInUse: servers are on it.
    """
    if network.ports.filter(device_owner__startswith=SERVER_PORT).exists():
        raise NetworkInUse(
            f"Unable to complete operation on network {network.pk}. There are servers on it, whose "
            "hosts would have to make it anew."
        )


def create_port(*, wanted: NewPort, actor: Actor, now: datetime) -> Port:
    """Make a port with its addresses, to be given to a server later.

    Raises:
        Forbidden: the actor may not make ports, or not for that project.
        NetworkNotFound: no such network.
        InvalidInput: the network is an external one.
        IpAddressInUse, MacAddressInUse: another port has it.
        IpAddressGenerationFailure: no address is left.
        OverQuota: the project has all it may have.
    """
    require(actor, "create_port", actor.project_id or "")
    project_id = owner_of(wanted.project_id, actor)
    if project_id != actor.project_id:
        require(actor, "create_port:project_id", project_id)
    network = get_network(wanted.network_id, actor=actor)
    if network.is_external:
        raise InvalidInput(
            "Invalid input for operation: ports cannot be made on an external network: it is "
            "outside the hosts."
        )
    check_may_forge(
        actor,
        network,
        has_port_security=wanted.has_port_security,
        pairs=wanted.address_pairs,
    )
    port = Port(
        id=uuid4(),
        network=network,
        project_id=project_id,
        name=wanted.name,
        description=wanted.description,
        has_port_security=wanted.has_port_security,
        created_at=now,
        updated_at=now,
    )
    with transaction.atomic():
        _consume(project_id, port.pk, "ports", now)
        groups = _groups(wanted, project_id, now)
        mac = wanted.mac_address
        save_with_mac(port, None if mac is None else checked_mac(mac))
        if wanted.address_pairs:
            port.address_pairs = checked_pairs(wanted.address_pairs, port.mac_address)
            port.save(update_fields=["address_pairs"])
        port.security_groups.set(groups)
        _give_addresses(port, network, wanted.fixed_ips)
        note_members([group.pk for group in groups], now=now)
    return port


def _groups(wanted: NewPort, project_id: str, now: datetime) -> list[SecurityGroup]:
    check_port_security(wanted.security_groups or (), has_port_security=wanted.has_port_security)
    if wanted.security_groups is None:
        return [default_group(project_id, now=now)] if wanted.has_port_security else []
    return checked_groups(wanted.security_groups, project_id)


def check_port_security(groups: Collection[str], *, has_port_security: bool) -> None:
    """Groups without port security would have no effect.

    Raises:
        PortSecurityAndIPRequiredForSecurityGroups: that is asked for.
    """
    if groups and not has_port_security:
        raise PortSecurityAndIPRequiredForSecurityGroups(
            "Port security must be enabled and port must have an IP address in order to use "
            "security groups."
        )


def _give_addresses(port: Port, network: Network, wanted: Sequence[WantedAddress] | None) -> None:
    subnets = {subnet.pk: subnet for subnet in network.subnets.order_by("ip_version")}
    if wanted is None:
        wanted = [WantedAddress(str(pk)) for pk in subnets]
    given = [(_subnet_of(each, subnets, network), each.address) for each in wanted]
    for subnet, address in given + automatic(given, subnets.values()):
        if address is None:
            allocate(port, subnet)
        else:
            allocate_fixed(port, subnet, address)


def automatic(
    given: Sequence[tuple[Subnet, str | None]], subnets: Iterable[Subnet]
) -> list[tuple[Subnet, str | None]]:
    """Where a card that gets any address gives itself one besides, unless it was asked for."""
    there = {subnet.pk for subnet, _ in given}
    return [
        (subnet, None)
        for subnet in subnets
        if given and subnet.is_automatic and subnet.pk not in there
    ]


def _subnet_of(wanted: WantedAddress, subnets: dict[UUID, Subnet], network: Network) -> Subnet:
    if wanted.subnet_id is not None:
        found = [subnet for pk, subnet in subnets.items() if str(pk) == wanted.subnet_id]
        if not found:
            raise InvalidInput(
                f"Invalid input for operation: Failed to create port on network {network.pk}, "
                "because fixed_ips included invalid subnet "
                f"{wanted.subnet_id}."
            )
        return found[0]
    for subnet in subnets.values():
        if wanted.address and ip_address(_any(wanted.address)) in ip_network(subnet.cidr):
            return subnet
    raise InvalidIpForNetwork(
        f"IP address {wanted.address} is not a valid IP for any of the subnets on the network."
    )


def _any(address: str) -> str:
    return checked_address(address, 6 if ":" in address else 4)


def owner_of(project_id: str | None, actor: Actor) -> str:
    """The project that something is made for: the one named, or else the caller's.

    Raises:
        InvalidInput: none is named, and the caller's token is for none.
    """
    owner = project_id or actor.project_id
    if not owner:
        raise InvalidInput("A project is needed: the token is for none, and none is named.")
    return owner


def _consume(project_id: str, subject: UUID, resource: str, now: datetime) -> None:
    consume_one(project_id, subject, resource, resource[:-1], now)


def consume_one(project_id: str, subject: UUID, resource: str, shown: str, now: datetime) -> None:
    """Take one of a resource from the project's quota; `shown` is its name on the wire.

    Raises:
        OverQuota: the project has all it may have.
    """
    try:
        consume(project_id=project_id, subject=subject, amounts={resource: 1}, now=now)
    except QuotaExceeded as error:
        raise OverQuota(f"Quota exceeded for resources: ['{shown}'].") from error
