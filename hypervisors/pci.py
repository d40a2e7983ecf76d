"""The PCI devices of hosts that guests can be given, for those who place servers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypervisors.libvirt.pci import PciDevice

__all__ = ["PciDevice", "devices_of"]


def devices_of(capabilities: Mapping[str, Any]) -> tuple[PciDevice, ...]:
    """The devices of a host, as its row keeps what it can do."""
    return tuple(map(PciDevice.from_json, capabilities.get("pci_devices", ())))
