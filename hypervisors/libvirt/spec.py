"""What the driver is told and what it tells: frozen dataclasses, no behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from hypervisors.libvirt.features import GuestFeatures
from hypervisors.libvirt.numa import HostCell, NumaPlacement
from hypervisors.libvirt.pci import PciDevice

DomainType = Literal["kvm", "qemu"]
# "rescue" comes before the disks of the server that is rescued, "rescuer" behind them.
DiskRole = Literal["root", "ephemeral", "swap", "config", "volume", "rescue", "rescuer"]
PowerState = Literal["running", "paused", "shutdown", "crashed", "suspended", "nostate"]
# Why a guest is off. "unknown" is what libvirt says of one that was off when libvirt started: of
# all guests after the host has booted. "daemon": it was lost when libvirt started again.
OffReason = Literal[
    "unknown", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "snapshot",
    "daemon",
]  # fmt: skip


@dataclass(frozen=True)
class IoLimits:
    """Ceilings of one disk, per second; None is no ceiling. A total excludes read and write."""

    read_bytes: int | None = None
    write_bytes: int | None = None
    total_bytes: int | None = None
    read_iops: int | None = None
    write_iops: int | None = None
    total_iops: int | None = None


@dataclass(frozen=True)
class DiskSpec:
    """One disk or CD of a guest: a volume of a pool of its host.

    Without a bus the guest's features choose one by device; the target name follows from bus and
    order, the root disk first, unless it has one of its own. `boot_order` counts from 1; None is
    never booted from. Without io limits of its own a disk takes the flavor's (a CD has none).
    """

    pool: str
    volume: str
    role: DiskRole
    device: Literal["disk", "cdrom"] = "disk"
    format: Literal["qcow2", "raw"] = "qcow2"
    bus: str | None = None
    boot_order: int | None = None
    serial: str | None = None
    cache: str = "none"
    io_limits: IoLimits | None = None
    target: str | None = None


@dataclass(frozen=True)
class InterfaceSpec:
    """One network card of a guest, on a libvirt network; without a model the features choose."""

    port_id: str
    mac: str
    network: str
    model: str | None = None
    filter_name: str | None = None
    mtu: int | None = None


@dataclass(frozen=True)
class FlavorRecord:
    """The flavor as it was when the server was built or resized."""

    id: str
    name: str
    vcpus: int
    ram_mib: int
    disk_gib: int
    ephemeral_gib: int = 0
    swap_mib: int = 0
    rxtx_factor: float = 1.0
    is_public: bool = True
    description: str | None = None
    extra_specs: Mapping[str, str] = field(default_factory=dict)
    is_disabled: bool = False
    is_deleted: bool = False


@dataclass(frozen=True)
class FixedIpRecord:
    """An address of a port and the subnet it is from."""

    address: str
    subnet_id: str


@dataclass(frozen=True)
class PortRecord:
    """A port of the server; without a project it is the server's."""

    id: str
    network_id: str
    mac: str
    fixed_ips: tuple[FixedIpRecord, ...] = ()
    name: str = ""
    security_group_ids: tuple[str, ...] = ()
    description: str = ""
    project_id: str = ""
    device_owner: str = ""
    device_index: int = 0
    tag: str = ""
    made_for_server: bool = True
    is_up: bool = True
    has_port_security: bool = True
    created_at: datetime | None = None


@dataclass(frozen=True)
class SubnetRecord:
    """A subnet of a network; `allocation_pools` are texts of the form first-last."""

    id: str
    cidr: str
    name: str = ""
    description: str = ""
    ip_version: int = 4
    gateway: str | None = None
    has_dhcp: bool = True
    dhcp_address: str | None = None
    allocation_pools: tuple[str, ...] = ()
    dns_nameservers: tuple[str, ...] = ()
    created_at: datetime | None = None


@dataclass(frozen=True)
class ProjectRecord:
    """A project: of the server, or of a network that it uses."""

    id: str
    name: str
    domain_id: str = "default"
    domain_name: str = "Default"
    description: str = ""


@dataclass(frozen=True)
class NetworkRecord:
    """A network that the server uses; without a type each host has it for itself."""

    id: str
    project: ProjectRecord
    name: str = ""
    description: str = ""
    is_shared: bool = False
    is_external: bool = False
    is_up: bool = True
    mtu: int = 1500
    type: str | None = None
    physical_network: str | None = None
    segment: int | None = None
    subnets: tuple[SubnetRecord, ...] = ()
    created_at: datetime | None = None


@dataclass(frozen=True)
class GroupRuleRecord:
    """Traffic that a security group lets through; "" and None are any."""

    id: str
    direction: str
    ethertype: str
    protocol: str = ""
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str = ""
    remote_group_id: str = ""
    description: str = ""


@dataclass(frozen=True)
class SecurityGroupRecord:
    """A security group that the server's ports follow, or that a rule of such a one names."""

    id: str
    project_id: str
    name: str
    description: str = ""
    rules: tuple[GroupRuleRecord, ...] = ()


@dataclass(frozen=True)
class ImageRecord:
    """The image that the server was made of, without its data."""

    id: str
    owner: ProjectRecord
    name: str | None = None
    visibility: str = "private"
    disk_format: str = ""
    container_format: str = ""
    min_ram_mib: int = 0
    min_disk_gib: int = 0
    sha256: str = ""
    is_protected: bool = False
    is_hidden: bool = False
    tags: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None


@dataclass(frozen=True)
class DiskRecord:
    """A disk of the server and where it lies."""

    role: str
    pool: str
    volume: str
    size_gib: int
    volume_id: str | None = None


@dataclass(frozen=True)
class VolumeRecord:
    """A volume that the server has: it outlives the server unless it is to go with it."""

    id: str
    attachment_id: str
    device: str
    pool: str
    size_gib: int
    name: str | None = None
    description: str | None = None
    project_id: str = ""
    user_id: str = ""
    is_bootable: bool = False
    is_readonly: bool = False
    delete_on_termination: bool = False
    tag: str = ""
    boot_index: int | None = None
    image_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    image_metadata: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None
    attached_at: datetime | None = None


@dataclass(frozen=True)
class GuestMetadata:
    """All the portal knows of a server, kept in the guest so the database can be rebuilt.

    No secret is in it: who may read a guest's definition on its host may read this. What has no
    default has been there from the first release on; the rest may be absent in older guests.
    `request_spec`, `scheduler_hints` and `options` are JSON texts.
    """

    server_id: str
    name: str
    project_id: str
    project_name: str
    user_id: str
    user_name: str
    flavor: FlavorRecord
    hostname: str
    availability_zone: str
    created_at: datetime
    image_id: str | None = None
    image_name: str | None = None
    image_properties: Mapping[str, str] = field(default_factory=dict)
    key_name: str | None = None
    ports: tuple[PortRecord, ...] = ()
    disks: tuple[DiskRecord, ...] = ()
    user_metadata: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    description: str | None = None
    config_drive: bool = False
    reservation_id: str = ""
    launch_index: int = 0
    generation: int = 1
    project_domain_id: str = "default"
    project_domain_name: str = "Default"
    project_description: str = ""
    user_domain_id: str = "default"
    user_domain_name: str = "Default"
    public_key: str = ""
    image: ImageRecord | None = None
    networks: tuple[NetworkRecord, ...] = ()
    security_groups: tuple[SecurityGroupRecord, ...] = ()
    volumes: tuple[VolumeRecord, ...] = ()
    disk_config: str = "MANUAL"
    access_ip_v4: str | None = None
    access_ip_v6: str | None = None
    pinned_zone: str | None = None
    root_device_name: str = "/dev/vda"
    request_spec: str = "{}"
    scheduler_hints: str = "{}"
    options: str = "{}"
    # Where its nodes are on the host, as JSON; None where it asks for none.
    numa: str | None = None
    # The addresses of the host's PCI devices that are its own.
    pci: tuple[str, ...] = ()
    updated_at: datetime | None = None
    launched_at: datetime | None = None
    # The guest's own name, where it was there before its server.
    adopted_name: str | None = None


@dataclass(frozen=True)
class GuestSpec:
    """A guest to be defined. Firmware, guest system and device models are in its features."""

    uuid: UUID
    name: str
    title: str
    vcpus: int
    ram_mib: int
    machine: str
    metadata: GuestMetadata
    arch: str = "x86_64"
    domain_type: DomainType = "qemu"
    cpu_model: str = "qemu64"
    features: GuestFeatures = field(default_factory=GuestFeatures)
    disks: tuple[DiskSpec, ...] = ()
    interfaces: tuple[InterfaceSpec, ...] = ()
    console_log_path: str | None = None
    numa: NumaPlacement | None = None
    pci: tuple[str, ...] = ()


@dataclass(frozen=True)
class GuestInfo:
    """A guest as its host has it."""

    uuid: UUID
    name: str
    power_state: PowerState
    reason: int
    vcpus: int
    ram_mib: int
    cpu_time_ns: int
    is_ours: bool
    is_persistent: bool
    vnc_port: int | None = None
    is_saved: bool = False  # its memory is on the host's disk, from where it would run on


@dataclass(frozen=True)
class InterfaceUsage:
    """Counters of one network card since the guest started."""

    device: str
    rx_bytes: int | None
    rx_packets: int | None
    rx_errors: int | None
    rx_drops: int | None
    tx_bytes: int | None
    tx_packets: int | None
    tx_errors: int | None
    tx_drops: int | None


@dataclass(frozen=True)
class DiskUsage:
    """Counters of one disk since the guest started, and its sizes."""

    device: str
    read_bytes: int | None
    read_requests: int | None
    write_bytes: int | None
    write_requests: int | None
    allocation_bytes: int | None
    capacity_bytes: int | None


@dataclass(frozen=True)
class GuestUsage:
    """One guest's record of the bulk statistics; None is what the host did not say."""

    uuid: UUID
    name: str
    power_state: PowerState
    cpu_time_ns: int | None
    vcpus: int | None
    ram_mib: int | None
    ram_used_mib: int | None
    ram_rss_mib: int | None
    disks: tuple[DiskUsage, ...] = ()
    interfaces: tuple[InterfaceUsage, ...] = ()
    off_reason: OffReason | None = None  # None while it is not off


@dataclass(frozen=True)
class HostUsage:
    """The host's own CPU time since it booted, and its memory."""

    cpu_time_ns: int | None
    cpu_idle_ns: int | None
    ram_total_mib: int
    ram_free_mib: int


@dataclass(frozen=True)
class HostStats:
    """A host and its guests at one moment."""

    host: HostUsage
    guests: tuple[GuestUsage, ...]


@dataclass(frozen=True)
class HostInventory:
    """What a host is and has. `machines` maps an alias (q35) to the versioned type behind it.

    `tpms` are the emulated TPMs that guests can have, as `model:version`. `usable_cpu_models` are
    the named CPUs that it can give guests whole, by domain type.
    """

    hostname: str
    arch: str
    vcpus: int
    ram_mib: int
    libvirt_version: str
    qemu_version: str
    domain_types: tuple[DomainType, ...]
    cpu_model: str
    cpu_vendor: str
    cpu_features: tuple[str, ...]
    guest_cpu_models: Mapping[str, str]
    machines: Mapping[str, str]
    has_uefi: bool
    has_secure_boot: bool = False
    tpms: tuple[str, ...] = ()
    usable_cpu_models: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sockets: int = 1
    cores: int = 1
    threads: int = 1
    cells: tuple[HostCell, ...] = ()
    pci_devices: tuple[PciDevice, ...] = ()


@dataclass(frozen=True)
class PoolInfo:
    """A storage pool of a host; sizes are 0 while it is not active.

    `source` is where its content comes from: SERVER:/EXPORT, or a volume group; "" is a directory.
    """

    name: str
    type: str
    is_active: bool
    is_autostart: bool
    path: str | None
    capacity_bytes: int
    allocation_bytes: int
    available_bytes: int
    source: str = ""


@dataclass(frozen=True)
class VolumeInfo:
    """A volume of a pool."""

    name: str
    path: str
    format: str | None
    capacity_bytes: int
    allocation_bytes: int
    backing_path: str | None = None


@dataclass(frozen=True)
class HostCheck:
    """One thing looked at on a host: fine, not fine (with a remedy), or None: not checked."""

    name: str
    ok: bool | None
    message: str
    remedy: str = ""
