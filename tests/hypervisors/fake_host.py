"""A host in memory that behaves as the driver's does, and can be told to fail; for fast tests.

`installed(monkeypatch)` puts fakes in the place of libvirt. `assert_clean_slate` asks any host,
fake or real, whether something was left behind.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from django.utils import timezone

from hypervisors import connections
from hypervisors.connections import connected
from hypervisors.disks import BASE_PREFIX
from hypervisors.libvirt.checks import Expectation
from hypervisors.libvirt.console import ConsoleLog
from hypervisors.libvirt.errors import (
    AlreadyThere,
    Busy,
    Corrupted,
    DriverError,
    HostUnreachable,
    NotThere,
    TooSmall,
    WrongState,
)
from hypervisors.libvirt.filters import FilterSpec, filter_name
from hypervisors.libvirt.network import DhcpHost, NatNetworkSpec
from hypervisors.libvirt.spec import (
    GuestInfo,
    GuestMetadata,
    GuestSpec,
    GuestUsage,
    HostCheck,
    HostInventory,
    HostStats,
    HostUsage,
    PoolInfo,
    PowerState,
    VolumeInfo,
)
from hypervisors.libvirt.storage import DirPoolSpec, VolumeFormat
from hypervisors.models import HostState, Hypervisor, StoragePool
from hypervisors.pools import POOL

GIB = 1024**3
F = TypeVar("F", bound=Callable[..., Any])


@dataclasses.dataclass
class FakeVolume:
    """A volume; `content` is what was uploaded or put."""

    name: str
    format: str
    capacity: int
    content: bytes = b""
    backing: str | None = None


@dataclasses.dataclass
class FakePool:
    path: str
    is_active: bool = True
    volumes: dict[str, FakeVolume] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class FakeGuest:
    spec: GuestSpec
    power_state: PowerState = "shutdown"


@dataclasses.dataclass
class FakeNetwork:
    spec: NatNetworkSpec
    entries: list[DhcpHost] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Failure:
    """What to raise: before the call has its effect, or after it, as when the answer is lost."""

    error: DriverError
    is_after: bool = False


def _call(method: F) -> F:
    """Count the call, refuse it when the host is down, fail it when that was planned."""

    @functools.wraps(method)
    def counted(self: "FakeHost", *args: Any, **kwargs: Any) -> Any:
        failure = self._begin(method.__name__)
        if failure is not None and not failure.is_after:
            raise failure.error
        answer = method(self, *args, **kwargs)
        if failure is not None:
            raise failure.error
        return answer

    return counted  # type: ignore[return-value]  # the same signature


class FakeHost:
    """One host. `calls` are the names of what was asked, in order."""

    def __init__(self, name: str = "fake") -> None:
        self.name = name
        self.is_down = False
        self.heeds_power_button = True
        self.calls: list[str] = []
        self.pools: dict[str, FakePool] = {}
        self.guests: dict[UUID, FakeGuest] = {}
        self.networks: dict[str, FakeNetwork] = {}
        self.filters: dict[str, FilterSpec] = {}
        self.console_text: dict[UUID, bytes] = {}
        self.found_checks: list[HostCheck] | None = None
        self.on_upload: Callable[[], None] | None = None
        self._by_number: dict[int, Failure] = {}
        self._by_name: dict[str, list[Failure]] = {}

    def fail_at(
        self, number: int, error: DriverError | None = None, *, after: bool = False
    ) -> None:
        """Let the call of this number fail, counted from 1 from now on."""
        at = len(self.calls) + number
        self._by_number[at] = Failure(error or DriverError("told to fail"), after)

    def fail_on(
        self, name: str, error: DriverError | None = None, *, times: int = 1, after: bool = False
    ) -> None:
        """Let the next calls of this method fail."""
        failure = Failure(error or DriverError("told to fail"), after)
        self._by_name.setdefault(name, []).extend([failure] * times)

    def is_clean(self) -> bool:
        """Whether nothing of any server is left."""
        return not leftovers(self)

    def _begin(self, name: str) -> Failure | None:
        self.calls.append(name)
        if self.is_down:
            raise HostUnreachable("The host did not answer within 10 s.")
        planned = self._by_name.get(name)
        if planned:
            return planned.pop(0)
        return self._by_number.pop(len(self.calls), None)

    # What it is

    @_call
    def inventory(self) -> HostInventory:
        return HostInventory(
            hostname=self.name,
            arch="x86_64",
            vcpus=8,
            ram_mib=16384,
            libvirt_version="9.0.0",
            qemu_version="7.2.0",
            domain_types=("qemu",),
            cpu_model="EPYC",
            cpu_vendor="AMD",
            cpu_features=("sse4.2",),
            guest_cpu_models={"qemu": "qemu64"},
            machines={"q35": "pc-q35-7.2", "pc-q35-7.2": "pc-q35-7.2"},
            has_uefi=True,
        )

    @_call
    def stats(self) -> HostStats:
        guests = tuple(
            GuestUsage(
                uuid=uuid,
                name=guest.spec.name,
                power_state=guest.power_state,
                cpu_time_ns=1,
                vcpus=guest.spec.vcpus,
                ram_mib=guest.spec.ram_mib,
                ram_used_mib=None,
                ram_rss_mib=None,
            )
            for uuid, guest in self.guests.items()
        )
        return HostStats(HostUsage(1, 1, 16384, 8192), guests)

    @_call
    def check(self, expected: Expectation) -> list[HostCheck]:
        if self.found_checks is not None:
            return self.found_checks
        names = ("ssh", "libvirt version", "qemu", "virt type", "pool", "network", "time")
        return [HostCheck(name, True, "Fine.") for name in names]

    # Pools and volumes

    @_call
    def ensure_pool(self, spec: DirPoolSpec) -> PoolInfo:
        pool = self.pools.setdefault(spec.name, FakePool(spec.path))
        if pool.path != spec.path:
            raise AlreadyThere(f"A storage pool {spec.name} exists at {pool.path}.")
        return self._pool_info(spec.name)

    @_call
    def pool_info(self, name: str) -> PoolInfo:
        return self._pool_info(name)

    @_call
    def list_pools(self) -> list[PoolInfo]:
        return [self._pool_info(name) for name in sorted(self.pools)]

    @_call
    def list_volumes(self, pool: str, prefix: str = "") -> list[VolumeInfo]:
        volumes = self._pool(pool).volumes
        names = sorted(name for name in volumes if name.startswith(prefix))
        return [self._volume_info(pool, name) for name in names]

    @_call
    def is_verified(self, pool: str, name: str) -> bool:
        volumes = self.pools[pool].volumes if pool in self.pools else {}
        return name in volumes and f"{name}.verified" in volumes

    @_call
    def upload_image(
        self, pool: str, name: str, source: Path, *, kind: VolumeFormat, sha256: str | None
    ) -> VolumeInfo:
        volumes = self._pool(pool).volumes
        if name in volumes and f"{name}.verified" in volumes:
            return self._volume_info(pool, name)
        content = source.read_bytes()
        # Half of it is there before anybody notices that something is wrong.
        volumes[name] = FakeVolume(name, kind, len(content), content[: len(content) // 2])
        if self.on_upload is not None:
            self.on_upload()
        if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
            raise Corrupted(f"The file for volume {name} does not have the checksum {sha256}.")
        volumes[name].content = content
        volumes[f"{name}.verified"] = FakeVolume(f"{name}.verified", "raw", 0)
        return self._volume_info(pool, name)

    @_call
    def create_overlay(self, pool: str, name: str, backing: str, size_gib: int) -> VolumeInfo:
        volumes = self._pool(pool).volumes
        if backing not in volumes:
            raise NotThere(f"no storage vol with matching name '{backing}'")
        size = size_gib * GIB or volumes[backing].capacity
        if size < volumes[backing].capacity:
            raise TooSmall(f"{size} bytes are too small.")
        volume = volumes.setdefault(name, FakeVolume(name, "qcow2", size, backing=backing))
        if volume.backing != backing:
            raise AlreadyThere(f"The volume {name} lies over {volume.backing}.")
        return self._volume_info(pool, name)

    @_call
    def create_blank(self, pool: str, name: str, size_bytes: int, kind: VolumeFormat) -> VolumeInfo:
        self._pool(pool).volumes.setdefault(name, FakeVolume(name, kind, size_bytes))
        return self._volume_info(pool, name)

    @_call
    def put_content(self, pool: str, name: str, content: bytes) -> VolumeInfo:
        self._pool(pool).volumes[name] = FakeVolume(name, "raw", len(content), content)
        return self._volume_info(pool, name)

    @_call
    def get_content(self, pool: str, name: str) -> bytes:
        return self._volume(pool, name).content

    @_call
    def delete_volume(self, pool: str, name: str) -> None:
        if pool in self.pools:
            self.pools[pool].volumes.pop(f"{name}.verified", None)
            self.pools[pool].volumes.pop(name, None)

    # Guests

    @_call
    def define_guest(self, spec: GuestSpec) -> GuestInfo:
        for uuid, other in self.guests.items():
            if uuid != spec.uuid and other.spec.name == spec.name:
                raise AlreadyThere(f"domain '{spec.name}' already exists with uuid {uuid}")
        known = self.guests.get(spec.uuid)
        self.guests[spec.uuid] = FakeGuest(spec, known.power_state if known else "shutdown")
        return self._guest_info(spec.uuid)

    @_call
    def start_guest(self, uuid: UUID) -> None:
        guest = self._guest(uuid)
        for disk in guest.spec.disks:
            self._volume(disk.pool, disk.volume)
        for card in guest.spec.interfaces:
            if card.network not in self.networks:
                raise NotThere(f"network '{card.network}' not found")
            if card.filter_name and card.filter_name not in map(filter_name, self.filters):
                raise NotThere(f"no nwfilter '{card.filter_name}'")
        guest.power_state = "running"

    @_call
    def destroy_guest(self, uuid: UUID) -> None:
        if uuid in self.guests:
            self.guests[uuid].power_state = "shutdown"

    @_call
    def shutdown_guest(self, uuid: UUID, timeout_s: float) -> bool:
        guest = self._guest(uuid)
        was_off, guest.power_state = guest.power_state == "shutdown", "shutdown"
        return was_off or self.heeds_power_button

    @_call
    def reboot_soft(self, uuid: UUID, timeout_s: float) -> bool:
        guest = self._guest(uuid)
        if not self.heeds_power_button and guest.power_state == "running":
            return False
        guest.power_state = "running"
        return True

    @_call
    def reboot_hard(self, uuid: UUID) -> None:
        self._guest(uuid).power_state = "running"

    @_call
    def remove_guest(self, uuid: UUID) -> None:
        self.guests.pop(uuid, None)

    @_call
    def guest_info(self, uuid: UUID) -> GuestInfo:
        return self._guest_info(uuid)

    @_call
    def list_guests(self, *, ours_only: bool) -> list[GuestInfo]:
        infos = (self._guest_info(uuid) for uuid in self.guests)
        return sorted(infos, key=lambda guest: guest.name)

    @_call
    def read_metadata(self, uuid: UUID) -> GuestMetadata:
        return self._guest(uuid).spec.metadata

    @_call
    def screenshot(self, uuid: UUID) -> bytes:
        if self._guest(uuid).power_state != "running":
            raise WrongState("domain is not running")
        return b"\x89PNG\r\n\x1a\n"

    @_call
    def prepare_console_log(self, pool: str, uuid: UUID) -> str:
        name = f"{uuid}_console.log"
        self._pool(pool).volumes.setdefault(name, FakeVolume(name, "raw", 0))
        return f"{self._pool(pool).path}/{name}"

    @_call
    def read_console_log(
        self, pool: str, uuid: UUID, *, offset: int | None, max_bytes: int
    ) -> ConsoleLog:
        if f"{uuid}_console.log" not in self._pool(pool).volumes:
            return ConsoleLog(b"", 0)
        text = self.console_text.get(uuid, b"")
        start = max(0, len(text) - max_bytes) if offset is None else offset
        piece = text[start : start + max_bytes]
        return ConsoleLog(piece, start + len(piece))

    @_call
    def remove_console_log(self, pool: str, uuid: UUID) -> None:
        if pool in self.pools:
            self.pools[pool].volumes.pop(f"{uuid}_console.log", None)

    # Networks

    @_call
    def ensure_network(self, spec: NatNetworkSpec) -> None:
        network = self.networks.setdefault(spec.name, FakeNetwork(spec))
        if network.spec.uuid != spec.uuid:
            raise AlreadyThere(f"A network {spec.name} exists with the id {network.spec.uuid}.")

    @_call
    def remove_network(self, name: str) -> None:
        self.networks.pop(name, None)

    @_call
    def list_networks(self) -> list[str]:
        return sorted(self.networks)

    @_call
    def ensure_dhcp_host(self, name: str, mac: str, ip: str, hostname: str | None) -> None:
        wanted = DhcpHost(mac.lower(), ip, hostname)
        network = self._network(name)
        for entry in network.entries:
            if entry.ip == ip and entry.mac != wanted.mac:
                raise AlreadyThere(f"The address {ip} is given to {entry.mac}.")
        others = [entry for entry in network.entries if entry.mac != wanted.mac]
        network.entries = [*others, wanted]

    @_call
    def remove_dhcp_host(self, name: str, mac: str) -> None:
        if name in self.networks:
            network = self.networks[name]
            network.entries = [each for each in network.entries if each.mac != mac.lower()]

    @_call
    def list_dhcp_hosts(self, name: str) -> list[DhcpHost]:
        return list(self._network(name).entries)

    @_call
    def ensure_filter(self, spec: FilterSpec) -> None:
        self.filters[spec.port_id] = spec

    @_call
    def remove_filter(self, port_id: str) -> None:
        name = filter_name(port_id)
        for guest in self.guests.values():
            used = any(card.filter_name == name for card in guest.spec.interfaces)
            if used and guest.power_state == "running":
                raise Busy(f"nwfilter {name} is in use")
        self.filters.pop(port_id, None)

    @_call
    def list_filters(self) -> list[str]:
        return sorted(filter_name(port_id) for port_id in self.filters)

    # What is behind it

    def _pool(self, name: str) -> FakePool:
        if name not in self.pools:
            raise NotThere(f"no storage pool with matching name '{name}'")
        return self.pools[name]

    def _volume(self, pool: str, name: str) -> FakeVolume:
        volumes = self._pool(pool).volumes
        if name not in volumes:
            raise NotThere(f"no storage vol with matching name '{name}'")
        return volumes[name]

    def _guest(self, uuid: UUID) -> FakeGuest:
        if uuid not in self.guests:
            raise NotThere(f"no domain with matching uuid '{uuid}'")
        return self.guests[uuid]

    def _network(self, name: str) -> FakeNetwork:
        if name not in self.networks:
            raise NotThere(f"no network with matching name '{name}'")
        return self.networks[name]

    def _pool_info(self, name: str) -> PoolInfo:
        pool = self._pool(name)
        used = sum(len(volume.content) for volume in pool.volumes.values())
        size = 200 * GIB
        return PoolInfo(name, "dir", pool.is_active, True, pool.path, size, used, size - used)

    def _volume_info(self, pool: str, name: str) -> VolumeInfo:
        volume = self._volume(pool, name)
        path = self._pool(pool).path
        return VolumeInfo(
            name=name,
            path=f"{path}/{name}",
            format=volume.format,
            capacity_bytes=volume.capacity,
            allocation_bytes=len(volume.content),
            backing_path=f"{path}/{volume.backing}" if volume.backing else None,
        )

    def _guest_info(self, uuid: UUID) -> GuestInfo:
        guest = self._guest(uuid)
        return GuestInfo(
            uuid=uuid,
            name=guest.spec.name,
            power_state=guest.power_state,
            reason=0,
            vcpus=guest.spec.vcpus,
            ram_mib=guest.spec.ram_mib,
            cpu_time_ns=0,
            is_ours=True,
            is_persistent=True,
            vnc_port=5900 if guest.power_state == "running" else None,
        )


class FakeHosts(dict[str, FakeHost]):
    """The fakes by the hypervisor's name; one is made when first asked for."""

    def __missing__(self, name: str) -> FakeHost:
        self[name] = FakeHost(name)
        return self[name]

    def open(self, hypervisor: Hypervisor) -> FakeHost:
        """What `connections.open_host` does, with fakes."""
        host = self[hypervisor.name]
        if host.is_down:
            raise HostUnreachable("No connection to the host within 10 s.")
        return host


def installed(monkeypatch: Any) -> FakeHosts:
    """Put fakes in the place of libvirt for the rest of the test."""
    hosts = FakeHosts()
    monkeypatch.setattr(connections, "open_host", hosts.open)
    return hosts


def make_hypervisor(hosts: FakeHosts, name: str = "host1", **fields: Any) -> Hypervisor:
    """A hypervisor that is up, with 8 vCPUs, 16 GiB and 200 GiB, its pool and its fake host."""
    known = {
        "uri": f"qemu+ssh://root@{name}/system",
        "state": HostState.UP,
        "last_seen_at": timezone.now(),
        "arch": "x86_64",
        "domain_type": "qemu",
        "vcpus": 8,
        "ram_mib": 16384,
        "disk_gib": 200,
        "reserved_ram_mib": 0,
        "capabilities": {
            "machines": {"q35": "pc-q35-7.2"},
            "guest_cpu_models": {"qemu": "qemu64"},
            "domain_types": ["qemu"],
            "has_uefi": True,
        },
    }
    hypervisor = Hypervisor.objects.create(name=name, **{**known, **fields})
    hosts[name].ensure_pool(POOL)
    StoragePool.objects.create(
        hypervisor=hypervisor, name=POOL.name, target_path=POOL.path, is_default=True,
        capacity=200 * GIB, available=200 * GIB,
    )  # fmt: skip
    return hypervisor


def leftovers(host: Any, server_ids: Iterable[UUID] | None = None) -> list[str]:
    """What there is on a host beside base images; of these servers only, when they are given."""
    ids = None if server_ids is None else [str(each) for each in server_ids]
    found = [f"guest {guest.name}" for guest in host.list_guests(ours_only=True)]
    for pool in host.list_pools():
        if pool.name == POOL.name and pool.is_active:
            names = [volume.name for volume in host.list_volumes(pool.name)]
            found += [f"volume {name}" for name in names if not name.startswith(BASE_PREFIX)]
    if ids is not None:
        return [each for each in found if any(name in each for name in ids)]
    for network in host.list_networks():
        found += [f"DHCP entry {entry.mac}" for entry in host.list_dhcp_hosts(network)]
    return found + [f"filter {name}" for name in host.list_filters()]


def assert_clean_slate(hypervisor: Hypervisor, server_ids: Iterable[UUID] | None = None) -> None:
    """Ask the host, fake or real: no guest, volume, DHCP entry or filter is left on it."""
    with connected(hypervisor) as host:
        found = leftovers(host, server_ids)
    assert not found, f"{hypervisor.name} still has: {', '.join(found)}"
