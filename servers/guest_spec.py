"""A server as its host's driver needs it: rows in, the guest's specification out."""

from __future__ import annotations

import base64
import dataclasses
import secrets
from collections.abc import Sequence
from uuid import UUID

from hypervisors.disks import DiskPlan, disk_specs
from hypervisors.errors import HostCannot
from hypervisors.guests import (
    DiskSpec,
    GuestMetadata,
    GuestSpec,
    InterfaceSpec,
    VolumeRecord,
    guest_features,
    platform_of,
)
from hypervisors.models import Hypervisor
from hypervisors.numa import NumaPlacement
from hypervisors.platforms import PlatformWish
from hypervisors.rescue import ROLES as RESCUE_ROLES
from hypervisors.volumes import volume_name
from networks import wiring
from networks.wiring import WiredPort
from scheduling.cells import placement_on
from scheduling.devices import devices_on_hosts
from scheduling.filters.pci_fit import counts_of
from servers.config_drive import GuestFacts
from servers.errors import ServerAdopted
from servers.guest_record import disk_records, guest_records, numa_text, placement_in
from servers.models import Server
from servers.options import places_for
from servers.secrets import unseal

SEED_BYTES = 512


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
        has_root=server.image_id is not None,
    )


def server_disks(server: Server, host: Hypervisor) -> tuple[DiskSpec, ...]:
    """The disks that a server has on its host."""
    drive = b"" if server.has_config_drive else None
    plan = disk_plan(server, base_volume=None, config_drive=drive)
    return disk_specs(places_for(server, host), server.pk, plan)


def volume_disk(volume: VolumeRecord) -> DiskSpec:
    """A volume as a disk of the guest that has it."""
    return DiskSpec(
        pool=volume.pool,
        volume=volume_name(UUID(volume.id)),
        # The order of disks is that of their places on the bus, by which guests count them.
        role="root" if volume.boot_index == 0 else "volume",
        boot_order=1 if volume.boot_index == 0 else None,
        serial=volume.id,
        target=volume.device.removeprefix("/dev/") or None,
        is_readonly=volume.is_readonly,
    )


def _with_volumes(
    disks: Sequence[DiskSpec], volumes: Sequence[VolumeRecord]
) -> tuple[DiskSpec, ...]:
    """The disks and the volumes; what rescues the server is booted from even before a volume."""
    found = [volume_disk(volume) for volume in volumes]
    if any(disk.role in RESCUE_ROLES for disk in disks):
        found = [dataclasses.replace(each, boot_order=None) for each in found]
    return (*disks, *found)


def guest_spec(
    server: Server,
    host: Hypervisor,
    *,
    disks: Sequence[DiskSpec],
    wired: Sequence[WiredPort],
    record: GuestMetadata | None = None,
    wish: PlatformWish | None = None,
) -> GuestSpec:
    """The guest of a server on a host; with its record given, no query is made.

    `wish` is what a guest that is made anew is to be made as.

    Raises:
        GuestPropertyRefused: a property of flavor or image that cannot be honoured.
        ServerAdopted: its guest is not the portal's to define.
        HostCannot: the host lacks the machine type, CPU model, firmware or TPM, or cells or devices
            are not claimed.
    """
    if server.adopted_name:
        raise ServerAdopted(f"The guest of server {server.pk} was adopted: it stays as it is.")
    numa = placement_in(record) if record else host_placement(server, host)
    if numa is None and server.request_spec.get("numa"):
        raise HostCannot("The server holds no NUMA cells of the host.", detail=f"{server.pk}")
    pci = record.pci if record else host_devices(server, host)
    if len(pci) < sum(counts_of(server.request_spec.get("pci", "")).values()):
        raise HostCannot("The server holds too few PCI devices.", detail=f"{server.pk}: {pci}")
    record = record or guest_records([server])[server.pk]
    features = guest_features(server.flavor["extra_specs"], server.image_properties)
    platform = platform_of(host, features, wish)
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
        metadata=dataclasses.replace(
            record, disks=disk_records(server, disks), numa=numa_text(numa), pci=pci
        ),
        numa=numa,
        pci=pci,
        disks=_with_volumes(disks, record.volumes),
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


def host_placement(server: Server, host: Hypervisor) -> NumaPlacement | None:
    """What the server holds of the host's NUMA cells; None where it asks for none."""
    request = server.request_spec.get("numa")
    if not request:
        return None
    return placement_on(server_id=server.pk, hypervisor_id=host.pk, request=request)


def host_devices(server: Server, host: Hypervisor) -> tuple[str, ...]:
    """The addresses of the host's PCI devices that the server holds; empty is none."""
    request = server.request_spec.get("pci")
    if not request:
        return ()
    return devices_on_hosts({server.pk: request}).get((server.pk, host.pk), ())


def guest_facts(server: Server) -> GuestFacts:
    """What the server's config drive tells its guest; the password only while it is kept."""
    return GuestFacts(
        server_id=str(server.pk),
        name=server.name,
        hostname=server.hostname,
        project_id=server.project_id,
        availability_zone=server.availability_zone,
        launch_index=server.launch_index,
        metadata=server.metadata,
        network_data=wiring.network_data(server.pk),
        random_seed=secrets.token_bytes(SEED_BYTES),
        key_name=server.key_name or "",
        public_key=server.public_key,
        admin_password=(
            unseal(server.sealed_admin_password) if server.sealed_admin_password else ""
        ),
        user_data=base64.b64decode(server.user_data) if server.user_data else None,
        vendor_data=server.options.get("extra", {}),
        files=[(each["path"], base64.b64decode(each["contents"])) for each in server.personality],
    )
