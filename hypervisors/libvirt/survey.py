"""Everything of ours on a host at one moment, in few calls: what a reconciliation compares.

Bulk lists first, then one call for each thing whose content counts. Asked for some guests only,
the lists stay the same and only those guests' contents are read, so a look at one server of a
thousand is cheap.
"""

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt

from hypervisors.libvirt import pools as pool_room
from hypervisors.libvirt.connection import on_host
from hypervisors.libvirt.errors import DriverError, NotThere, translated
from hypervisors.libvirt.filters import FILTER_PREFIX, FilterRules, canonical_rules
from hypervisors.libvirt.guest import POWER_STATES
from hypervisors.libvirt.metadata import NAMESPACE, parse_metadata
from hypervisors.libvirt.network import DhcpHost, read_entries
from hypervisors.libvirt.records import GuestMetadata
from hypervisors.libvirt.spec import PowerState
from hypervisors.libvirt.storage import VERIFIED_SUFFIX, find

_SURVEY_S = 120.0  # a thousand guests are some thousands of calls of 1 to 3 ms


@dataclass(frozen=True)
class SurveyRequest:
    """What to look at.

    `pools`: by name. `refresh`: let libvirt look into the pools' directories again, which it does
    in any case with those in `shared`, that other hosts change, too. `guests`: read
    only the contents of these guests and of their `ports`' filters; None is all. `settled_bases`:
    base volumes of which it need not be asked what lies over them, unless they are not marked as
    whole.
    """

    pools: tuple[str, ...]
    network_prefix: str
    base_prefix: str
    refresh: bool = False
    shared: frozenset[str] = frozenset()
    guests: frozenset[UUID] | None = None
    ports: frozenset[str] | None = None
    settled_bases: frozenset[str] = frozenset()


@dataclass(frozen=True)
class DomainSeen:
    """A domain, by its kept definition; `xml` is "" where its content was not asked for.

    `is_ours`: it carries our element; `metadata` is None where that is damaged.
    """

    uuid: UUID
    name: str
    power_state: PowerState
    is_persistent: bool
    xml: str = field(default="", repr=False)
    is_ours: bool = False
    metadata: GuestMetadata | None = field(default=None, repr=False)
    macs: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    machine: str = ""
    volumes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class VolumeSeen:
    """A volume; `backing` is the name of what it lies over, where that was asked."""

    pool: str
    name: str
    backing: str | None = None


@dataclass(frozen=True)
class NetworkSeen:
    """A network of ours; `live` is None while it does not run."""

    name: str
    uuid: UUID
    bridge: str
    is_active: bool
    kept: tuple[DhcpHost, ...] = ()
    live: tuple[DhcpHost, ...] | None = None


@dataclass(frozen=True)
class HostSurvey:
    """A host at one moment. `pools` are the names of the active ones among those asked for."""

    domains: tuple[DomainSeen, ...] = ()
    pools: tuple[str, ...] = ()
    volumes: tuple[VolumeSeen, ...] = ()
    networks: tuple[NetworkSeen, ...] = ()
    filters: dict[str, FilterRules | None] = field(default_factory=dict)


@on_host(_SURVEY_S)
def survey(raw: Any, request: SurveyRequest) -> HostSurvey:
    """Look at the host."""
    pools = {name: pool for name in request.pools if (pool := _active_pool(raw, name)) is not None}
    return HostSurvey(
        domains=tuple(_domains(raw, request)),
        pools=tuple(pools),
        volumes=tuple(
            volume for name, pool in pools.items() for volume in _volumes(name, pool, request)
        ),
        networks=tuple(_networks(raw, request)),
        filters=dict(_filters(raw, request)),
    )


def _domains(raw: Any, request: SurveyRequest) -> Iterator[DomainSeen]:
    records = raw.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE, 0)
    # The second list, so that a domain defined in between is not taken for one without definition.
    kept = {each.UUID() for each in raw.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_PERSISTENT)}
    for domain, record in records:
        uuid = UUID(bytes=domain.UUID())
        state = POWER_STATES[record.get("state.state", libvirt.VIR_DOMAIN_NOSTATE)]
        xml = ""
        if request.guests is None or uuid in request.guests:
            # One that was undefined since the list was made is as good as never seen.
            found = find(domain.XMLDesc, libvirt.VIR_DOMAIN_XML_INACTIVE)
            if found is None:
                continue
            xml = str(found)
        yield domain_seen(
            xml, uuid=uuid, name=domain.name(), state=state, is_persistent=domain.UUID() in kept
        )


def domain_seen(
    xml: str, *, uuid: UUID, name: str, state: PowerState, is_persistent: bool
) -> DomainSeen:
    """Read what counts of a domain's definition; of an empty one nothing is known."""
    if not xml:
        return DomainSeen(uuid, name, state, is_persistent)
    digest = hashlib.blake2b(xml.encode(), digest_size=16).digest()
    known_digest, known = _read.get(uuid, (b"", None))
    if known is None or known_digest != digest:
        if len(_read) >= _READ_MOST:
            _read.clear()
        known = _read_definition(xml, uuid)
        _read[uuid] = (digest, known)
    return dataclasses.replace(
        known, name=name, power_state=state, is_persistent=is_persistent, xml=xml
    )


# What was read of definitions: hardly any changes from one look to the next.
_read: dict[UUID, tuple[bytes, DomainSeen]] = {}
_READ_MOST = 20_000


def _read_definition(xml: str, uuid: UUID) -> DomainSeen:
    root = ET.fromstring(xml)  # noqa: S314 - libvirt's own output
    ours = root.find(f"metadata/{{{NAMESPACE}}}server")
    return DomainSeen(
        uuid=uuid,
        name="",
        power_state="nostate",
        is_persistent=True,
        is_ours=ours is not None,
        metadata=None if ours is None else _metadata(ours),
        macs=_attributes(root.iterfind("devices/interface/mac"), "address"),
        filters=_attributes(root.iterfind("devices/interface/filterref"), "filter"),
        networks=_attributes(root.iterfind("devices/interface/source"), "network"),
        machine="".join(_attributes(root.iterfind("os/type"), "machine")),
        volumes=tuple(
            (source.get("pool", ""), source.get("volume", ""))
            for source in root.iterfind("devices/disk/source[@volume]")
        ),
    )


def _metadata(element: ET.Element) -> GuestMetadata | None:
    try:
        return parse_metadata(ET.tostring(element, encoding="unicode"))
    except DriverError:
        return None


def _attributes(elements: Iterable[ET.Element], name: str) -> tuple[str, ...]:
    return tuple(element.get(name, "").lower() for element in elements)


def _active_pool(raw: Any, name: str) -> Any:
    pool = find(raw.storagePoolLookupByName, name)
    return pool if pool is not None and pool.isActive() else None


def _volumes(name: str, pool: Any, request: SurveyRequest) -> Iterator[VolumeSeen]:
    if request.refresh or name in request.shared:
        # libvirt remembers a pool's volumes; what is done by hand it sees only when told.
        pool_room.refresh(pool)
    found = {volume.name(): volume for volume in pool.listAllVolumes(0)}
    wanted = {
        each
        for each in found
        if each.startswith(request.base_prefix)
        and not each.endswith(VERIFIED_SUFFIX)
        and (each not in request.settled_bases or f"{each}{VERIFIED_SUFFIX}" not in found)
    }
    for each, volume in found.items():
        # An overlay of a base image is told from other volumes only by its description.
        asked = bool(wanted) and not each.startswith(request.base_prefix)
        yield VolumeSeen(name, each, _backing(volume) if asked else None)


def _backing(volume: Any) -> str | None:
    try:
        with translated():
            root = ET.fromstring(volume.XMLDesc(0))  # noqa: S314 - libvirt's own output
    except NotThere:
        return None
    path = root.findtext("backingStore/path")
    return path.rpartition("/")[2] if path else None


def _networks(raw: Any, request: SurveyRequest) -> Iterator[NetworkSeen]:
    for network in raw.listAllNetworks(0):
        if not network.name().startswith(request.network_prefix):
            continue
        kept = find(network.XMLDesc, libvirt.VIR_NETWORK_XML_INACTIVE)
        if kept is None:
            continue
        is_active = bool(network.isActive())
        live = find(network.XMLDesc, 0) if is_active else None
        bridge = ET.fromstring(kept).find("bridge")  # noqa: S314 - libvirt's own output
        yield NetworkSeen(
            name=network.name(),
            uuid=UUID(bytes=network.UUID()),
            bridge="" if bridge is None else bridge.get("name", ""),
            is_active=is_active,
            kept=tuple(read_entries(kept)),
            live=None if live is None else tuple(read_entries(live)),
        )


def _filters(raw: Any, request: SurveyRequest) -> Iterator[tuple[str, FilterRules | None]]:
    for each in raw.listAllNWFilters(0):
        name = each.name()
        if not name.startswith(FILTER_PREFIX):
            continue
        rules = None
        if request.ports is None or name.removeprefix(FILTER_PREFIX) in request.ports:
            xml = find(each.XMLDesc, 0)
            rules = None if xml is None else canonical_rules(xml)
        yield name, rules
