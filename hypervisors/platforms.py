"""What the guests of a host are made as: with its neighbours, or as its group says.

Neighbours are the hosts of its zone that run guests alike. A group of hosts (an aggregate) may name
a CPU model and a machine type in its metadata, and then its hosts' guests have those.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import QuerySet

from cloudportal.errors import Invalid
from hypervisors.libvirt.baseline import family_of, shared_machine, shared_model
from hypervisors.models import DEFAULT_ZONE, Aggregate, Hypervisor

SCOPE = "cloudportal:"
CPU_MODEL = f"{SCOPE}cpu_model"
MACHINE_TYPE = f"{SCOPE}machine_type"
_FORMS = {
    CPU_MODEL: (r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "the name of a CPU model"),
    MACHINE_TYPE: (r"[a-z][a-z0-9-]{0,40}-[a-z]*[0-9]+(\.[0-9]+)+", "a machine type of a version"),
}
# A host's machine types, by their names, and the CPU models that it can give guests.
Offer = tuple[Mapping[str, str], Sequence[str]]
# So long what a zone's hosts have is taken to be as it was.
KEPT_S = 60.0
# By zone, architecture, domain type and maker of the CPU: until when it holds, and what it is.
_seen: dict[tuple[str, str, str, str | None], tuple[float, Sequence[Offer]]] = {}


@dataclass(frozen=True)
class PlatformWish:
    """What guests are to be made as; "" leaves it to the host.

    `cpu_model` and `machine` are what the host's group says. `shared_cpu_model` and
    `shared_machines` (by family) are what the host and its neighbours all have.
    """

    cpu_model: str = ""
    machine: str = ""
    shared_cpu_model: str = ""
    shared_machines: Mapping[str, str] = field(default_factory=dict)


def check_words(metadata: Mapping[str, str | None]) -> None:
    """Refuse what a group would say in vain; None takes a word back.

    Raises:
        Invalid: a name of this scope that means nothing, or a value that can be none.
    """
    for name, value in metadata.items():
        if not name.startswith(SCOPE):
            continue
        if name not in _FORMS:
            raise Invalid(f"{name} means nothing: there are {' and '.join(_FORMS)}.")
        pattern, what = _FORMS[name]
        if value is not None and not re.fullmatch(pattern, value):
            raise Invalid(f"{name} must be {what}, not '{value}'.")


def wish_of(hypervisor: Hypervisor) -> PlatformWish:
    """What guests made on the host now are to be; asks the database alone, as a rule once."""
    groups = Aggregate.objects.filter(hypervisors=hypervisor.pk).order_by("name")
    rows = list(groups.values_list("metadata", "availability_zone", "pk"))
    # Of several zones (which the aggregates' rules refuse) the oldest holds.
    zone = min(((key, zone) for _, zone, key in rows if zone), default=(0, DEFAULT_ZONE))[1]
    said = _first_said(metadata for metadata, _, _ in rows)
    alike = [_own(hypervisor), *_neighbours(hypervisor, zone)]
    usable = [models for _, models in alike if models]
    machines = [types for types, _ in alike if types]
    own = hypervisor.capabilities.get("machines", {})
    families = {family_of(machine) for machine in own.values()} - {""}
    return PlatformWish(
        cpu_model=said.get(CPU_MODEL, ""),
        machine=said.get(MACHINE_TYPE, ""),
        shared_cpu_model=shared_model(hypervisor.capabilities.get("cpu_vendor", ""), usable),
        shared_machines={family: shared_machine(family, machines) for family in families},
    )


def wish_within_reach(hypervisor: Hypervisor) -> PlatformWish:
    """The same for a guest that has to be there again: without what the host cannot do."""
    wish, known = wish_of(hypervisor), hypervisor.capabilities
    machines: Mapping[str, str] = known.get("machines", {})
    usable = known.get("usable_cpu_models", {}).get(hypervisor.domain_type, [])
    return replace(
        wish,
        cpu_model=wish.cpu_model if wish.cpu_model in usable else "",
        machine=wish.machine if wish.machine in {*machines, *machines.values()} else "",
    )


def forget_neighbours() -> None:
    """Look at all hosts anew, whatever was known of them."""
    _seen.clear()


def _first_said(metadata: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Of several groups that say something the first is heard."""
    said: dict[str, str] = {}
    for each in metadata:
        for key in (CPU_MODEL, MACHINE_TYPE):
            if each.get(key):
                said.setdefault(key, str(each[key]))
    return said


def _own(hypervisor: Hypervisor) -> Offer:
    known: dict[str, Any] = hypervisor.capabilities
    return (
        known.get("machines", {}),
        known.get("usable_cpu_models", {}).get(hypervisor.domain_type, []),
    )


def _neighbours(hypervisor: Hypervisor, zone: str) -> Sequence[Offer]:
    """What each host of the zone has that runs guests as this one does; of one unseen nothing.

    Most are equal, so that few rows come back however many hosts there are. But all are read for
    it, and what hosts have changes rarely: so the answer is kept for a while.
    """
    key = (zone, hypervisor.arch, hypervisor.domain_type, hypervisor.capabilities.get("cpu_vendor"))
    kept = _seen.get(key)
    if kept is not None and time.monotonic() < kept[0]:
        return kept[1]
    alike = _of_zone(zone).filter(
        arch=hypervisor.arch,
        domain_type=hypervisor.domain_type,
        capabilities__cpu_vendor=hypervisor.capabilities.get("cpu_vendor", ""),
    )
    models = f"capabilities__usable_cpu_models__{hypervisor.domain_type or 'qemu'}"
    rows = alike.order_by().values_list("capabilities__machines", models).distinct()
    found = [(machines or {}, usable or []) for machines, usable in rows]
    _seen[key] = (time.monotonic() + KEPT_S, found)
    return found


def _of_zone(zone: str) -> QuerySet[Hypervisor]:
    zones = Aggregate.objects.exclude(availability_zone="")
    if zone == DEFAULT_ZONE:
        inside = zones.exclude(availability_zone=DEFAULT_ZONE).values("hypervisors")
        return Hypervisor.objects.exclude(pk__in=inside.filter(hypervisors__isnull=False))
    return Hypervisor.objects.filter(
        pk__in=zones.filter(availability_zone=zone).values("hypervisors")
    )
