"""A look at everything of ours that a host has, to be compared with the books."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from difflib import unified_diff
from functools import lru_cache
from uuid import UUID

from hypervisors.connections import connected
from hypervisors.disks import BASE_PREFIX
from hypervisors.libvirt.console import log_name
from hypervisors.libvirt.difference import definition_difference, metadata_difference
from hypervisors.libvirt.domain_xml import domain_xml
from hypervisors.libvirt.filters import FilterRules, FilterSpec, canonical_rules, filter_xml
from hypervisors.libvirt.records import GuestMetadata
from hypervisors.libvirt.spec import GuestSpec
from hypervisors.libvirt.storage import VERIFIED_SUFFIX
from hypervisors.libvirt.survey import (
    DomainSeen,
    HostSurvey,
    NetworkSeen,
    SurveyRequest,
    VolumeSeen,
)
from hypervisors.models import Hypervisor, StoragePool

__all__ = [
    "VERIFIED_SUFFIX", "DomainSeen", "FilterRules", "HostSurvey", "NetworkSeen", "VolumeSeen",
    "difference_of_filter", "difference_of_guest", "difference_of_metadata", "survey",
    "write_metadata",
]  # fmt: skip

# A network of ours has a name that begins so on every host.
NETWORK_PREFIX = "cp-"


def survey(
    hypervisor: Hypervisor,
    *,
    refresh: bool = False,
    guests: Collection[UUID] | None = None,
    ports: Collection[str] | None = None,
    settled_bases: Collection[str] = (),
) -> HostSurvey:
    """Look at a host.

    Args:
        hypervisor: the host.
        refresh: see files that were put into pools, or taken away, behind libvirt's back.
        guests: read the definitions of these only.
        ports: read the filters of these only; the names of all are told.
        settled_bases: base volumes of which it need not be asked what lies over them.

    Raises:
        HostUnreachable: it does not answer.
    """
    pools = StoragePool.objects.filter(hypervisor=hypervisor).values_list("name", "store")
    request = SurveyRequest(
        pools=tuple(name for name, _ in pools),
        shared=frozenset(name for name, store in pools if store),
        network_prefix=NETWORK_PREFIX,
        base_prefix=BASE_PREFIX,
        refresh=refresh,
        guests=None if guests is None else frozenset(guests),
        ports=None if ports is None else frozenset(ports),
        settled_bases=frozenset(settled_bases),
    )
    with connected(hypervisor) as host:
        return host.survey(request)


def difference_of_guest(spec: GuestSpec, seen: DomainSeen, pool_path: str) -> str:
    """How the guest's kept definition differs from the one it should have; "" is not at all.

    `pool_path` is where its serial log is.

    Raises:
        InvalidProperty: what it should be contradicts itself.
    """
    path = f"{pool_path}/{log_name(spec.uuid)}"
    wanted = dataclasses.replace(spec, console_log_path=path)
    return definition_difference(domain_xml(wanted), seen.xml)


def difference_of_metadata(wanted: GuestMetadata, seen: DomainSeen) -> str:
    """How what the guest keeps of its server differs from what it should keep."""
    return metadata_difference(wanted, seen.metadata)


def difference_of_filter(wanted: FilterSpec, rules: FilterRules) -> str:
    """How a port's filter differs from the one it should have, a rule a line."""
    right = _wanted_rules(wanted)
    if right == rules:
        return ""
    lines = unified_diff(
        [_rule_text(rule) for rule in right],
        [_rule_text(rule) for rule in rules],
        "as it should be",
        "as it is",
        lineterm="",
    )
    return "\n".join(lines)


@lru_cache(maxsize=8192)
def _wanted_rules(wanted: FilterSpec) -> FilterRules:
    return canonical_rules(filter_xml(wanted))


def _rule_text(rule: tuple[object, ...]) -> str:
    return " ".join(" ".join(map(str, _flat(part))) for part in rule)


def _flat(part: object) -> list[object]:
    if isinstance(part, tuple):
        return [each for inner in part for each in _flat(inner)]
    return [part]


def write_metadata(hypervisor: Hypervisor, server_id: UUID, metadata: GuestMetadata) -> None:
    """Put this in place of the metadata, both of the running guest and of its kept definition.

    Raises:
        NotOnHost: the host does not have it.
    """
    with connected(hypervisor) as host:
        host.write_metadata(server_id, metadata)
