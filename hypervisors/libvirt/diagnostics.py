"""What a host counts of one guest, for somebody who waits: all in one bounded call."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from xml.etree import ElementTree as ET

import libvirt

from hypervisors.libvirt.connection import on_host
from hypervisors.libvirt.errors import NotThere
from hypervisors.libvirt.host import parse_domain_stats
from hypervisors.libvirt.spec import GuestUsage

DEADLINE_S = 10.0
_STATS = (
    libvirt.VIR_DOMAIN_STATS_STATE
    | libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
    | libvirt.VIR_DOMAIN_STATS_BALLOON
    | libvirt.VIR_DOMAIN_STATS_VCPU
    | libvirt.VIR_DOMAIN_STATS_INTERFACE
    | libvirt.VIR_DOMAIN_STATS_BLOCK
)
_BALLOON = "balloon."


@dataclass(frozen=True)
class GuestDiagnosis:
    """A guest's counters in detail.

    `vcpu_times_ns` by the vCPU's number. `memory_kib` are libvirt's balloon figures by their own
    names, e.g. current, maximum and rss; not all of them are sizes. `mac_addresses` by the name of
    the interface on the host.
    """

    usage: GuestUsage
    vcpu_times_ns: Mapping[int, int]
    memory_kib: Mapping[str, int]
    mac_addresses: Mapping[str, str]


@on_host(DEADLINE_S)
def diagnose(raw: Any, uuid: UUID) -> GuestDiagnosis:
    """The guest's counters now.

    Raises:
        NotThere: no such guest.
    """
    domain = raw.lookupByUUID(uuid.bytes)
    # Not waiting for a guest that another call holds: then fewer counters come.
    nowait = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
    found = raw.domainListGetStats([domain], _STATS, nowait)
    if not found:
        raise NotThere(f"The host says nothing of the guest {uuid}.")
    return parse_diagnosis(uuid, domain.name(), found[0][1], domain.XMLDesc(0))


def parse_diagnosis(uuid: UUID, name: str, record: Mapping[str, Any], xml: str) -> GuestDiagnosis:
    """Read a record of the bulk statistics and the definition of the same guest.

    Source: libvirt, virDomainListGetStats, groups "vcpu" and "balloon".
    """
    vcpus = range(record.get("vcpu.maximum", 0))
    root = ET.fromstring(xml)  # noqa: S314 - libvirt's own output
    cards = [(card.find("target"), card.find("mac")) for card in root.iterfind("devices/interface")]
    return GuestDiagnosis(
        usage=parse_domain_stats(uuid, name, record),
        vcpu_times_ns={
            number: record[f"vcpu.{number}.time"]
            for number in vcpus
            if f"vcpu.{number}.time" in record
        },
        memory_kib={
            key.removeprefix(_BALLOON): value
            for key, value in record.items()
            if key.startswith(_BALLOON)
        },
        mac_addresses={
            target.get("dev", ""): mac.get("address", "")
            for target, mac in cards
            if target is not None and mac is not None
        },
    )
