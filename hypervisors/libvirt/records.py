"""What the portal keeps of a server in its guest's definition: frozen dataclasses, no behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


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
    """A port of the server; without a project it is the server's.

    Each of `address_pairs` is a MAC address and an address or network, with a space between.
    """

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
    address_pairs: tuple[str, ...] = ()


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
    ipv6_mode: str | None = None


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
