"""Domains that were there before the portal: what they are, and our element taken off them again.

Marking one is writing our element into it (`guest.write_metadata`). The guest notices neither.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID
from xml.dom import minidom
from xml.etree import ElementTree as ET

import libvirt

from hypervisors.libvirt.connection import on_host
from hypervisors.libvirt.errors import DriverError, HostUnreachable, translated
from hypervisors.libvirt.guest import power_state_of
from hypervisors.libvirt.metadata import NAMESPACE, PREFIX
from hypervisors.libvirt.spec import PowerState
from hypervisors.libvirt.storage import find, find_volume

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
    found = (find(_foreign, raw, domain) for domain in raw.listAllDomains(0))
    foreign = [each for each in found if each is not None]
    return sorted(foreign, key=lambda each: (each.name, each.uuid))


@on_host()
def domain_facts(raw: Any, uuid: UUID) -> DomainFacts:
    """One domain, whosever it is.

    Raises:
        NotThere: no such domain.
    """
    domain = raw.lookupByUUID(uuid.bytes)
    definition = _kept(domain)
    return _facts(raw, domain, definition, ET.fromstring(definition))  # noqa: S314 - libvirt's own


@on_host()
def unmark(raw: Any, uuid: UUID, definition: str) -> Unmarked:
    """Take our element off; whether the domain is kept as in the definition again.

    Off the kept definition, the running guest's and that of what is saved of it. Whatever else was
    changed by hand since stays as it is. Of an empty definition nothing is known.
    """
    domain = find(raw.lookupByUUID, uuid.bytes)
    if domain is None:
        return "gone"
    flags = libvirt.VIR_DOMAIN_AFFECT_LIVE if domain.isActive() else 0
    if domain.isPersistent():
        flags |= libvirt.VIR_DOMAIN_AFFECT_CONFIG
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, None, PREFIX, NAMESPACE, flags)
    if domain.hasManagedSaveImage():
        _unmark_saved(domain)
    # libvirt (9.0) leaves an empty element behind, where there was none before.
    if domain.isPersistent() and not _has_metadata(definition):
        _drop_empty_metadata(raw, domain)
    return "as before" if definition in {"", _kept(domain)} else "changed"


def _unmark_saved(domain: Any) -> None:
    """With what is saved lies the definition that it goes on with, passwords and all."""
    flags = libvirt.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE
    # What others wrote beside ours keeps its prefixes: not so with ElementTree.
    xml = domain.managedSaveGetXMLDesc(flags)
    document: Any = minidom.parseString(xml)  # noqa: S318 - libvirt's own output
    for ours in document.getElementsByTagNameNS(NAMESPACE, "server"):
        around = ours.parentNode
        around.removeChild(ours)
        if not any(each.nodeType == each.ELEMENT_NODE for each in around.childNodes):
            around.parentNode.removeChild(around)
        domain.managedSaveDefineXML(document.documentElement.toxml())


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
    try:
        with translated():
            raw.defineXML(ET.tostring(root, encoding="unicode"))
    except HostUnreachable:
        raise
    except DriverError:
        # This libvirt would not take it any more, as one of a machine type that is gone: it keeps
        # the empty element, and the caller sees that it is not as before.
        return


def _kept(domain: Any) -> str:
    return str(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))


def _foreign(raw: Any, domain: Any) -> DomainFacts | None:
    """One that does not carry our element; of ours nothing more is asked."""
    definition = _kept(domain)
    root = ET.fromstring(definition)  # noqa: S314 - libvirt's own output
    return None if _is_ours(root) else _facts(raw, domain, definition, root)


def _is_ours(root: ET.Element) -> bool:
    return root.find(f"metadata/{{{NAMESPACE}}}server") is not None


def _facts(raw: Any, domain: Any, definition: str, root: ET.Element) -> DomainFacts:
    _, most_kib, _, vcpus, _ = domain.info()
    return DomainFacts(
        uuid=UUID(bytes=domain.UUID()),
        name=domain.name(),
        power_state=power_state_of(domain),
        vcpus=vcpus,
        ram_mib=-(-most_kib // _KIB_PER_MIB),
        disks=tuple(_disks(raw, domain, root)),
        cards=tuple(map(_card, root.iterfind("devices/interface"))),
        displays=tuple(each.get("type", "") for each in root.iterfind("devices/graphics")),
        has_serial=root.find("devices/serial") is not None,
        is_persistent=bool(domain.isPersistent()),
        is_saved=bool(domain.hasManagedSaveImage()),
        is_ours=_is_ours(root),
        definition=definition,
    )


def _disks(raw: Any, domain: Any, root: ET.Element) -> Iterator[DomainDisk]:
    for disk in root.iterfind("devices/disk"):
        target, source = disk.find("target"), disk.find("source")
        device = disk.get("device", "disk")
        name = "" if target is None else target.get("dev", "")
        size = _size(raw, domain, name, source) if device == "disk" else None
        yield DomainDisk(name, device, _source(source), size)


def _size(raw: Any, domain: Any, target: str, source: ET.Element | None) -> int | None:
    """What the guest sees; a file that is gone or out of reach has no size."""
    try:
        with translated():
            return int(domain.blockInfo(target, 0)[0])
    except HostUnreachable:
        raise
    except DriverError:
        return _size_in_pool(raw, source)


def _size_in_pool(raw: Any, source: ET.Element | None) -> int | None:
    """Of a volume that is named by its pool: libvirt (9.0) looks there for running guests only."""
    if source is None or not source.get("pool"):
        return None
    volume = find_volume(raw, source.get("pool", ""), source.get("volume", ""))
    return None if volume is None else int(volume.info()[1])


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
