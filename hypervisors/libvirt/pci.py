"""The PCI devices of a host that a guest can be given whole."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from weakref import WeakKeyDictionary
from xml.etree import ElementTree as ET

import libvirt

# What the processor reaches other devices through; it is no device to give away.
_BRIDGE = 0x06
# A libvirt built without them, or whose daemon for them is not there. A connection that was lost
# says the same.
_WITHOUT_DEVICES = (
    libvirt.VIR_ERR_NO_SUPPORT,
    libvirt.VIR_ERR_NO_CONNECT,
    libvirt.VIR_ERR_SYSTEM_ERROR,
)


@dataclass(frozen=True)
class PciDevice:
    """A device by its address on the host, such as 0000:81:00.0; `vendor_id` and so on are hex.

    Devices of one `iommu_group` reach each other's memory, so that they are for one guest only.
    """

    address: str
    vendor_id: str
    product_id: str
    iommu_group: int
    name: str = ""

    def to_json(self) -> dict[str, Any]:
        """For the host's row."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "PciDevice":
        """From the host's row."""
        return cls(**value)


# What a connection has told already: a host has hundreds of devices, and libvirt describes one at a
# time. A host that has booted is reached by another connection.
_told: WeakKeyDictionary[Any, dict[str, PciDevice | None]] = WeakKeyDictionary()


def pci_devices(raw: Any) -> tuple[PciDevice, ...]:
    """Those that the host's IOMMU keeps apart from its memory, by address.

    None where the host has no IOMMU or has it switched off, or its libvirt does not see devices.
    """
    try:
        listed = raw.listAllDevices(libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV)
    except libvirt.libvirtError as error:
        if error.get_error_code() in _WITHOUT_DEVICES and raw.isAlive():
            return ()
        raise
    before = _told.get(raw, {})
    known = {}
    for device in listed:
        name = device.name()
        known[name] = before[name] if name in before else _described(device)
    _told[raw] = known
    return tuple(sorted(filter(None, known.values()), key=lambda each: each.address))


def _described(device: Any) -> PciDevice | None:
    try:
        return parse_device(device.XMLDesc(0))
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_NODE_DEVICE:
            return None  # pulled out meanwhile
        raise


def parse_device(xml: str) -> PciDevice | None:
    """A device as libvirt describes it; None is one that cannot be given away."""
    root = ET.fromstring(xml)  # noqa: S314 - libvirt's own output
    found = root.find("capability[@type='pci']")
    if found is None:
        return None
    group, vendor, product = (found.find(name) for name in ("iommuGroup", "vendor", "product"))
    is_bridge = int(found.findtext("class", "0"), 16) >> 16 == _BRIDGE
    if group is None or vendor is None or product is None or is_bridge:
        return None
    domain, bus, slot, function = (
        int(found.findtext(name, "0")) for name in ("domain", "bus", "slot", "function")
    )
    return PciDevice(
        address=f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}",
        vendor_id=_hex(vendor),
        product_id=_hex(product),
        iommu_group=int(group.get("number", "0")),
        name=" ".join(filter(None, (vendor.text, product.text))),
    )


def _hex(element: ET.Element) -> str:
    return f"{int(element.get('id', '0'), 16):04x}"


def host_device_element(address: str) -> ET.Element:
    """A device of the host in a domain; libvirt takes it from the host's driver and gives it back.

    Raises:
        ValueError: it is no address.
    """
    place, _, function = address.rpartition(".")
    domain, bus, slot = place.split(":")
    element = ET.Element("hostdev", {"mode": "subsystem", "type": "pci", "managed": "yes"})
    numbers = {"domain": domain, "bus": bus, "slot": slot, "function": function}
    where = {name: f"0x{int(text, 16):0{len(text)}x}" for name, text in numbers.items()}
    ET.SubElement(ET.SubElement(element, "source"), "address", where)
    return element
