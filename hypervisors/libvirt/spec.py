"""What the driver is told and what it tells: frozen dataclasses, no behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from hypervisors.libvirt.features import GuestFeatures
from hypervisors.libvirt.numa import HostCell, NumaPlacement
from hypervisors.libvirt.pci import PciDevice
from hypervisors.libvirt.records import GuestMetadata

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
    is_readonly: bool = False


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
