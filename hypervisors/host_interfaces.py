"""What is done with the network cards of a host's guests and their filters: part of `host.Host`."""

# ruff: noqa: D102 - the protocol says what each method is for

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from hypervisors.libvirt import filters, interfaces, kernel
from hypervisors.libvirt.connection import Connection
from hypervisors.libvirt.filters import FilterSpec
from hypervisors.libvirt.spec import GuestSpec, InterfaceSpec


class InterfacesOfHost(Protocol):
    """The cards of guests."""

    def attach_interface(self, spec: GuestSpec, interface: InterfaceSpec) -> None:
        """Give the guest the card, at once if it runs."""

    def detach_interface(self, uuid: UUID, mac: str, timeout_s: float) -> bool:
        """Take the card from the guest; False if the guest did not let it go in time."""

    def list_cards(self, uuid: UUID) -> list[str]:
        """The MAC addresses of the guest's cards."""

    def change_filter(self, spec: FilterSpec) -> bool:
        """Change a port's filter, if there is one; whether there is."""

    def passes_bridged_packets(self) -> bool | None:
        """Whether packets between guests are seen by packet rules; None: nobody can tell."""


class LibvirtInterfaces:
    """Each method is the driver's function of that name."""

    connection: Connection

    def attach_interface(self, spec: GuestSpec, interface: InterfaceSpec) -> None:
        interfaces.attach_interface(self.connection, spec, interface)

    def detach_interface(self, uuid: UUID, mac: str, timeout_s: float) -> bool:
        return interfaces.detach_interface(self.connection, uuid, mac, timeout_s)

    def list_cards(self, uuid: UUID) -> list[str]:
        return interfaces.list_cards(self.connection, uuid)

    def change_filter(self, spec: FilterSpec) -> bool:
        return filters.change_filter(self.connection, spec)

    def passes_bridged_packets(self) -> bool | None:
        return kernel.passes_bridged_packets(self.connection)
