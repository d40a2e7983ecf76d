"""A server as its guest keeps it: all that the database would have to be rebuilt from.

No secret goes in: neither passwords nor user data (which the config drive holds).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from flavors.models import Flavor
from hypervisors.guests import (
    DiskRecord,
    DiskSpec,
    FixedIpRecord,
    FlavorRecord,
    GroupRuleRecord,
    GuestMetadata,
    ImageRecord,
    NetworkRecord,
    PortRecord,
    ProjectRecord,
    SecurityGroupRecord,
    SubnetRecord,
    VolumeRecord,
)
from hypervisors.numa import NumaPlacement
from identity.models import Project, User
from images.models import Image
from networks.models import Network, NetworkType, Port, SecurityGroupRule, Subnet
from scheduling.cells import placements_on_hosts
from scheduling.devices import devices_on_hosts
from servers.errors import RecordUnusable
from servers.models import Server
from volumes.attachments import held_by
from volumes.models import Attachment

_MIB_PER_GIB = 1024


@dataclass(frozen=True)
class _Around:
    """What belongs to some servers, read for all of them at once."""

    projects: Mapping[str, Project]
    users: Mapping[str, User]
    flavors: Mapping[str, Flavor]
    images: Mapping[UUID, Image]
    ports: Mapping[str, list[Port]]
    volumes: Mapping[UUID, list[Attachment]]
    cells: Mapping[tuple[UUID, int], NumaPlacement]
    devices: Mapping[tuple[UUID, int], tuple[str, ...]]


def guest_records(servers: Collection[Server]) -> dict[UUID, GuestMetadata]:
    """What the guest of each server is to keep, without its disks; a constant number of queries."""
    around = _around(servers)
    return {server.pk: _record(server, around) for server in servers}


def with_volume(record: GuestMetadata, attachment: Attachment) -> GuestMetadata:
    """The record with one more volume; one that is in it already is there once."""
    others = [each for each in record.volumes if each.id != str(attachment.volume_id)]
    return dataclasses.replace(record, volumes=(*others, _volume(attachment)))


def record_digest(record: GuestMetadata) -> str:
    """Tells two records apart, except by what only the host knows for certain.

    That is where the guest's disks, NUMA nodes and devices are: as it was defined last.
    """
    content = dataclasses.replace(record, disks=(), numa=None, pci=())
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def disk_records(server: Server, disks: Sequence[DiskSpec]) -> tuple[DiskRecord, ...]:
    """Where the server's disks lie."""
    return tuple(
        DiskRecord(role=disk.role, pool=disk.pool, volume=disk.volume, size_gib=_size(server, disk))
        for disk in disks
        # Those that outlive it are told of by themselves.
        if disk.serial is None
    )


def _size(server: Server, disk: DiskSpec) -> int:
    """In GiB, rounded up; 0 for what is as large as its content."""
    flavor = server.flavor
    sizes = {
        "root": flavor["disk_gib"],
        "ephemeral": flavor["ephemeral_gib"],
        "swap": -(-flavor["swap_mib"] // _MIB_PER_GIB),
    }
    return int(sizes.get(disk.role, 0))


def numa_text(placement: NumaPlacement | None) -> str | None:
    """What a server holds of its host's cells, as its guest keeps it."""
    return json.dumps(placement.to_json(), sort_keys=True) if placement else None


def placement_in(record: GuestMetadata) -> NumaPlacement | None:
    """The same read back; None is nothing.

    Raises:
        RecordUnusable: it is damaged.
    """
    if not record.numa:
        return None
    try:
        return NumaPlacement.from_json(json.loads(record.numa))
    except (ValueError, LookupError, TypeError) as error:
        raise RecordUnusable("The guest's metadata is damaged.", detail=repr(error)) from error


def _around(servers: Collection[Server]) -> _Around:
    ports: dict[str, list[Port]] = defaultdict(list)
    rows = (
        Port.objects.filter(device_id__in=[str(server.pk) for server in servers])
        .select_related("network")
        .prefetch_related(
            "fixed_ips", "network__subnets", "security_groups__rules__remote_group__rules"
        )
        .order_by("device_index", "created_at", "id")
    )
    for port in rows:
        ports[port.device_id].append(port)
    images = Image.objects.in_bulk({each.image_id for each in servers if each.image_id})
    projects = {server.project_id for server in servers}
    projects.update(port.network.project_id for each in ports.values() for port in each)
    projects.update(image.owner for image in images.values())
    flavors = {server.flavor["flavorid"] for server in servers}
    return _Around(
        projects=Project.objects.select_related("domain").in_bulk(projects),
        users=User.objects.select_related("domain").in_bulk({each.user_id for each in servers}),
        flavors=Flavor.objects.in_bulk(flavors, field_name="flavorid"),
        images=images,
        ports=ports,
        volumes=held_by({server.pk for server in servers}),
        cells=_cells(servers),
        devices=_devices(servers),
    )


def _cells(servers: Iterable[Server]) -> dict[tuple[UUID, int], NumaPlacement]:
    """Hardly any server asks for cells, and for the others no query is made."""
    asked = {
        server.pk: server.request_spec["numa"]
        for server in servers
        if server.request_spec.get("numa")
    }
    return placements_on_hosts(asked) if asked else {}


def _devices(servers: Iterable[Server]) -> dict[tuple[UUID, int], tuple[str, ...]]:
    """As few servers ask for devices."""
    asked = {
        server.pk: server.request_spec["pci"]
        for server in servers
        if server.request_spec.get("pci")
    }
    return devices_on_hosts(asked) if asked else {}


def _record(server: Server, around: _Around) -> GuestMetadata:
    ports = around.ports.get(str(server.pk), [])
    image = around.images.get(server.image_id) if server.image_id else None
    cells = around.cells.get((server.pk, server.hypervisor_id or 0))
    return GuestMetadata(
        server_id=str(server.pk),
        name=server.name,
        description=server.description,
        flavor=_flavor(server.flavor, around),
        hostname=server.hostname,
        availability_zone=server.availability_zone,
        pinned_zone=server.pinned_zone,
        image_id=str(server.image_id) if server.image_id else None,
        image_name=image.name if image else None,
        image_properties=server.image_properties,
        image=_image(image, around) if image else None,
        key_name=server.key_name,
        public_key=server.public_key,
        user_metadata=server.metadata,
        tags=tuple(server.tags),
        config_drive=server.has_config_drive,
        disk_config=server.disk_config,
        access_ip_v4=server.access_ip_v4,
        access_ip_v6=server.access_ip_v6,
        root_device_name=server.root_device_name,
        request_spec=json.dumps(server.request_spec, sort_keys=True),
        options=json.dumps(server.options, sort_keys=True),
        scheduler_hints=json.dumps(server.scheduler_hints, sort_keys=True),
        numa=numa_text(cells),
        pci=around.devices.get((server.pk, server.hypervisor_id or 0), ()),
        reservation_id=server.reservation_id,
        launch_index=server.launch_index,
        generation=server.generation,
        created_at=server.created_at,
        updated_at=server.updated_at,
        launched_at=server.launched_at,
        adopted_name=server.adopted_name or None,
        ports=tuple(_port(port) for port in ports),
        networks=_networks(ports, around),
        security_groups=_groups(ports),
        volumes=tuple(map(_volume, around.volumes.get(server.pk, ()))),
        **_owners(server, around),
    )


def _owners(server: Server, around: _Around) -> dict[str, Any]:
    project = _project(server.project_id, around)
    user = around.users.get(server.user_id)
    return {
        "project_id": project.id,
        "project_name": project.name,
        "project_description": project.description,
        "project_domain_id": project.domain_id,
        "project_domain_name": project.domain_name,
        "user_id": server.user_id,
        "user_name": user.name if user else "",
        "user_domain_id": user.domain.pk if user else "default",
        "user_domain_name": user.domain.name if user else "Default",
    }


def _project(project_id: str, around: _Around) -> ProjectRecord:
    """The name of one whose row is gone is not known: ""."""
    project = around.projects.get(project_id)
    if project is None:
        return ProjectRecord(id=project_id, name="")
    return ProjectRecord(
        id=project.pk,
        name=project.name,
        domain_id=project.domain.pk,
        domain_name=project.domain.name,
        description=project.description,
    )


def _flavor(copy: Mapping[str, Any], around: _Around) -> FlavorRecord:
    """The server's own copy, and what only the flavor's row says: who may use it."""
    row = around.flavors.get(copy["flavorid"])
    # An adopted server has its guest's own size, of which no flavor is to be made.
    is_another = row is not None and (row.vcpus, row.ram_mib, row.disk_gib) != (
        copy["vcpus"],
        copy["ram_mib"],
        copy["disk_gib"],
    )
    return FlavorRecord(
        id=copy["flavorid"],
        name=copy["name"],
        vcpus=copy["vcpus"],
        ram_mib=copy["ram_mib"],
        disk_gib=copy["disk_gib"],
        ephemeral_gib=copy["ephemeral_gib"],
        swap_mib=copy["swap_mib"],
        rxtx_factor=float(copy["rxtx_factor"]),
        extra_specs=copy["extra_specs"],
        is_public=row.is_public if row else True,
        is_disabled=row.is_disabled if row else False,
        description=row.description if row else None,
        is_deleted=row is None or is_another,
    )


def _image(image: Image, around: _Around) -> ImageRecord:
    return ImageRecord(
        id=str(image.pk),
        owner=_project(image.owner, around),
        name=image.name,
        visibility=image.visibility,
        disk_format=image.disk_format,
        container_format=image.container_format,
        min_ram_mib=image.min_ram_mib,
        min_disk_gib=image.min_disk_gib,
        sha256=image.sha256,
        is_protected=image.is_protected,
        is_hidden=image.is_hidden,
        tags=tuple(image.tags),
        properties=image.properties,
        created_at=image.created_at,
    )


def _volume(attachment: Attachment) -> VolumeRecord:
    volume = attachment.volume
    return VolumeRecord(
        id=str(volume.pk),
        attachment_id=str(attachment.pk),
        device=attachment.device,
        pool=volume.pool,
        size_gib=volume.size_gib,
        name=volume.name,
        description=volume.description,
        project_id=volume.project_id,
        user_id=volume.user_id,
        is_bootable=volume.is_bootable,
        is_readonly=volume.is_readonly,
        delete_on_termination=attachment.delete_on_termination,
        tag=attachment.tag,
        boot_index=attachment.boot_index,
        image_id=str(volume.image_id) if volume.image_id else None,
        metadata=volume.metadata,
        image_metadata=volume.image_metadata,
        created_at=volume.created_at,
        attached_at=attachment.attached_at,
    )


def _port(port: Port) -> PortRecord:
    fixed_ips = sorted(port.fixed_ips.all(), key=lambda each: each.pk)
    return PortRecord(
        id=str(port.pk),
        network_id=str(port.network_id),
        mac=port.mac_address,
        name=port.name,
        description=port.description,
        project_id=port.project_id,
        device_owner=port.device_owner,
        device_index=port.device_index,
        tag=port.tag,
        made_for_server=port.made_for_server,
        is_up=port.is_up,
        has_port_security=port.has_port_security,
        address_pairs=tuple(f"{mac} {address}" for mac, address in port.address_pairs),
        created_at=port.created_at,
        fixed_ips=tuple(
            FixedIpRecord(address=each.address, subnet_id=str(each.subnet_id)) for each in fixed_ips
        ),
        security_group_ids=tuple(sorted(str(each.pk) for each in port.security_groups.all())),
    )


def _networks(ports: Iterable[Port], around: _Around) -> tuple[NetworkRecord, ...]:
    networks = {port.network_id: port.network for port in ports}
    return tuple(_network(network, around) for _, network in sorted(networks.items()))


def _network(network: Network, around: _Around) -> NetworkRecord:
    subnets = sorted(network.subnets.all(), key=lambda each: each.pk)
    return NetworkRecord(
        id=str(network.pk),
        project=_project(network.project_id, around),
        name=network.name,
        description=network.description,
        is_shared=network.is_shared,
        is_external=network.is_external,
        is_up=network.is_up,
        mtu=network.mtu,
        type=None if network.type == NetworkType.NAT else network.type,
        physical_network=network.physical_network or None,
        segment=network.segment,
        created_at=network.created_at,
        subnets=tuple(_subnet(subnet) for subnet in subnets),
    )


def _subnet(subnet: Subnet) -> SubnetRecord:
    return SubnetRecord(
        id=str(subnet.pk),
        cidr=subnet.cidr,
        name=subnet.name,
        description=subnet.description,
        ip_version=subnet.ip_version,
        gateway=subnet.gateway_ip,
        has_dhcp=subnet.has_dhcp,
        dhcp_address=subnet.dhcp_address,
        allocation_pools=tuple(f"{first}-{last}" for first, last in subnet.allocation_pools),
        dns_nameservers=tuple(subnet.dns_nameservers),
        created_at=subnet.created_at,
        ipv6_mode=subnet.ipv6_mode or None,
    )


def _groups(ports: Iterable[Port]) -> tuple[SecurityGroupRecord, ...]:
    """Those that the ports follow, and those that their rules name."""
    groups = {group.pk: group for port in ports for group in port.security_groups.all()}
    for group in list(groups.values()):
        for rule in group.rules.all():
            if rule.remote_group is not None:
                groups.setdefault(rule.remote_group.pk, rule.remote_group)
    return tuple(
        SecurityGroupRecord(
            id=str(group.pk),
            project_id=group.project_id,
            name=group.name,
            description=group.description,
            rules=tuple(
                _group_rule(rule) for rule in sorted(group.rules.all(), key=lambda each: each.pk)
            ),
        )
        for _, group in sorted(groups.items())
    )


def _group_rule(rule: SecurityGroupRule) -> GroupRuleRecord:
    return GroupRuleRecord(
        id=str(rule.pk),
        direction=rule.direction,
        ethertype=rule.ethertype,
        protocol=rule.protocol,
        port_range_min=rule.port_range_min,
        port_range_max=rule.port_range_max,
        remote_ip_prefix=rule.remote_ip_prefix,
        remote_group_id=str(rule.remote_group_id) if rule.remote_group_id else "",
        description=rule.description,
    )
