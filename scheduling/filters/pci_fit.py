"""Which devices of a host answer a request, and why none do.

Several aliases may stand for one device, so that one may have to leave it to another: it is a
matching.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from hypervisors.pci import PciDevice
from scheduling.models import PciAlias


def counts_of(request: str) -> dict[str, int]:
    """How many devices of each alias a request asks for, `gpu:2,nic:1`; "" asks for none."""
    wishes = (each.rpartition(":") for each in request.split(",") if each)
    return {name: int(count) for name, _, count in wishes}


@dataclass(frozen=True)
class DeviceRoom:
    """A host's devices, and the addresses of those that are taken."""

    devices: tuple[PciDevice, ...]
    taken: frozenset[str]

    def free(self) -> list[PciDevice]:
        """Devices that are nobody's, nor reach the memory of somebody's guest."""
        groups = {each.iommu_group for each in self.devices if each.address in self.taken}
        return [each for each in self.devices if each.iommu_group not in groups]


def fit_pci(
    request: str, aliases: Mapping[str, PciAlias], room: DeviceRoom
) -> tuple[str, ...] | None:
    """Addresses that answer the whole request, in its order; None is that there are not enough."""
    slots = [name for name, count in counts_of(request).items() for _ in range(count)]
    if any(name not in aliases for name in slots):
        return None
    free = room.free()
    choices = [[each.address for each in free if aliases[name].stands_for(each)] for name in slots]
    found: dict[str, int] = {}
    if not all(_match(slot, choices, found, set()) for slot in range(len(slots))):
        return None
    of_slot = {slot: address for address, slot in found.items()}
    return tuple(of_slot[slot] for slot in range(len(slots)))


def _match(
    slot: int, choices: Sequence[Sequence[str]], found: dict[str, int], tried: set[str]
) -> bool:
    """Give the slot a device; one that has it already takes another one if it can."""
    # One that nobody has first, so that the others keep what they have.
    for address in sorted(choices[slot], key=lambda each: each in found):
        if address in tried:
            continue
        tried.add(address)
        if address not in found or _match(found[address], choices, found, tried):
            found[address] = slot
            return True
    return False


def pci_obstacle(request: str, aliases: Mapping[str, PciAlias], room: DeviceRoom) -> str:
    """In words, what the host has too few of."""
    free = room.free()
    for name, count in counts_of(request).items():
        alias = aliases.get(name)
        if alias is None:
            return f"PCI alias {name} is not defined."
        there = _number(room.devices, alias)
        left = _number(free, alias)
        if not there:
            return f"It has no device of alias {name}."
        if left < count:
            free_words = "no free device" if not left else f"{left} free"
            return f"It has {free_words} of alias {name}: {count} asked for, {there} there."
    return "Its free devices are too few for all aliases together."


def _number(devices: Collection[PciDevice], alias: PciAlias) -> int:
    return sum(alias.stands_for(each) for each in devices)
