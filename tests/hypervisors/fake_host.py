"""A host in memory that behaves as the driver's does, and can be told to fail; for fast tests.

`installed(monkeypatch)` puts fakes in the place of libvirt.
"""

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from uuid import UUID

from django.utils import timezone

from hypervisors import connections
from hypervisors.libvirt.checks import Expectation
from hypervisors.libvirt.console import ConsoleLog
from hypervisors.libvirt.errors import (
    AlreadyThere,
    Busy,
    HostUnreachable,
    NotThere,
    WrongState,
)
from hypervisors.libvirt.events import Listener
from hypervisors.libvirt.filters import FilterSpec, filter_name
from hypervisors.libvirt.network import DhcpHost, NatNetworkSpec, PlainNetworkSpec
from hypervisors.libvirt.records import GuestMetadata
from hypervisors.libvirt.spec import (
    GuestInfo,
    GuestSpec,
    GuestUsage,
    HostCheck,
    HostInventory,
    HostStats,
    HostUsage,
)
from hypervisors.libvirt.survey import HostSurvey, SurveyRequest
from hypervisors.models import HostState, Hypervisor, StoragePool
from hypervisors.pools import POOL
from tests.hypervisors.clean_slate import assert_clean_slate, leftovers
from tests.hypervisors.fake_adopt import FakeAdopting
from tests.hypervisors.fake_agent import FakeAgents
from tests.hypervisors.fake_boot import FakeBoot
from tests.hypervisors.fake_cold import FakeCold
from tests.hypervisors.fake_consoles import FakeConsoles
from tests.hypervisors.fake_copies import FakeCopies
from tests.hypervisors.fake_floating import FakeFloating
from tests.hypervisors.fake_guests import FakeGuest
from tests.hypervisors.fake_interfaces import FakeInterfaces
from tests.hypervisors.fake_memory import Memory
from tests.hypervisors.fake_migrate import FakeMigrations
from tests.hypervisors.fake_pools import GIB, FakeVolume, counted_call
from tests.hypervisors.fake_segments import FakeSegments
from tests.hypervisors.fake_survey import fake_survey
from tests.hypervisors.fake_volumes import FakeVolumes

__all__ = [
    "FakeGuest",
    "FakeHost",
    "FakeHosts",
    "assert_clean_slate",
    "installed",
    "make_hypervisor",
]


@dataclasses.dataclass
class FakeNetwork:
    spec: NatNetworkSpec | PlainNetworkSpec
    entries: list[DhcpHost] = dataclasses.field(default_factory=list)
    is_active: bool = True


class FakeHost(
    FakeAdopting,
    FakeAgents,
    FakeBoot,
    FakeCold,
    FakeConsoles,
    FakeCopies,
    FakeFloating,
    FakeInterfaces,
    FakeMigrations,
    FakeSegments,
    FakeVolumes,
):
    """One host. `calls` are the names of what was asked, in order."""

    def __init__(self, name: str = "fake") -> None:
        super().__init__()
        self.name = name
        self.heeds_power_button = True
        self.console_text: dict[UUID, bytes] = {}
        self.found_checks: list[HostCheck] | None = None
        self.listener: Listener | None = None

    def is_clean(self) -> bool:
        """Whether nothing of any server is left."""
        return not leftovers(self)

    # What it is

    @counted_call
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
            usable_cpu_models={"qemu": ("Nehalem", "qemu64")},
        )

    @counted_call
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
                off_reason=guest.off_reason if guest.power_state == "shutdown" else None,
            )
            for uuid, guest in self.guests.items()
        )
        return HostStats(HostUsage(1, 1, 16384, 8192), guests)

    @counted_call
    def listen(self, listener: Listener) -> None:
        self.listener = listener

    @counted_call
    def check(self, expected: Expectation) -> list[HostCheck]:
        if self.found_checks is not None:
            return self.found_checks
        names = ("ssh", "libvirt version", "qemu", "virt type", "pool", "network", "time")
        return [HostCheck(name, True, "Fine.") for name in names]

    # Guests

    @counted_call
    def define_guest(self, spec: GuestSpec) -> GuestInfo:
        for uuid, other in self.guests.items():
            if uuid != spec.uuid and other.spec.name == spec.name:
                raise AlreadyThere(f"domain '{spec.name}' already exists with uuid {uuid}")
        known = self.guests.get(spec.uuid)
        self.guests[spec.uuid] = (
            dataclasses.replace(known, spec=spec, xml=None) if known else FakeGuest(spec)
        )
        return self._guest_info(spec.uuid)

    @counted_call
    def start_guest(self, uuid: UUID) -> None:
        guest = self._guest(uuid)
        for disk in guest.spec.disks:
            self._volume(disk.pool, disk.volume)
        for card in guest.spec.interfaces:
            if card.network not in self.networks:
                raise NotThere(f"network '{card.network}' not found")
            if card.filter_name and card.filter_name not in map(filter_name, self.filters):
                raise NotThere(f"no nwfilter '{card.filter_name}'")
        if guest.power_state == "shutdown":
            guest.power_state = "running"
        guest.is_saved = False

    @counted_call
    def destroy_guest(self, uuid: UUID) -> None:
        if uuid in self.guests:
            self.guests[uuid].power_state = "shutdown"
            self.guests[uuid].off_reason = "destroyed"

    @counted_call
    def shutdown_guest(self, uuid: UUID, timeout_s: float) -> bool:
        guest = self._guest(uuid)
        was_off, guest.power_state = guest.power_state == "shutdown", "shutdown"
        guest.off_reason = "shutdown" if self.heeds_power_button else "destroyed"
        return was_off or self.heeds_power_button

    @counted_call
    def reboot_soft(self, uuid: UUID, timeout_s: float) -> bool:
        guest = self._guest(uuid)
        if not self.heeds_power_button and guest.power_state == "running":
            return False
        guest.power_state = "running"
        return True

    @counted_call
    def reboot_hard(self, uuid: UUID) -> None:
        guest = self._guest(uuid)
        guest.power_state, guest.is_saved = "running", False

    @counted_call
    def remove_guest(self, uuid: UUID) -> None:
        self.guests.pop(uuid, None)

    @counted_call
    def guest_info(self, uuid: UUID) -> GuestInfo:
        return self._guest_info(uuid)

    @counted_call
    def list_guests(self, *, ours_only: bool) -> list[GuestInfo]:
        infos = (self._guest_info(uuid) for uuid in self.guests)
        return sorted(infos, key=lambda guest: guest.name)

    @counted_call
    def read_metadata(self, uuid: UUID) -> GuestMetadata:
        guest = self._guest(uuid)
        if uuid in self.foreign:
            raise NotThere("metadata not found: Requested metadata element is not present")
        return guest.spec.metadata

    @counted_call
    def write_metadata(self, uuid: UUID, metadata: GuestMetadata) -> None:
        guest = self._guest(uuid)
        guest.spec = dataclasses.replace(guest.spec, metadata=metadata)
        guest.xml = None
        self.foreign.discard(uuid)

    @counted_call
    def screenshot(self, uuid: UUID) -> bytes:
        if self._guest(uuid).power_state != "running":
            raise WrongState("domain is not running")
        return b"\x89PNG\r\n\x1a\n"

    @counted_call
    def prepare_console_log(self, pool: str, uuid: UUID) -> str:
        name = f"{uuid}_console.log"
        self._pool(pool).volumes.setdefault(name, FakeVolume(name, "raw", 0))
        return f"{self._pool(pool).path}/{name}"

    @counted_call
    def read_console_log(
        self, pool: str, uuid: UUID, *, offset: int | None, max_bytes: int
    ) -> ConsoleLog:
        if f"{uuid}_console.log" not in self._pool(pool).volumes:
            return ConsoleLog(b"", 0)
        text = self.console_text.get(uuid, b"")
        start = max(0, len(text) - max_bytes) if offset is None else offset
        piece = text[start : start + max_bytes]
        return ConsoleLog(piece, start + len(piece))

    @counted_call
    def remove_console_log(self, pool: str, uuid: UUID) -> None:
        if pool in self.pools:
            self.pools[pool].volumes.pop(f"{uuid}_console.log", None)

    # Networks

    @counted_call
    def ensure_network(self, spec: NatNetworkSpec | PlainNetworkSpec) -> None:
        network = self.networks.setdefault(spec.name, FakeNetwork(spec))
        if network.spec.uuid != spec.uuid:
            raise AlreadyThere(f"A network {spec.name} exists with the id {network.spec.uuid}.")
        if _own_addresses(network.spec) != _own_addresses(spec):
            used = {card.network for each in self.guests.values() for card in each.spec.interfaces}
            if spec.name in used:
                raise Busy(f"Guests run on the network {spec.name}, whose addresses have changed.")
            self.networks[spec.name] = network = FakeNetwork(spec)
        network.is_active = True

    @counted_call
    def remove_network(self, name: str) -> None:
        self.networks.pop(name, None)

    @counted_call
    def list_networks(self) -> list[str]:
        return sorted(name for name, each in self.networks.items() if each.is_active)

    @counted_call
    def replug(self, network: str) -> None:
        self._network(network)

    @counted_call
    def ensure_dhcp_host(self, name: str, mac: str, ip: str, hostname: str | None) -> None:
        wanted = DhcpHost(mac.lower(), ip, hostname)
        network = self._network(name)
        for entry in network.entries:
            if entry.ip == ip and entry.mac != wanted.mac:
                raise AlreadyThere(f"The address {ip} is given to {entry.mac}.")
        own = (wanted.mac, wanted.version)
        others = [entry for entry in network.entries if (entry.mac, entry.version) != own]
        network.entries = [*others, wanted]

    @counted_call
    def remove_dhcp_host(self, name: str, mac: str) -> None:
        if name in self.networks:
            network = self.networks[name]
            network.entries = [each for each in network.entries if each.mac != mac.lower()]

    @counted_call
    def list_dhcp_hosts(self, name: str) -> list[DhcpHost]:
        return list(self._network(name).entries)

    @counted_call
    def ensure_filter(self, spec: FilterSpec) -> None:
        self.filters[spec.port_id] = spec

    @counted_call
    def remove_filter(self, port_id: str) -> None:
        name = filter_name(port_id)
        for guest in self.guests.values():
            used = any(card.filter_name == name for card in guest.spec.interfaces)
            if used and guest.power_state == "running":
                raise Busy(f"nwfilter {name} is in use")
        self.filters.pop(port_id, None)

    @counted_call
    def list_filters(self) -> list[str]:
        return sorted(filter_name(port_id) for port_id in self.filters)

    @counted_call
    def survey(self, request: SurveyRequest) -> HostSurvey:
        return fake_survey(self, request)

    # What is behind it

    def _network(self, name: str) -> FakeNetwork:
        if name not in self.networks:
            raise NotThere(f"no network with matching name '{name}'")
        return self.networks[name]

    def _guest_info(self, uuid: UUID) -> GuestInfo:
        guest = self._guest(uuid)
        return GuestInfo(
            uuid=uuid,
            name=guest.spec.name,
            power_state=guest.power_state,
            reason=guest.reason,
            vcpus=guest.spec.vcpus,
            ram_mib=guest.spec.ram_mib,
            cpu_time_ns=0,
            is_ours=uuid not in self.foreign,
            is_persistent=guest.is_persistent,
            vnc_port=5900 if guest.power_state == "running" else None,
            is_saved=guest.is_saved,
        )


class FakeHosts(dict[str, FakeHost]):
    """The fakes by the hypervisor's name; one is made when first asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._memory: Memory | None = None
        self._on_point: Callable[[str], None] | None = None

    def __missing__(self, name: str) -> FakeHost:
        self[name] = FakeHost(name)
        self[name].memory, self[name].on_point = self._memory, self._on_point
        return self[name]

    def keep_in(self, folder: Path) -> None:
        """From now on the hosts are in a file, for all processes that come from this one."""
        self._memory = Memory(self, folder)
        for host in self.values():
            host.memory = self._memory

    def watch(self, on_point: Callable[[str], None] | None) -> None:
        """Have every host tell of the moments at which its caller may be interrupted."""
        self._on_point = on_point
        for host in self.values():
            host.on_point = on_point

    def opened(self) -> AbstractContextManager[None]:
        """Look at and change hosts that are kept in a file."""
        return self._memory.opened() if self._memory is not None else nullcontext()

    def open(self, hypervisor: Hypervisor) -> FakeHost:
        """What `connections.open_host` does, with fakes."""
        with self.opened():
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
            "usable_cpu_models": {"qemu": ["Nehalem", "qemu64"]},
            "cpu_vendor": "AMD",
        },
    }
    hypervisor = Hypervisor.objects.create(name=name, **{**known, **fields})
    hosts[name].ensure_pool(POOL)
    StoragePool.objects.create(
        hypervisor=hypervisor, name=POOL.name, target_path=POOL.path, is_default=True,
        capacity=200 * GIB, available=200 * GIB,
    )  # fmt: skip
    return hypervisor


def _own_addresses(spec: NatNetworkSpec | PlainNetworkSpec) -> object:
    return spec.cidr, spec.gateway, spec.six if isinstance(spec, NatNetworkSpec) else None
