"""Domains on a fake host that somebody else has made."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4
from xml.etree import ElementTree as ET

from hypervisors.libvirt.adopt import DomainCard, DomainDisk, DomainFacts, Unmarked
from hypervisors.libvirt.domain_xml import domain_xml
from hypervisors.libvirt.metadata import NAMESPACE
from hypervisors.libvirt.spec import GuestSpec
from tests.hypervisors.factories import guest_spec
from tests.hypervisors.fake_guests import FakeGuest, FakeGuests
from tests.hypervisors.fake_pools import counted_call

_GIB = 1024**3


class FakeAdopting(FakeGuests):
    """`foreign` are the domains without our element."""

    def __init__(self) -> None:
        super().__init__()
        self.foreign: set[UUID] = set()

    def make_foreign(self, name: str = "legacy", **fields: Any) -> UUID:
        """Define a domain as an administrator does by hand, with a disk of 10 GiB."""
        spec = guest_spec(**{"uuid": uuid4(), "name": name, "disks": (), **fields})
        uuid = spec.uuid
        self.guests[uuid] = FakeGuest(spec, power_state="running", xml=bare_definition(spec))
        self.foreign.add(uuid)
        return uuid

    @counted_call
    def foreign_domains(self) -> list[DomainFacts]:
        found = [self._facts(uuid) for uuid in self.guests if uuid in self.foreign]
        return sorted(found, key=lambda each: (each.name, each.uuid))

    @counted_call
    def domain_facts(self, uuid: UUID) -> DomainFacts:
        return self._facts(uuid)

    @counted_call
    def unmark(self, uuid: UUID, definition: str) -> Unmarked:
        guest = self.guests.get(uuid)
        if guest is None:
            return "gone"
        if uuid not in self.foreign:
            self.foreign.add(uuid)
            guest.xml = bare_definition(guest.spec)
        return "as before" if definition in {"", guest.xml} else "changed"

    def _facts(self, uuid: UUID) -> DomainFacts:
        guest = self._guest(uuid)
        return DomainFacts(
            uuid=uuid,
            name=guest.spec.name,
            power_state=guest.power_state,
            vcpus=guest.spec.vcpus,
            ram_mib=guest.spec.ram_mib,
            disks=(DomainDisk("vda", "disk", "/srv/legacy.qcow2", 10 * _GIB),),
            cards=(DomainCard("52:54:00:00:00:01", "bridge", "br0", "virtio"),),
            displays=("vnc",),
            has_serial=True,
            is_persistent=guest.is_persistent,
            is_saved=guest.is_saved,
            is_ours=uuid not in self.foreign,
            definition=guest.xml or domain_xml(guest.spec),
        )


def bare_definition(spec: GuestSpec) -> str:
    """Its definition without what the portal wrote into it."""
    root = ET.fromstring(domain_xml(spec))
    metadata = root.find("metadata")
    assert metadata is not None
    for ours in metadata.findall(f"{{{NAMESPACE}}}server"):
        metadata.remove(ours)
    if not len(metadata):
        root.remove(metadata)
    return ET.tostring(root, encoding="unicode")
