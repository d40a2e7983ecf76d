"""Makes networks, subnets and ports."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, ip_address
from uuid import UUID, uuid4

from django.db import transaction

from cloudportal.errors import Conflict
from identity.actors import Actor
from networks.addresses import (
    allocate,
    allocate_fixed,
    default_pools,
    save_with_mac,
)
from networks.dhcp import check_dhcp, take_dhcp_address
from networks.errors import (
    InvalidInput,
    InvalidIpForNetwork,
    OverQuota,
    PortSecurityAndIPRequiredForSecurityGroups,
)
from networks.groups import default_group
from networks.lookup import get_network, require
from networks.models import Network, NetworkType, Port, SecurityGroup, Subnet
from networks.provider import Provider, checked_provider, default_mtu, save_network
from networks.security_groups import checked_groups
from networks.spread import note_members
from quotas.consume import consume, lock_ledger
from quotas.errors import QuotaExceeded

# Ranges of all projects meet on the hosts, so whoever adds one locks this ledger row.
_RANGES = "network-ranges"
_SMALLEST, _LARGEST = 30, 8


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
    """A subnet as asked for; `gateway_ip` "" is the first address, pools None all but that."""

    network_id: str
    cidr: str
    name: str = ""
    description: str = ""
    gateway_ip: str = ""
    has_dhcp: bool = True
    allocation_pools: Sequence[Sequence[str]] | None = None
    dns_nameservers: Sequence[str] = ()
    project_id: str | None = None


@dataclass(frozen=True)
class WantedAddress:
    """An address for a port: this one, or any of the subnet or network."""

    subnet_id: str | None = None
    address: str | None = None


@dataclass(frozen=True)
class NewPort:
    """A port as asked for; `fixed_ips` None is one address, groups None the default group.

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
    """Give a network its addresses; each network has one range.

    On VLANs the hosts' DHCP needs an address of its own there, as the gateway is somebody else's.

    Raises:
        Forbidden: only administrators make subnets.
        NetworkNotFound: no such network.
        InvalidInput: the addresses make no sense, or overlap another network's.
        Conflict: the network has its range.
        OverQuota: the project has all it may have.
    """
    require(actor, "create_subnet", actor.project_id or "")
    network = get_network(wanted.network_id, actor=actor)
    if wanted.project_id not in (None, network.project_id):
        raise InvalidInput("A subnet belongs to the project of its network.")
    cidr = _range(wanted.cidr)
    gateway = _gateway(wanted.gateway_ip, cidr)
    subnet = Subnet(
        id=uuid4(),
        network=network,
        name=wanted.name,
        description=wanted.description,
        project_id=network.project_id,
        cidr=str(cidr),
        gateway_ip=gateway,
        has_dhcp=wanted.has_dhcp,
        allocation_pools=checked_pools(wanted.allocation_pools, cidr, gateway),
        dns_nameservers=[_address(server) for server in wanted.dns_nameservers],
        created_at=now,
        updated_at=now,
    )
    check_dhcp(network, has_dhcp=wanted.has_dhcp)
    if network.type == NetworkType.VLAN and wanted.has_dhcp:
        take_dhcp_address(subnet, has_pools=wanted.allocation_pools is not None)
    with transaction.atomic():
        _consume(subnet.project_id, subnet.pk, "subnets", now)
        lock_ledger(_RANGES, now=now)
        _check_free_range(network, cidr)
        subnet.save(force_insert=True)
    return subnet


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
        save_with_mac(port, _mac(wanted.mac_address))
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
    subnets = {subnet.pk: subnet for subnet in network.subnets.all()}
    if wanted is None:
        wanted = [WantedAddress(str(pk)) for pk in subnets]
    for each in wanted:
        subnet = _subnet_of(each, subnets, network)
        if each.address is None:
            allocate(port, subnet)
        else:
            allocate_fixed(port, subnet, each.address)


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
        if wanted.address and ip_address(_address(wanted.address)) in IPv4Network(subnet.cidr):
            return subnet
    raise InvalidIpForNetwork(
        f"IP address {wanted.address} is not a valid IP for any of the subnets on the network."
    )


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


def _range(text: str) -> IPv4Network:
    try:
        cidr = IPv4Network(text)
    except ValueError as error:
        raise InvalidInput(f"Invalid input for cidr. Reason: '{text[:64]}': {error}.") from None
    unusable = (
        cidr.is_loopback or cidr.is_link_local or cidr.is_multicast or cidr.is_reserved
    ) or cidr.overlaps(IPv4Network("0.0.0.0/8"))
    if unusable or not _LARGEST <= cidr.prefixlen <= _SMALLEST:
        raise InvalidInput(
            f"Invalid input for cidr. Reason: '{cidr}' is no range of /{_LARGEST} to /{_SMALLEST} "
            "that hosts can have."
        )
    return cidr


def _address(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except ValueError:
        raise InvalidInput(f"'{text[:64]}' is not a valid IPv4 address.") from None


def _gateway(text: str, cidr: IPv4Network) -> str:
    if not text:
        return str(cidr.network_address + 1)
    gateway = IPv4Address(_address(text))
    if gateway not in cidr or gateway in (cidr.network_address, cidr.broadcast_address):
        raise InvalidInput(f"Gateway is not valid on subnet: {gateway} is no address of {cidr}.")
    return str(gateway)


def checked_pools(
    pools: Sequence[Sequence[str]] | None, cidr: IPv4Network, gateway: str
) -> list[list[str]]:
    """The pools in order, or all addresses of the range but the gateway without any.

    Raises:
        InvalidInput: a pool is empty or leaves the range, or two overlap.
        Conflict: a pool holds the gateway.
    """
    if pools is None:
        return default_pools(str(cidr), gateway)
    ranges = sorted((IPv4Address(_address(a)), IPv4Address(_address(b))) for a, b in pools)
    previous = cidr.network_address
    for first, last in ranges:
        if not previous < first <= last < cidr.broadcast_address:
            raise InvalidInput(
                f"The allocation pool {first}-{last} is not valid: it is empty, leaves {cidr} or "
                "overlaps another one."
            )
        if first <= IPv4Address(gateway) <= last:
            raise Conflict(f"Gateway ip {gateway} conflicts with allocation pool {first}-{last}.")
        previous = last
    return [[str(first), str(last)] for first, last in ranges]


def _check_free_range(network: Network, cidr: IPv4Network) -> None:
    if network.subnets.exists():
        raise Conflict(f"Network {network.pk} has a subnet; this cloud gives each network one.")
    for taken in Subnet.objects.values_list("cidr", flat=True):
        if cidr.overlaps(IPv4Network(taken)):
            raise InvalidInput(
                f"Invalid input for operation: Requested subnet with cidr: {cidr} overlaps with "
                f"{taken}: networks of all projects meet on the hosts."
            )


def _mac(text: str | None) -> str | None:
    """A unicast MAC address in canonical form."""
    if text is None:
        return None
    octets = text.lower().replace("-", ":").split(":")
    is_mac = len(octets) == 6 and all(
        len(o) == 2 and set(o) <= set("0123456789abcdef") for o in octets
    )
    if not is_mac or int(octets[0], 16) & 1 or set(octets) == {"00"}:
        raise InvalidInput(f"'{text[:64]}' is not a valid MAC address.")
    return ":".join(octets)
