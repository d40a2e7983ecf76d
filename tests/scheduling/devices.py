"""A host with PCI devices, and names for them."""

from __future__ import annotations

from collections.abc import Iterable

from hypervisors.models import Hypervisor
from hypervisors.pci import PciDevice
from scheduling.models import PciAlias

# Two cards of one kind, each alone; and a third kind of two functions that share a group.
GPUS = (
    PciDevice("0000:81:00.0", "10de", "1eb8", 42),
    PciDevice("0000:82:00.0", "10de", "1eb8", 43),
)
TWINS = (PciDevice("0000:3b:02.0", "8086", "154c", 7), PciDevice("0000:3b:02.1", "8086", "154c", 7))


def as_facts(devices: Iterable[PciDevice]) -> list[dict[str, object]]:
    """As a host's row keeps them."""
    return [device.to_json() for device in devices]


def give_devices(host: Hypervisor, devices: Iterable[PciDevice] = (*GPUS, *TWINS)) -> Hypervisor:
    host.capabilities["pci_devices"] = as_facts(devices)
    host.save(update_fields=["capabilities"])
    return host


def name_devices() -> None:
    """`gpu` is either card, `first` the first one alone, `nic` a function."""
    for name, kind, addresses in (
        ("gpu", ("10de", "1eb8"), ""),
        ("first", ("10de", "1eb8"), "0000:81:*"),
        ("nic", ("8086", "154c"), "0000:3b:02.? 0000:af:*"),
    ):
        PciAlias.objects.create(
            name=name, vendor_id=kind[0], product_id=kind[1], addresses=addresses
        )
