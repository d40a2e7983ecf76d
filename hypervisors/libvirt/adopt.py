"""Domains that were there before the portal: what they are, and our element taken off them again.

Marking one is writing our element into it (`guest.write_metadata`). The guest notices neither.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt

from hypervisors.libvirt.connection import on_host
from hypervisors.libvirt.errors import DriverError, HostUnreachable, translated
from hypervisors.libvirt.guest import power_state_of
from hypervisors.libvirt.metadata import NAMESPACE, PREFIX
from hypervisors.libvirt.spec import PowerState
from hypervisors.libvirt.storage import find

Unmarked = Literal["as before", "changed", "gone"]
_ALL_S = 20.0  # a thousand domains are some thousands of calls of 1 to 3 ms; somebody waits
_KIB_PER_MIB = 1024


@dataclass(frozen=True)
class DomainDisk:
    """A disk of a domain; `size_bytes` is None where the host cannot tell."""

    target: str
    device: str
    source: str
    size_bytes: int | None


@dataclass(frozen=True)
class DomainCard:
    """A network card of a domain: on a network, a bridge, a device of its host, …"""

    mac: str
    type: str
    source: str
    model: str


@dataclass(frozen=True)
class DomainFacts:
    """A domain as it is kept, and how it is.

    `is_ours`: it carries our element. `displays` are the types of its graphics. `definition` is
    the kept one, without what libvirt holds back as secret.
    """

    uuid: UUID
    name: str
    power_state: PowerState
    vcpus: int
    ram_mib: int
    disks: tuple[DomainDisk, ...]
    cards: tuple[DomainCard, ...]
    displays: tuple[str, ...]
    has_serial: bool
    is_persistent: bool
    is_saved: bool
    is_ours: bool
    definition: str = field(repr=False)


@on_host(_ALL_S)
def foreign_domains(raw: Any) -> list[DomainFacts]:
    """All domains without our element, by name."""
    found = (find(_facts, domain) for domain in raw.listAllDomains(0))
    foreign = [each for each in found if each is not None and not each.is_ours]
    return sorted(foreign, key=lambda each: (each.name, each.uuid))


@on_host()
def domain_facts(raw: Any, uuid: UUID) -> DomainFacts:
    """One domain, whosever it is.

    Raises:
        NotThere: no such domain.
    """
    return _facts(raw.lookupByUUID(uuid.bytes))


@on_host()
def unmark(raw: Any, uuid: UUID, definition: str) -> Unmarked:
    """Take our element off; whether the domain is kept as in the definition again.

    Whatever else was changed by hand since stays as it is. Of an empty definition nothing is known.
    """
    domain = find(raw.lookupByUUID, uuid.bytes)
    if domain is None:
        return "gone"
    flags = libvirt.VIR_DOMAIN_AFFECT_LIVE if domain.isActive() else 0
    if domain.isPersistent():
        flags |= libvirt.VIR_DOMAIN_AFFECT_CONFIG
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, None, PREFIX, NAMESPACE, flags)
    # libvirt (9.0) leaves an empty element behind, where there was none before.
    if domain.isPersistent() and not _has_metadata(definition):
        _drop_empty_metadata(raw, domain)
    return "as before" if definition in {"", _kept(domain)} else "changed"


def _has_metadata(definition: str) -> bool:
    root = ET.fromstring(definition) if definition else None  # noqa: S314 - libvirt's own output
    return root is not None and root.find("metadata") is not None


def _drop_empty_metadata(raw: Any, domain: Any) -> None:
    """As an editor would; with the secrets, which would be lost otherwise."""
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    root = ET.fromstring(domain.XMLDesc(flags))  # noqa: S314 - libvirt's own output
    empty = root.find("metadata")
    if empty is None or len(empty):
        return
    root.remove(empty)
    raw.defineXML(ET.tostring(root, encoding="unicode"))


def _kept(domain: Any) -> str:
    return str(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))


def _facts(domain: Any) -> DomainFacts:
    definition = _kept(domain)
    root = ET.fromstring(definition)  # noqa: S314 - libvirt's own output
    _, most_kib, _, vcpus, _ = domain.info()
    return DomainFacts(
        uuid=UUID(bytes=domain.UUID()),
        name=domain.name(),
        power_state=power_state_of(domain),
        vcpus=vcpus,
        ram_mib=-(-most_kib // _KIB_PER_MIB),
        disks=tuple(_disks(domain, root)),
        cards=tuple(map(_card, root.iterfind("devices/interface"))),
        displays=tuple(each.get("type", "") for each in root.iterfind("devices/graphics")),
        has_serial=root.find("devices/serial") is not None,
        is_persistent=bool(domain.isPersistent()),
        is_saved=bool(domain.hasManagedSaveImage()),
        is_ours=root.find(f"metadata/{{{NAMESPACE}}}server") is not None,
        definition=definition,
    )


def _disks(domain: Any, root: ET.Element) -> Iterator[DomainDisk]:
    for disk in root.iterfind("devices/disk"):
        target, device = disk.find("target"), disk.get("device", "disk")
        name = "" if target is None else target.get("dev", "")
        size = _size(domain, name) if device == "disk" else None
        yield DomainDisk(name, device, _source(disk.find("source")), size)


def _size(domain: Any, target: str) -> int | None:
    """What the guest sees; a file that is gone or out of reach has no size."""
    try:
        with translated():
            return int(domain.blockInfo(target, 0)[0])
    except HostUnreachable:
        raise
    except DriverError:
        return None


def _source(source: ET.Element | None) -> str:
    """Where it lies or leads, in one text: a path, pool/volume, or a name."""
    if source is None:
        return ""
    if source.get("pool"):
        return f"{source.get('pool')}/{source.get('volume', '')}"
    names = ("file", "dev", "dir", "name", "network", "bridge")
    return next((source.get(name, "") for name in names if source.get(name)), "")


def _card(card: ET.Element) -> DomainCard:
    mac, model = card.find("mac"), card.find("model")
    return DomainCard(
        mac="" if mac is None else mac.get("address", ""),
        type=card.get("type", ""),
        source=_source(card.find("source")),
        model="" if model is None else model.get("type", ""),
    )
