"""What the portal does on a host, as one interface: libvirt's by the driver, or a test's fake."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol
from uuid import UUID

from hypervisors.host_adopt import AdoptingHost, LibvirtAdoptingHost
from hypervisors.host_agent import AgentsOfHost, LibvirtAgents
from hypervisors.host_boot import HostWithBoot, LibvirtBoot
from hypervisors.host_cold import ColdHost, LibvirtColdHost
from hypervisors.host_consoles import HostWithConsoles, LibvirtConsoles
from hypervisors.host_copies import CopyingHost, LibvirtCopyingHost
from hypervisors.host_floating import HostWithFloating, LibvirtFloating
from hypervisors.host_interfaces import InterfacesOfHost, LibvirtInterfaces
from hypervisors.host_migrate import LibvirtMigratingHost, MigratingHost
from hypervisors.host_pools import LibvirtPools, PoolsOfHost
from hypervisors.host_segments import HostWithSegments, LibvirtSegments
from hypervisors.host_volumes import LibvirtVolumes, VolumesOfHost
from hypervisors.libvirt import (
    checks,
    console,
    diagnostics,
    events,
    filters,
    guest,
    network,
    storage,
    suspend,
    transfer,
)
from hypervisors.libvirt import host as host_room
from hypervisors.libvirt import survey as survey_room
from hypervisors.libvirt.checks import Expectation
from hypervisors.libvirt.connection import Connection
from hypervisors.libvirt.console import ConsoleLog
from hypervisors.libvirt.diagnostics import GuestDiagnosis
from hypervisors.libvirt.domain_xml import domain_xml
from hypervisors.libvirt.events import Listener
from hypervisors.libvirt.filters import FilterSpec
from hypervisors.libvirt.network import DhcpHost, NatNetworkSpec, PlainNetworkSpec
from hypervisors.libvirt.records import GuestMetadata
from hypervisors.libvirt.spec import (
    GuestInfo,
    GuestSpec,
    HostCheck,
    HostInventory,
    HostStats,
    PoolInfo,
    VolumeInfo,
)
from hypervisors.libvirt.storage import VolumeFormat
from hypervisors.libvirt.survey import HostSurvey, SurveyRequest


class Host(
    ColdHost,
    AdoptingHost,
    AgentsOfHost,
    CopyingHost,
    HostWithBoot,
    HostWithConsoles,
    HostWithFloating,
    InterfacesOfHost,
    MigratingHost,
    PoolsOfHost,
    HostWithSegments,
    VolumesOfHost,
    Protocol,
):
    """A host that answers. Every call looks first, so that one made twice means it once.

    Errors are the driver's; `connections.connected` makes them the portal's.
    """

    def inventory(self) -> HostInventory:
        """What the host is and has."""

    def stats(self) -> HostStats:
        """Counters of the host and all its guests."""

    def listen(self, listener: Listener) -> None:
        """Be told of its guests' changes while the connection lives; once is enough."""

    def check(self, expected: Expectation) -> list[HostCheck]:
        """Whether the host is fit to carry servers, by named checks."""

    def pool_info(self, name: str) -> PoolInfo:
        """A pool's state and sizes."""

    def list_pools(self) -> list[PoolInfo]:
        """All pools."""

    def list_volumes(self, pool: str, prefix: str = "") -> list[VolumeInfo]:
        """A pool's volumes whose names begin so."""

    def is_verified(self, pool: str, name: str) -> bool:
        """Whether an uploaded volume is whole."""

    def upload_image(
        self, pool: str, name: str, source: Path, *, kind: VolumeFormat, sha256: str | None
    ) -> VolumeInfo:
        """Bring an image file into a pool and read it back."""

    def create_overlay(self, pool: str, name: str, backing: str, size_gib: int) -> VolumeInfo:
        """A thin volume over another one."""

    def create_blank(self, pool: str, name: str, size_bytes: int, kind: VolumeFormat) -> VolumeInfo:
        """An empty thin volume."""

    def put_content(self, pool: str, name: str, content: bytes) -> VolumeInfo:
        """A raw volume with this content."""

    def get_content(self, pool: str, name: str) -> bytes:
        """A volume's bytes."""

    def define_guest(self, spec: GuestSpec) -> GuestInfo:
        """Make the guest known, or give it this definition."""

    def start_guest(self, uuid: UUID) -> None:
        """Start the guest."""

    def destroy_guest(self, uuid: UUID) -> None:
        """Switch the guest off at once."""

    def shutdown_guest(self, uuid: UUID, timeout_s: float) -> bool:
        """Ask the guest to stop, then switch it off; whether it went by itself."""

    def reboot_soft(self, uuid: UUID, timeout_s: float) -> bool:
        """Let the guest stop and start; False if it did not stop."""

    def reboot_hard(self, uuid: UUID) -> None:
        """Switch the guest off and on."""

    def pause_guest(self, uuid: UUID) -> None:
        """Halt the guest with its memory in place."""

    def unpause_guest(self, uuid: UUID) -> None:
        """Let a halted guest run on."""

    def suspend_guest(self, uuid: UUID) -> None:
        """Write the guest's memory to the host's disk and switch it off."""

    def resume_guest(self, uuid: UUID, *, may_boot: bool) -> None:
        """Let a suspended guest run on; `may_boot`: start it also with nothing saved."""

    def interrupt_guest(self, uuid: UUID) -> None:
        """Send the guest a non-maskable interrupt."""

    def remove_guest(self, uuid: UUID) -> None:
        """Switch the guest off and forget it."""

    def guest_info(self, uuid: UUID) -> GuestInfo:
        """The guest as it is."""

    def list_guests(self, *, ours_only: bool) -> list[GuestInfo]:
        """The host's guests."""

    def read_metadata(self, uuid: UUID) -> GuestMetadata:
        """What the portal wrote into the guest's definition."""

    def write_metadata(self, uuid: UUID, metadata: GuestMetadata) -> None:
        """Put this in place of what the portal wrote; the guest notices nothing."""

    def diagnose(self, uuid: UUID) -> GuestDiagnosis:
        """The guest's counters in detail, within a few seconds."""

    def screenshot(self, uuid: UUID) -> bytes:
        """The guest's display as a PNG."""

    def prepare_console_log(self, pool: str, uuid: UUID) -> str:
        """Make the serial log's volumes; its path."""

    def read_console_log(
        self, pool: str, uuid: UUID, *, offset: int | None, max_bytes: int
    ) -> ConsoleLog:
        """A piece of the serial log."""

    def remove_console_log(self, pool: str, uuid: UUID) -> None:
        """Delete the serial log."""

    def ensure_network(self, spec: NatNetworkSpec | PlainNetworkSpec) -> None:
        """Make the network and start it."""

    def remove_network(self, name: str) -> None:
        """Stop and forget the network."""

    def list_networks(self) -> list[str]:
        """Names of the networks that run."""

    def replug(self, network: str) -> None:
        """Plug the running guests on a network, which was started anew, into it."""

    def ensure_dhcp_host(self, name: str, mac: str, ip: str, hostname: str | None) -> None:
        """Give the card this address."""

    def remove_dhcp_host(self, name: str, mac: str) -> None:
        """Take the card's address away."""

    def list_dhcp_hosts(self, name: str) -> list[DhcpHost]:
        """The network's static entries."""

    def ensure_filter(self, spec: FilterSpec) -> None:
        """Define a port's filter."""

    def remove_filter(self, port_id: str) -> None:
        """Forget a port's filter."""

    def list_filters(self) -> list[str]:
        """Names of the ports' filters."""

    def survey(self, request: SurveyRequest) -> HostSurvey:
        """All that is there of ours, in few calls."""


def libvirt_host(connection: Connection) -> Host:
    """The host at the other end of a libvirt connection."""
    return _LibvirtHost(connection)


class _LibvirtHost(
    LibvirtColdHost,
    LibvirtAdoptingHost,
    LibvirtAgents,
    LibvirtBoot,
    LibvirtConsoles,
    LibvirtCopyingHost,
    LibvirtFloating,
    LibvirtSegments,
    LibvirtInterfaces,
    LibvirtMigratingHost,
    LibvirtPools,
    LibvirtVolumes,
):
    """Each method is the driver's function of that name."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def inventory(self) -> HostInventory:
        return host_room.inventory(self.connection)

    def stats(self) -> HostStats:
        return host_room.stats(self.connection)

    def listen(self, listener: Listener) -> None:
        events.listen(self.connection, listener)

    def check(self, expected: Expectation) -> list[HostCheck]:
        return checks.check_connection(self.connection, expected)

    def pool_info(self, name: str) -> PoolInfo:
        return storage.pool_info(self.connection, name)

    def list_pools(self) -> list[PoolInfo]:
        return storage.list_pools(self.connection)

    def list_volumes(self, pool: str, prefix: str = "") -> list[VolumeInfo]:
        return storage.list_volumes(self.connection, pool, prefix)

    def is_verified(self, pool: str, name: str) -> bool:
        return storage.is_verified(self.connection, pool, name)

    def upload_image(
        self, pool: str, name: str, source: Path, *, kind: VolumeFormat, sha256: str | None
    ) -> VolumeInfo:
        return transfer.upload_image(self.connection, pool, name, source, kind=kind, sha256=sha256)

    def create_overlay(self, pool: str, name: str, backing: str, size_gib: int) -> VolumeInfo:
        return storage.create_overlay(self.connection, pool, name, backing, size_gib)

    def create_blank(self, pool: str, name: str, size_bytes: int, kind: VolumeFormat) -> VolumeInfo:
        return storage.create_blank(self.connection, pool, name, size_bytes, kind)

    def put_content(self, pool: str, name: str, content: bytes) -> VolumeInfo:
        return transfer.put_content(self.connection, pool, name, content)

    def get_content(self, pool: str, name: str) -> bytes:
        return transfer.get_content(self.connection, pool, name)

    def define_guest(self, spec: GuestSpec) -> GuestInfo:
        return guest.define_guest(self.connection, domain_xml(spec))

    def start_guest(self, uuid: UUID) -> None:
        guest.start_guest(self.connection, uuid)

    def destroy_guest(self, uuid: UUID) -> None:
        guest.destroy_guest(self.connection, uuid)

    def shutdown_guest(self, uuid: UUID, timeout_s: float) -> bool:
        return guest.shutdown_clean(self.connection, uuid, timeout_s)

    def reboot_soft(self, uuid: UUID, timeout_s: float) -> bool:
        return guest.reboot_soft(self.connection, uuid, timeout_s)

    def reboot_hard(self, uuid: UUID) -> None:
        guest.reboot_hard(self.connection, uuid)

    def pause_guest(self, uuid: UUID) -> None:
        suspend.pause_guest(self.connection, uuid)

    def unpause_guest(self, uuid: UUID) -> None:
        suspend.unpause_guest(self.connection, uuid)

    def suspend_guest(self, uuid: UUID) -> None:
        suspend.suspend_guest(self.connection, uuid)

    def resume_guest(self, uuid: UUID, *, may_boot: bool) -> None:
        suspend.resume_guest(self.connection, uuid, may_boot=may_boot)

    def interrupt_guest(self, uuid: UUID) -> None:
        suspend.interrupt_guest(self.connection, uuid)

    def remove_guest(self, uuid: UUID) -> None:
        guest.remove_guest(self.connection, uuid)

    def guest_info(self, uuid: UUID) -> GuestInfo:
        return guest.guest_info(self.connection, uuid)

    def list_guests(self, *, ours_only: bool) -> list[GuestInfo]:
        return guest.list_guests(self.connection, ours_only=ours_only)

    def read_metadata(self, uuid: UUID) -> GuestMetadata:
        return guest.read_metadata(self.connection, uuid)

    def write_metadata(self, uuid: UUID, metadata: GuestMetadata) -> None:
        guest.write_metadata(self.connection, uuid, metadata)

    def diagnose(self, uuid: UUID) -> GuestDiagnosis:
        return diagnostics.diagnose(self.connection, uuid)

    def screenshot(self, uuid: UUID) -> bytes:
        return guest.screenshot(self.connection, uuid)

    def prepare_console_log(self, pool: str, uuid: UUID) -> str:
        return console.prepare_console_log(self.connection, pool, uuid)

    def read_console_log(
        self, pool: str, uuid: UUID, *, offset: int | None, max_bytes: int
    ) -> ConsoleLog:
        return console.read_console_log(
            self.connection, pool, uuid, offset=offset, max_bytes=max_bytes
        )

    def remove_console_log(self, pool: str, uuid: UUID) -> None:
        console.remove_console_log(self.connection, pool, uuid)

    def ensure_network(self, spec: NatNetworkSpec | PlainNetworkSpec) -> None:
        network.ensure_network(self.connection, spec)

    def remove_network(self, name: str) -> None:
        network.remove_network(self.connection, name)

    def list_networks(self) -> list[str]:
        return network.list_networks(self.connection)

    def replug(self, network: str) -> None:
        guest.replug(self.connection, network)

    def ensure_dhcp_host(self, name: str, mac: str, ip: str, hostname: str | None) -> None:
        network.ensure_dhcp_host(self.connection, name, mac, ip, hostname)

    def remove_dhcp_host(self, name: str, mac: str) -> None:
        network.remove_dhcp_host(self.connection, name, mac)

    def list_dhcp_hosts(self, name: str) -> list[DhcpHost]:
        return network.list_dhcp_hosts(self.connection, name)

    def ensure_filter(self, spec: FilterSpec) -> None:
        filters.ensure_filter(self.connection, spec)

    def remove_filter(self, port_id: str) -> None:
        filters.remove_filter(self.connection, port_id)

    def list_filters(self) -> list[str]:
        return filters.list_filters(self.connection)

    def survey(self, request: SurveyRequest) -> HostSurvey:
        return survey_room.survey(self.connection, request)
