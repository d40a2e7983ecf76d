"""What a server needs of a host, frozen when it was asked for."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from django.db.models import Case, IntegerField, Value, When

_NOT_KEPT = ("group", "aggregates", "physical_networks", "has_tunnels", "booked", "kept_in")


@dataclass(frozen=True)
class GroupNeeds:
    """What a server group asks: its policy, and on which hosts how many of the others are."""

    policy: str
    max_per_host: int
    hosts: dict[int, int]


@dataclass(frozen=True)
class HostAggregate:
    """An aggregate of hosts: its key, and the values that its metadata gives for each name."""

    key: int
    values: dict[str, frozenset[str]]


@dataclass(frozen=True)
class Booking:
    """What is thought of as taken of a host, beside what is claimed there.

    `numa` are the placements on its cells, as an allocation keeps them; `pci` the addresses of its
    devices.
    """

    vcpus: int = 0
    ram_mib: int = 0
    disk_gib: int = 0
    numa: tuple[dict[str, Any], ...] = ()
    pci: tuple[str, ...] = ()


@dataclass(frozen=True)
class RequestSpec:
    """The needs that filters compare with hosts.

    `disk_gib` is root + ephemeral + swap, rounded up to whole GiB. `zone` "" means any. `host`
    is a host forced by an administrator: the filters are not asked (but the claim is).
    `wanted_host` names a host that must pass the filters. `arch` and `virt_type` come from the
    image, "" means any; `firmware` is bios or uefi, with `secure_boot` or without.
    `tpm` is a model and version of the host's emulated ones, "" none.
    `same_host` and `different_host` are servers.

    `query` is the JSON query among the hints, `near` the network that the host's address is in;
    empty ones ask nothing.

    `extra_specs` are those of the flavor that ask something of hosts; `image_properties` is what
    hosts may be kept for, as `project_id` is. `machine_type` "" is the host's own. `store` is
    the name of the storage pool for the disks; "" is the host's default one. `kept_in` is the store
    that they are in already, which takes no more room of who has it, too.

    `numa` is what is asked of the host's cells, as JSON (`hypervisors.numa.NumaRequest`), `pci` the
    devices of it, by alias: `gpu:2,nic:1`, "" none.

    `group`, `aggregates`, and what the server's networks ask are looked up at every placement and
    not kept: they come and go. `booked` is asked by plans: what each host (by its key) is to have
    by then.
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
    secure_boot: bool = False
    tpm: str = ""
    same_host: list[str] = field(default_factory=list)
    different_host: list[str] = field(default_factory=list)

    query: list[Any] = field(default_factory=list)
    near: str = ""
    project_id: str = ""
    machine_type: str = ""
    store: str = ""
    extra_specs: dict[str, str] = field(default_factory=dict)
    image_properties: dict[str, str] = field(default_factory=dict)
    numa: dict[str, Any] = field(default_factory=dict)
    pci: str = ""
    group: GroupNeeds | None = None
    aggregates: tuple[HostAggregate, ...] = ()
    physical_networks: tuple[str, ...] = ()
    has_tunnels: bool = False
    booked: dict[int, Booking] = field(default_factory=dict)
    kept_in: str = ""

    def to_json(self) -> dict[str, Any]:
        """For the server's row."""
        kept = asdict(replace(self, group=None, aggregates=(), booked={}))
        return {name: value for name, value in kept.items() if name not in _NOT_KEPT}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> RequestSpec:
        """From the server's row; keys of a later release are left out."""
        names = [name for name in cls.__dataclass_fields__ if name not in _NOT_KEPT]
        return cls(**{name: value[name] for name in names if name in value})


def booked_of(spec: RequestSpec, resource: str) -> Case | Value:
    """How much of a resource is booked of each host, as an expression over Hypervisor rows."""
    if not spec.booked:
        return Value(0)
    return Case(
        *(When(pk=key, then=Value(getattr(each, resource))) for key, each in spec.booked.items()),
        default=Value(0),
        output_field=IntegerField(),
    )
