"""A server's ports, networks and security groups, brought back from what its guest says.

Nothing that is there changes, and no address is taken from a port that has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from ipaddress import ip_network
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F

from hypervisors.guests import (
    FixedIpRecord,
    GroupRuleRecord,
    GuestMetadata,
    NetworkRecord,
    PortRecord,
    SecurityGroupRecord,
    SubnetRecord,
)
from hypervisors.models import DEFAULT_ZONE, Hypervisor
from networks.groups import DEFAULT_GROUP, default_group
from networks.models import (
    FixedIP,
    Network,
    NetworkType,
    Port,
    PortStatus,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
)
from networks.network_places import note_ports
from networks.server_ports import OWNER_PREFIX
from networks.spread import note_members
from quotas.consume import record_use
from servers.restore_owners import restore_project


def restore_ports(record: GuestMetadata, *, host: str, now: datetime) -> list[str]:
    """Bring back the server's ports with all they need; what is to be said about it."""
    notes = []
    for network in record.networks:
        notes += _restore_network(network, now)
    _restore_groups(record.security_groups, now)
    for port in record.ports:
        notes += _restore_port(port, record, host, now)
    return notes


def _restore_network(record: NetworkRecord, now: datetime) -> list[str]:
    if Network.objects.filter(pk=record.id).exists():
        return []
    _, notes = restore_project(record.project, now=now)
    network = Network(
        id=UUID(record.id),
        name=record.name,
        description=record.description,
        project_id=record.project.id,
        is_shared=record.is_shared,
        is_external=record.is_external,
        is_up=record.is_up,
        mtu=record.mtu,
        type=record.type or NetworkType.NAT,
        physical_network=record.physical_network or "",
        segment=record.segment,
        created_at=record.created_at or now,
        updated_at=now,
    )
    try:
        with transaction.atomic():
            network.save(force_insert=True)
    except IntegrityError:
        return [
            f"The network {record.id} is left out: another one has what it lies on "
            f"({record.type} {record.physical_network or ''} {record.segment or ''})."
        ]
    _count(record.project.id, network.pk, "networks", now)
    for subnet in record.subnets:
        notes += _overlaps(subnet, network)
        _restore_subnet(subnet, network, now)
    return notes


def _overlaps(record: SubnetRecord, network: Network) -> list[str]:
    """Guests are on it, so it comes back; no host can have both, which somebody must know."""
    wanted = ip_network(record.cidr)
    others = Subnet.objects.exclude(network=network).select_related("network")
    return [
        f"The network {network} has the range {record.cidr}, which overlaps {other.cidr} of the "
        f"network {other.network} ({other.network.pk}): delete one that no server uses."
        for other in others
        if other.ip_version == wanted.version and wanted.overlaps(ip_network(other.cidr))
    ]


def _restore_subnet(record: SubnetRecord, network: Network, now: datetime) -> None:
    pools = [pool.split("-", 1) for pool in record.allocation_pools]
    subnet = Subnet.objects.create(
        id=UUID(record.id),
        network=network,
        name=record.name,
        description=record.description,
        project_id=network.project_id,
        ip_version=record.ip_version,
        cidr=record.cidr,
        gateway_ip=record.gateway,
        has_dhcp=record.has_dhcp,
        dhcp_address=record.dhcp_address,
        allocation_pools=pools,
        dns_nameservers=list(record.dns_nameservers),
        ipv6_mode=record.ipv6_mode or "",
        created_at=record.created_at or now,
        updated_at=now,
    )
    _count(network.project_id, subnet.pk, "subnets", now)


def _count(project_id: str, subject: UUID, resource: str, now: datetime) -> None:
    record_use(project_id=project_id, subject=subject, amounts={resource: 1}, now=now)


def _restore_groups(records: Sequence[SecurityGroupRecord], now: datetime) -> None:
    """All of them first, for their rules name each other."""
    made = [record for record in records if _restore_group(record, now)]
    known = {str(pk) for pk in SecurityGroup.objects.values_list("pk", flat=True)}
    for record in made:
        for rule in record.rules:
            if not rule.remote_group_id or rule.remote_group_id in known:
                _restore_rule(rule, record, now)


def _restore_group(record: SecurityGroupRecord, now: datetime) -> bool:
    """Whether it had to be made, and lacks its rules."""
    if SecurityGroup.objects.filter(pk=record.id).exists():
        return False
    if record.name == DEFAULT_GROUP:
        made = default_group(record.project_id, now=now, group_id=UUID(record.id))
        if str(made.pk) == record.id and record.rules:
            made.rules.all().delete()
            return True
        return False
    group = SecurityGroup.objects.create(
        id=UUID(record.id),
        project_id=record.project_id,
        name=record.name,
        description=record.description,
        created_at=now,
        updated_at=now,
    )
    _count(record.project_id, group.pk, "security_groups", now)
    return True


def _restore_rule(record: GroupRuleRecord, group: SecurityGroupRecord, now: datetime) -> None:
    SecurityGroupRule.objects.get_or_create(
        id=UUID(record.id),
        defaults={
            "group_id": UUID(group.id),
            "direction": record.direction,
            "ethertype": record.ethertype,
            "protocol": record.protocol,
            "port_range_min": record.port_range_min,
            "port_range_max": record.port_range_max,
            "remote_ip_prefix": record.remote_ip_prefix,
            "remote_group_id": UUID(record.remote_group_id) if record.remote_group_id else None,
            "description": record.description,
            "created_at": now,
        },
    )


def _restore_port(record: PortRecord, guest: GuestMetadata, host: str, now: datetime) -> list[str]:
    known = Port.objects.filter(pk=record.id).first()
    if known is not None:
        return _bind(known, record, guest, host, now)
    network = Network.objects.filter(pk=record.network_id).first()
    if network is None:
        return [f"The port {record.id} is left out: nobody knows its network {record.network_id}."]
    port = Port(
        id=UUID(record.id),
        network=network,
        project_id=record.project_id or guest.project_id,
        name=record.name,
        description=record.description,
        mac_address=record.mac,
        device_id=guest.server_id,
        device_owner=record.device_owner or OWNER_PREFIX + (guest.pinned_zone or DEFAULT_ZONE),
        device_index=record.device_index,
        tag=record.tag,
        made_for_server=record.made_for_server,
        host=host,
        status=PortStatus.ACTIVE,
        is_up=record.is_up,
        has_port_security=record.has_port_security,
        address_pairs=[pair.split(" ", 1) for pair in record.address_pairs],
        created_at=record.created_at or now,
        updated_at=now,
    )
    try:
        with transaction.atomic():
            port.save(force_insert=True)
    except IntegrityError:
        return [f"The port {port.pk} is left out: another one on its network has {record.mac}."]
    note_ports([port], Hypervisor.objects.get(name=host), now=now, tell_host=True)
    groups = list(_groups(record, port.project_id, now))
    port.security_groups.set(groups)
    _count(port.project_id, port.pk, "ports", now)
    notes = [note for each in record.fixed_ips for note in _give(port, each)]
    # Others' rules let it in again.
    note_members([group.pk for group in groups], now=now)
    return notes


def _bind(
    port: Port, record: PortRecord, guest: GuestMetadata, host: str, now: datetime
) -> list[str]:
    """A port whose row is there is the server's again, unless another server has it by now."""
    if port.device_id == guest.server_id:
        return []
    bound = Port.objects.filter(pk=port.pk, device_id="").update(
        device_id=guest.server_id,
        device_owner=record.device_owner or OWNER_PREFIX + (guest.pinned_zone or DEFAULT_ZONE),
        device_index=record.device_index,
        tag=record.tag,
        host=host,
        status=PortStatus.ACTIVE,
        revision=F("revision") + 1,
        updated_at=now,
    )
    if not bound:
        return [f"The port {port.pk} is left where it is: at {port.device_id}."]
    note_ports([port], Hypervisor.objects.get(name=host), now=now, tell_host=True)
    return []


def _groups(record: PortRecord, project_id: str, now: datetime) -> Iterable[SecurityGroup]:
    if not record.security_group_ids:
        return []
    found = list(SecurityGroup.objects.filter(pk__in=record.security_group_ids))
    return found or [default_group(project_id, now=now)]


def _give(port: Port, record: FixedIpRecord) -> list[str]:
    if not Subnet.objects.filter(pk=record.subnet_id).exists():
        return [f"The address {record.address} is left out: nobody knows its subnet."]
    try:
        with transaction.atomic():
            FixedIP.objects.create(
                port=port, subnet_id=UUID(record.subnet_id), address=record.address
            )
    except IntegrityError:
        return [f"The address {record.address} is left out: another port has it."]
    return []
