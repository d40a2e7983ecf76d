"""Devices of guests that come and go, while the guest runs or is off.

A device is known by what it says of itself: a card's address, a disk's serial number. Every call
looks first, so that one made twice means it once.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt

from hypervisors.libvirt.connection import Connection, on_host
from hypervisors.libvirt.errors import Busy, DriverError, NotThere, translated
from hypervisors.libvirt.storage import find

_PLUG_S = 60.0  # a filter takes its time, and libvirt waits some seconds for the guest
_POLL_S = 0.3
_ASK_AGAIN_S = 8.0
_CONFIG = libvirt.VIR_DOMAIN_AFFECT_CONFIG
_LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
KEPT = libvirt.VIR_DOMAIN_XML_INACTIVE


@dataclass(frozen=True)
class Device:
    """A device of a guest; `pick` finds its element in the guest's definition."""

    guest: UUID
    pick: Callable[[ET.Element], ET.Element | None]


@on_host(_PLUG_S)
def plug_in(raw: Any, device: Device, xml: str) -> None:
    """Give the guest the device: in its definition, and at once if it runs.

    Raises:
        NotThere: no such guest, or not what the device needs.
        WrongState: it changed its state meanwhile.
        Unsupported: it has no room for a further device.
    """
    domain = raw.lookupByUUID(device.guest.bytes)
    flags = 0 if element_of(domain, device, KEPT) is not None else _CONFIG
    if domain.isActive() and element_of(domain, device) is None:
        flags |= _LIVE
    if flags:
        # Both at once where both lack it, so that the device is at one place on the bus.
        domain.attachDeviceFlags(xml, flags)


def pull_out(connection: Connection, device: Device, timeout_s: float) -> bool:
    """Take the device from the guest; False if the guest did not let it go in time.

    A guest that runs is asked, again now and then: one that still boots misses the first. Only when
    it let the device go its definition loses it too. A guest without it, or none, is fine.
    """
    ends_at = time.monotonic() + timeout_s
    ask_at = time.monotonic()
    while _is_plugged(connection, device):
        now = time.monotonic()
        if now >= ends_at:
            return False
        if now >= ask_at:
            _unplug(connection, device)
            ask_at = time.monotonic() + _ASK_AGAIN_S
        time.sleep(_POLL_S)
    _forget(connection, device)
    return True


def element_of(domain: Any, device: Device, flags: int = 0) -> str | None:
    """The device's element as libvirt has it, of the running or the kept definition."""
    root = ET.fromstring(domain.XMLDesc(flags))  # noqa: S314 - libvirt's own output
    found = device.pick(root)
    return None if found is None else ET.tostring(found, encoding="unicode")


@on_host()
def _is_plugged(raw: Any, device: Device) -> bool:
    domain = find(raw.lookupByUUID, device.guest.bytes)
    return domain is not None and bool(domain.isActive()) and element_of(domain, device) is not None


@on_host(_PLUG_S)
def _unplug(raw: Any, device: Device) -> None:
    domain = find(raw.lookupByUUID, device.guest.bytes)
    xml = None if domain is None or not domain.isActive() else element_of(domain, device)
    if xml is None:
        return
    try:
        with translated():
            domain.detachDeviceFlags(xml, _LIVE)
    except (Busy, NotThere):
        return  # it is on its way out, or just went
    except DriverError as error:
        # libvirt has no code of its own for a request that the guest has not answered yet.
        if error.code != libvirt.VIR_ERR_OPERATION_FAILED:
            raise


@on_host(_PLUG_S)
def _forget(raw: Any, device: Device) -> None:
    domain = find(raw.lookupByUUID, device.guest.bytes)
    xml = None if domain is None else element_of(domain, device, KEPT)
    if xml is not None:
        find(domain.detachDeviceFlags, xml, _CONFIG)
