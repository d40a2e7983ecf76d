"""The network cards of a fake host's guests."""

import dataclasses
from typing import Any
from uuid import UUID

from hypervisors.libvirt.errors import NotThere
from hypervisors.libvirt.filters import FilterSpec, filter_name
from hypervisors.libvirt.spec import GuestSpec, InterfaceSpec
from tests.hypervisors.fake_guests import FakeGuests
from tests.hypervisors.fake_pools import counted_call


class FakeInterfaces(FakeGuests):
    """What a fake host does with cards. `keeps_cards`: its guests let none go while they run."""

    def __init__(self) -> None:
        super().__init__()
        self.keeps_cards = False
        self.bridge_filtering: bool | None = None
        self.networks: dict[str, Any] = {}
        self.filters: dict[str, FilterSpec] = {}

    @counted_call
    def attach_interface(self, spec: GuestSpec, interface: InterfaceSpec) -> None:
        guest = self._guest(spec.uuid)
        if guest.power_state != "shutdown":
            if interface.network not in self.networks:
                raise NotThere(f"network '{interface.network}' not found")
            known = [filter_name(port_id) for port_id in self.filters]
            if interface.filter_name not in known:
                raise NotThere(f"no nwfilter '{interface.filter_name}'")
        if interface.mac not in self._macs(spec.uuid):
            cards = (*guest.spec.interfaces, interface)
            guest.spec = dataclasses.replace(guest.spec, interfaces=cards)

    @counted_call
    def detach_interface(self, uuid: UUID, mac: str, timeout_s: float) -> bool:
        if uuid not in self.guests or mac not in self._macs(uuid):
            return True
        guest = self._guest(uuid)
        if self.keeps_cards and guest.power_state != "shutdown":
            return False
        cards = tuple(card for card in guest.spec.interfaces if card.mac != mac)
        guest.spec = dataclasses.replace(guest.spec, interfaces=cards)
        return True

    @counted_call
    def list_cards(self, uuid: UUID) -> list[str]:
        return self._macs(uuid)

    @counted_call
    def change_filter(self, spec: FilterSpec) -> bool:
        if spec.port_id not in self.filters:
            return False
        self.filters[spec.port_id] = spec
        return True

    @counted_call
    def passes_bridged_packets(self) -> bool | None:
        return self.bridge_filtering

    def _macs(self, uuid: UUID) -> list[str]:
        return [card.mac for card in self._guest(uuid).spec.interfaces]
