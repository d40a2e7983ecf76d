"""What a request for new servers asks for, with nothing of the wire in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID


@dataclass(frozen=True)
class WantedInterface:
    """One interface: a port, or a network with perhaps an address on it."""

    network_id: str = ""
    port_id: str = ""
    fixed_ip: str = ""
    tag: str = ""


@dataclass(frozen=True)
class WantedDisk:
    """One entry of a block device mapping; `size` is MiB for a swap disk, else GiB.

    `identifier` is of what it is made from. `boot_index` None means not bootable. `device` is a
    hint. `unoffered` names the fields with a value that has no effect here, so that the request
    is refused.
    """

    source: str
    destination: str
    identifier: str = ""
    boot_index: int | None = None
    size: int | None = None
    guest_format: str = ""
    unoffered: tuple[str, ...] = ()
    device: str = ""
    tag: str = ""
    volume_type: str | None = None
    delete_on_termination: bool = False

    @property
    def is_volume(self) -> bool:
        """Whether it is a volume, which may outlive its server."""
        return self.destination == "volume" or self.source in {"volume", "snapshot"}


@dataclass(frozen=True)
class InjectedFile:
    """A file written into the guest; `contents` is base64 text."""

    path: str
    contents: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class CreateServers:
    """The servers that are wanted.

    `networks`: "auto" is the one network that there is, "none" no interface; None is that one
    network too, or no interface where there is no network. None for `security_groups` is the
    default group; for `disks`, what image and flavor give. `hostname` "" is made from the name.
    `options` are this cloud's own fields, by their names without the prefix (`servers.options`).
    `zone` may be `zone:host`, `zone:host:node` or `zone::node`. A fault of networks or disks is
    what is wrong with what was asked, in words; then there are none here.
    """

    name: str
    flavor_id: str
    image_id: UUID | None
    networks: Literal["auto", "none"] | tuple[WantedInterface, ...] | None = None
    fault_of_networks: str = ""
    security_groups: tuple[str, ...] | None = None
    admin_password: str | None = field(default=None, repr=False)
    key_name: str | None = None
    user_data: str | None = field(default=None, repr=False)
    metadata: Mapping[str, str] = field(default_factory=dict)
    personality: tuple[InjectedFile, ...] = ()
    config_drive: bool | None = None
    tags: tuple[str, ...] = ()
    description: str | None = None
    hostname: str = ""
    disk_config: str = ""
    access_ip_v4: str | None = None
    access_ip_v6: str | None = None
    zone: str = ""
    host: str = ""
    hypervisor_hostname: str = ""
    disks: tuple[WantedDisk, ...] | None = None
    fault_of_disks: str = ""
    wants_certificates: bool = False
    hints: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    min_count: int = 1
    max_count: int = 1
