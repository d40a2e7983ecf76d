"""The PCI devices of a host, as its libvirt describes them."""

from __future__ import annotations

from pathlib import Path

import libvirt
import pytest

from hypervisors.libvirt.pci import PciDevice, host_device_element, parse_device, pci_devices

DATA = Path(__file__).parent / "data"
GPU = PciDevice("0000:81:00.0", "10de", "1eb8", 42, "NVIDIA Corporation TU104GL [Tesla T4]")
FUNCTION = PciDevice("0000:3b:02.5", "8086", "154c", 117, "Intel Corporation")


def text(name: str) -> str:
    return (DATA / f"pci_{name}.xml").read_text()


class Device:
    """One of a host's devices; without a text it was pulled out."""

    def __init__(self, xml: str) -> None:
        self.xml = xml
        self.asked = 0

    def name(self) -> str:
        return self.xml.partition("<name>")[2].partition("<")[0]

    def XMLDesc(self, flags: int) -> str:  # noqa: N802 - libvirt's name
        self.asked += 1
        if not self.xml:
            raise refusal(libvirt.VIR_ERR_NO_NODE_DEVICE)
        return self.xml


class Connection:
    """A host that has just these devices, or cannot tell."""

    def __init__(self, *devices: Device, error: int = 0, is_alive: bool = True) -> None:
        self.devices, self.error, self.is_alive = devices, error, is_alive

    def isAlive(self) -> bool:  # noqa: N802 - libvirt's name
        return self.is_alive

    def listAllDevices(self, flags: int) -> tuple[Device, ...]:  # noqa: N802 - libvirt's name
        assert flags == libvirt.VIR_CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV
        if self.error:
            raise refusal(self.error)
        return self.devices


def refusal(code: int) -> libvirt.libvirtError:
    error = libvirt.libvirtError("no")
    error.err = (code, 0, "no", 0, "", "", "", 0, 0)
    return error


@pytest.mark.parametrize(("name", "device"), [("gpu", GPU), ("function", FUNCTION)])
def test_a_device_is_known_by_address_kind_and_group(name, device):
    assert parse_device(text(name)) == device
    assert PciDevice.from_json(device.to_json()) == device


@pytest.mark.parametrize("name", ["bridge", "without_iommu"])
def test_what_no_guest_can_have_is_none(name):
    assert parse_device(text(name)) is None


def test_the_devices_of_a_host_are_in_the_order_of_their_addresses():
    listed = (Device(text(name)) for name in ("gpu", "bridge", "function"))

    assert pci_devices(Connection(*listed, Device(""))) == (FUNCTION, GPU)


def test_a_device_is_described_once_a_connection_for_as_long_as_it_is_there():
    gpu, function = Device(text("gpu")), Device(text("function"))
    connection = Connection(gpu, function)
    pci_devices(connection)

    assert pci_devices(connection) == (FUNCTION, GPU)
    connection.devices = (gpu,)
    assert pci_devices(connection) == (GPU,)
    connection.devices = (gpu, function)
    assert pci_devices(connection) == (FUNCTION, GPU)
    assert (gpu.asked, function.asked) == (1, 2)
    assert pci_devices(Connection(gpu)) == (GPU,)
    assert gpu.asked == 2


@pytest.mark.parametrize("error", [libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_SYSTEM_ERROR])
def test_a_libvirt_that_sees_no_devices_has_none(error):
    assert pci_devices(Connection(error=error)) == ()


@pytest.mark.parametrize(
    "failing",
    [
        {"error": libvirt.VIR_ERR_SYSTEM_ERROR, "is_alive": False},
        {"error": libvirt.VIR_ERR_INTERNAL_ERROR},
    ],
)
def test_a_lost_connection_or_another_error_is_one(failing):
    with pytest.raises(libvirt.libvirtError):
        pci_devices(Connection(**failing))


def test_what_is_no_address_becomes_no_device():
    with pytest.raises(ValueError, match="not enough values"):
        host_device_element("81.0")
