"""A server as its host's driver needs it: rows in, the guest's specification out."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from hypervisors.disks import DiskPlan
from hypervisors.guests import (
    DiskRecord,
    DiskSpec,
    FixedIpRecord,
    FlavorRecord,
    GuestMetadata,
    GuestSpec,
    InterfaceSpec,
    PortRecord,
    guest_features,
    platform_of,
)
from hypervisors.models import Hypervisor
from identity.models import Project, User
from networks.models import Port
from networks.wiring import WiredPort
from servers.models import Server

_MIB_PER_GIB = 1024


def disk_plan(
    server: Server, *, base_volume: str | None, config_drive: bytes | None = None
) -> DiskPlan:
    """The disks that a server's flavor gives it."""
    flavor = server.flavor
    ephemeral = flavor["ephemeral_gib"]
    return DiskPlan(
        root_gib=flavor["disk_gib"],
        base_volume=base_volume,
        ephemeral_gib=(ephemeral,) if ephemeral else (),
        swap_mib=flavor["swap_mib"],
        config_drive=config_drive,
    )


def guest_spec(
    server: Server,
    host: Hypervisor,
    *,
    disks: Sequence[DiskSpec],
    wired: Sequence[WiredPort],
) -> GuestSpec:
    """The guest of a server on a host.

    Raises:
        GuestPropertyRefused: a property of flavor or image that cannot be honoured.
        HostCannot: the host lacks the machine type or firmware.
    """
    features = guest_features(server.flavor["extra_specs"], server.image_properties)
    platform = platform_of(host, features)
    return GuestSpec(
        uuid=server.pk,
        name=server.domain_name,
        title=server.name,
        vcpus=server.flavor["vcpus"],
        ram_mib=server.flavor["ram_mib"],
        machine=platform.machine,
        arch=platform.arch,
        domain_type=platform.domain_type,
        cpu_model=platform.cpu_model,
        features=features,
        metadata=_metadata(server, disks),
        disks=tuple(disks),
        interfaces=tuple(
            InterfaceSpec(
                port_id=str(port.port_id),
                mac=port.mac,
                network=port.network,
                filter_name=port.filter_name,
                mtu=port.mtu,
            )
            for port in wired
        ),
    )


def _metadata(server: Server, disks: Sequence[DiskSpec]) -> GuestMetadata:
    flavor = server.flavor
    project = Project.objects.filter(pk=server.project_id).first()
    user = User.objects.filter(pk=server.user_id).first()
    return GuestMetadata(
        server_id=str(server.pk),
        name=server.name,
        description=server.description,
        project_id=server.project_id,
        project_name=project.name if project else "",
        user_id=server.user_id,
        user_name=user.name if user else "",
        flavor=FlavorRecord(
            id=flavor["flavorid"],
            name=flavor["name"],
            vcpus=flavor["vcpus"],
            ram_mib=flavor["ram_mib"],
            disk_gib=flavor["disk_gib"],
            ephemeral_gib=flavor["ephemeral_gib"],
            swap_mib=flavor["swap_mib"],
            rxtx_factor=flavor["rxtx_factor"],
            extra_specs=flavor["extra_specs"],
        ),
        hostname=server.hostname,
        availability_zone=server.availability_zone,
        created_at=server.created_at,
        image_id=str(server.image_id) if server.image_id else None,
        image_properties=server.image_properties,
        key_name=server.key_name,
        ports=_ports(server.pk),
        disks=tuple(
            DiskRecord(
                role=disk.role, pool=disk.pool, volume=disk.volume, size_gib=_size(server, disk)
            )
            for disk in disks
        ),
        user_metadata=server.metadata,
        tags=tuple(server.tags),
        config_drive=server.has_config_drive,
        reservation_id=server.reservation_id,
        launch_index=server.launch_index,
        generation=server.generation,
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


def _ports(server_id: UUID) -> tuple[PortRecord, ...]:
    ports = (
        Port.objects.filter(device_id=str(server_id))
        .prefetch_related("fixed_ips", "security_groups")
        .order_by("device_index", "created_at", "id")
    )
    return tuple(
        PortRecord(
            id=str(port.pk),
            network_id=str(port.network_id),
            mac=port.mac_address,
            name=port.name,
            fixed_ips=tuple(
                FixedIpRecord(address=each.address, subnet_id=str(each.subnet_id))
                for each in port.fixed_ips.all()
            ),
            security_group_ids=tuple(str(each.pk) for each in port.security_groups.all()),
        )
        for port in ports
    )
