"""Network cards of guests, plugged in and taken out while they run or are off.

A card is known by its MAC address.
"""

from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

from hypervisors.libvirt.connection import Connection, on_host
from hypervisors.libvirt.domain_devices import interface_element
from hypervisors.libvirt.hot_plug import Device, plug_in, pull_out
from hypervisors.libvirt.spec import GuestSpec, InterfaceSpec


def attach_interface(connection: Connection, spec: GuestSpec, interface: InterfaceSpec) -> None:
    """Give the guest the card: in its definition, and at once if it runs.

    Raises:
        NotThere: no such guest, network or filter.
        WrongState, Unsupported: as `plug_in`.
    """
    element = ET.tostring(interface_element(spec, interface), encoding="unicode")
    plug_in(connection, _card(spec.uuid, interface.mac), element)


def detach_interface(connection: Connection, uuid: UUID, mac: str, timeout_s: float) -> bool:
    """Take the card from the guest; False if the guest did not let it go in time."""
    return pull_out(connection, _card(uuid, mac), timeout_s)


@on_host()
def list_cards(raw: Any, uuid: UUID) -> list[str]:
    """The MAC addresses of the guest's cards, of the running one if it runs.

    Raises:
        NotThere: no such guest.
    """
    root = ET.fromstring(raw.lookupByUUID(uuid.bytes).XMLDesc(0))  # noqa: S314 - libvirt's own
    return [mac.get("address", "") for mac in root.iterfind("devices/interface/mac")]


def _card(uuid: UUID, mac: str) -> Device:
    def pick(root: ET.Element) -> ET.Element | None:
        for card in root.iterfind("devices/interface"):
            address = card.find("mac")
            if address is not None and address.get("address", "").lower() == mac.lower():
                return card
        return None

    return Device(uuid, pick)
