"""What a server needs of a host, frozen when it was asked for."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class GroupNeeds:
    """What a server group asks: its policy, and on which hosts how many of the others are."""

    policy: str
    max_per_host: int
    hosts: dict[int, int]


@dataclass(frozen=True)
class RequestSpec:
    """The needs that filters compare with hosts.

    `disk_gib` is root + ephemeral + swap, rounded up to whole GiB. `zone` "" means any. `host`
    is a host forced by an administrator: the filters are not asked (but the claim is).
    `wanted_host` names a host that must pass the filters. `arch` and `virt_type` come from the
    image, "" means any; `firmware` is bios or uefi. `same_host` and `different_host` are servers.

    `query` is the JSON query among the hints, `near` the network that the host's address is in;
    empty ones ask nothing.

    `group` is looked up at every placement and not kept, since the others come and go.
    """

    vcpus: int
    ram_mib: int
    disk_gib: int
    image_id: str = ""
    zone: str = ""
    host: str = ""
    wanted_host: str = ""
    arch: str = ""
    virt_type: str = ""
    firmware: str = "bios"
    same_host: list[str] = field(default_factory=list)
    different_host: list[str] = field(default_factory=list)

    query: list[Any] = field(default_factory=list)
    near: str = ""
    group: GroupNeeds | None = None

    def to_json(self) -> dict[str, Any]:
        """For the server's row."""
        kept = asdict(replace(self, group=None))
        del kept["group"]
        return kept

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> RequestSpec:
        """From the server's row; keys of a later release are left out."""
        known = {name: value[name] for name in cls.__dataclass_fields__ if name in value}
        known.pop("group", None)
        return cls(**known)
