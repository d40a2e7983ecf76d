"""Network cards of guests, plugged in and taken out while they run or are off.

A card is known by its MAC address. Every call looks first, so that one made twice means it once.
"""

import time
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt

from hypervisors.libvirt.connection import Connection, on_host
from hypervisors.libvirt.domain_devices import interface_element
from hypervisors.libvirt.errors import Busy, DriverError, NotThere, translated
from hypervisors.libvirt.spec import GuestSpec, InterfaceSpec
from hypervisors.libvirt.storage import find

_PLUG_S = 60.0  # a filter takes its time, and libvirt waits some seconds for the guest
_POLL_S = 0.3
_ASK_AGAIN_S = 8.0
_CONFIG = libvirt.VIR_DOMAIN_AFFECT_CONFIG
_LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE


def attach_interface(connection: Connection, spec: GuestSpec, interface: InterfaceSpec) -> None:
    """Give the guest the card: in its definition, and at once if it runs.

    Raises:
        NotThere: no such guest, network or filter.
        WrongState: it changed its state meanwhile.
        Unsupported: it has no room for a further device.
    """
    element = ET.tostring(interface_element(spec, interface), encoding="unicode")
    _attach(connection, spec.uuid, interface.mac, element)


@on_host(_PLUG_S)
def _attach(raw: Any, uuid: UUID, mac: str, xml: str) -> None:
    domain = raw.lookupByUUID(uuid.bytes)
    flags = 0 if _card(domain, mac, libvirt.VIR_DOMAIN_XML_INACTIVE) is not None else _CONFIG
    if domain.isActive() and _card(domain, mac) is None:
        flags |= _LIVE
    if flags:
        # Both at once where both lack it, so that the card is at one place on the bus.
        domain.attachDeviceFlags(xml, flags)


def detach_interface(connection: Connection, uuid: UUID, mac: str, timeout_s: float) -> bool:
    """Take the card from the guest; False if the guest did not let it go in time.

    A guest that runs is asked, again now and then: one that still boots misses the first. Only when
    it let the card go its definition loses it too. A guest without the card, or none, is fine.
    """
    ends_at = time.monotonic() + timeout_s
    ask_at = time.monotonic()
    while _is_plugged(connection, uuid, mac):
        now = time.monotonic()
        if now >= ends_at:
            return False
        if now >= ask_at:
            _unplug(connection, uuid, mac)
            ask_at = time.monotonic() + _ASK_AGAIN_S
        time.sleep(_POLL_S)
    _forget(connection, uuid, mac)
    return True


@on_host()
def list_cards(raw: Any, uuid: UUID) -> list[str]:
    """The MAC addresses of the guest's cards, of the running one if it runs.

    Raises:
        NotThere: no such guest.
    """
    root = ET.fromstring(raw.lookupByUUID(uuid.bytes).XMLDesc(0))  # noqa: S314 - libvirt's own
    return [mac.get("address", "") for mac in root.iterfind("devices/interface/mac")]


@on_host()
def _is_plugged(raw: Any, uuid: UUID, mac: str) -> bool:
    domain = find(raw.lookupByUUID, uuid.bytes)
    return domain is not None and bool(domain.isActive()) and _card(domain, mac) is not None


@on_host(_PLUG_S)
def _unplug(raw: Any, uuid: UUID, mac: str) -> None:
    domain = find(raw.lookupByUUID, uuid.bytes)
    card = None if domain is None or not domain.isActive() else _card(domain, mac)
    if card is None:
        return
    try:
        with translated():
            domain.detachDeviceFlags(card, _LIVE)
    except (Busy, NotThere):
        return  # it is on its way out, or just went
    except DriverError as error:
        # libvirt has no code of its own for a request that the guest has not answered yet.
        if error.code != libvirt.VIR_ERR_OPERATION_FAILED:
            raise


@on_host(_PLUG_S)
def _forget(raw: Any, uuid: UUID, mac: str) -> None:
    domain = find(raw.lookupByUUID, uuid.bytes)
    card = None if domain is None else _card(domain, mac, libvirt.VIR_DOMAIN_XML_INACTIVE)
    if card is not None:
        find(domain.detachDeviceFlags, card, _CONFIG)


def _card(domain: Any, mac: str, flags: int = 0) -> str | None:
    """The card's element as libvirt has it, of the running or the kept definition."""
    root = ET.fromstring(domain.XMLDesc(flags))  # noqa: S314 - libvirt's own output
    for card in root.iterfind("devices/interface"):
        address = card.find("mac")
        if address is not None and address.get("address", "").lower() == mac.lower():
            return ET.tostring(card, encoding="unicode")
    return None
