"""Choose hosts for a server: all filters and weighers in a few queries, however many hosts.

The database cuts and orders; only the best few hosts, and the names of some that were removed,
become Python objects.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

from django.db.models import (
    Case,
    CharField,
    Count,
    F,
    FloatField,
    Max,
    Min,
    Q,
    QuerySet,
    Value,
    When,
)

from hypervisors.models import Hypervisor
from scheduling.filters import Filter
from scheduling.filters.aggregates import (
    AGGREGATE_IMAGE,
    AGGREGATE_PROJECT,
    AGGREGATE_SPECS,
    read_aggregates,
)
from scheduling.filters.architecture import ARCHITECTURE
from scheduling.filters.capabilities import CAPABILITIES
from scheduling.filters.group import AFFINITY, ANTI_AFFINITY
from scheduling.filters.json_query import JSON_QUERY
from scheduling.filters.near import NEAR
from scheduling.filters.networks import PHYSICAL_NETWORK, TUNNELS
from scheduling.filters.numa import NUMA
from scheduling.filters.other_servers import DIFFERENT_HOST, SAME_HOST
from scheduling.filters.pci import PCI
from scheduling.filters.ready import READY
from scheduling.filters.resource_classes import RESOURCE_CLASSES
from scheduling.filters.resources import CPU, DISK, RAM
from scheduling.filters.secure_boot import SECURE_BOOT
from scheduling.filters.store import STORE
from scheduling.filters.tpm import TPM
from scheduling.filters.traits import TRAITS
from scheduling.filters.wanted_host import WANTED_HOST
from scheduling.filters.zone import ZONE
from scheduling.request_spec import RequestSpec
from scheduling.weighers import Weigher, free
from scheduling.weighers.build_failures import BUILD_FAILURES
from scheduling.weighers.group import APART, TOGETHER
from scheduling.weighers.image_cached import IMAGE_CACHED

FILTERS = (
    READY,
    WANTED_HOST,
    ZONE,
    AGGREGATE_SPECS,
    AGGREGATE_IMAGE,
    AGGREGATE_PROJECT,
    ARCHITECTURE,
    SECURE_BOOT,
    TPM,
    CAPABILITIES,
    TRAITS,
    RESOURCE_CLASSES,
    SAME_HOST,
    DIFFERENT_HOST,
    AFFINITY,
    ANTI_AFFINITY,
    JSON_QUERY,
    NEAR,
    CPU,
    RAM,
    DISK,
    STORE,
    PHYSICAL_NETWORK,
    TUNNELS,
    NUMA,
    PCI,
)
# All that is asked of a host which an administrator forces; the claim still has to fit.
FORCED_FILTERS = (AFFINITY, ANTI_AFFINITY, STORE, PHYSICAL_NETWORK, TUNNELS, NUMA, PCI)
WEIGHERS = (free.RAM, free.CPU, free.DISK, IMAGE_CACHED, BUILD_FAILURES, TOGETHER, APART)
# Hosts tried for a claim before the request counts as lost in a crowd, and named as removed.
CANDIDATES = 10
NAMED = 50


@dataclass(frozen=True)
class Candidate:
    """A host that passed every filter, with its weights."""

    hypervisor_id: int
    host: str
    total: float
    weights: dict[str, float]


@dataclass(frozen=True)
class Choice:
    """The best hosts, best first, and what happened to the others.

    `filters`: [{name, question, removed: n, hosts: [names of some of them], left: n}], and of some
    filters `reasons`: {host: words}.
    """

    asked: int
    candidates: list[Candidate]
    filters: list[dict[str, Any]] = field(default_factory=list)

    def refusal(self) -> str:
        """In words, which filter removed how many hosts."""
        if not self.asked:
            return "No valid host was found. There is no hypervisor left to ask."
        removed = [
            f"{entry['name']} removed {entry['removed']}"
            for entry in self.filters
            if entry["removed"]
        ]
        reasons = ", ".join(removed) or "every claim was lost to another server"
        return f"No valid host was found. Of {self.asked} hosts: {reasons}."


def choose_hosts(spec: RequestSpec, *, without: list[str]) -> Choice:
    """Filter and weigh all hosts but those in `without` (names of hosts already tried)."""
    hosts = Hypervisor.objects.exclude(name__in=without) if without else Hypervisor.objects.all()
    if spec.host:
        hosts = hosts.filter(name=spec.host)
    else:
        spec = replace(spec, aggregates=read_aggregates())
    asked = _conditions(spec)
    if not asked:
        return Choice(hosts.count(), _weigh(hosts, spec))
    marked = hosts.annotate(removed_by=_first_refusal(asked))
    counts = dict(
        marked.values_list("removed_by").annotate(hosts=Count("pk")).order_by("removed_by")
    )
    names: dict[str, list[str]] = {}
    if set(counts) - {""}:
        gone = marked.exclude(removed_by="").order_by("name")
        for host, name in gone.values_list("name", "removed_by")[:NAMED]:
            names.setdefault(name, []).append(host)
    total = left = sum(counts.values())
    report = []
    for question, _ in asked:
        removed = counts.get(question.name, 0)
        left -= removed
        hosts_named = names.get(question.name, [])
        entry: dict[str, Any] = {
            "name": question.name,
            "question": question.question,
            "removed": removed,
            "hosts": hosts_named,
            "left": left,
        }
        if question.reasons is not None and hosts_named:
            entry["reasons"] = question.reasons(spec, hosts_named)
        report.append(entry)
    passed = hosts.filter(reduce(lambda one, two: one & two, (q for _, q in asked)))
    return Choice(total, _weigh(passed, spec) if left else [], report)


def _conditions(spec: RequestSpec) -> list[tuple[Filter, Q]]:
    found = []
    for each in FORCED_FILTERS if spec.host else FILTERS:
        condition = each.condition(spec)
        if condition is not None:
            found.append((each, condition))
    return found


def _first_refusal(asked: list[tuple[Filter, Q]]) -> Case:
    """The name of the first filter that says no, or ""."""
    return Case(
        *(When(~condition, then=Value(each.name)) for each, condition in asked),
        default=Value(""),
        output_field=CharField(),
    )


def _weigh(hosts: QuerySet[Hypervisor], spec: RequestSpec) -> list[Candidate]:
    named = {f"weight_{each.name}": each.value(spec) for each in WEIGHERS}
    weighed = hosts.annotate(**named)
    extremes = weighed.aggregate(
        **{f"max_{name}": Max(name) for name in named},
        **{f"min_{name}": Min(name) for name in named},
    )
    ordered = weighed.annotate(
        weight=sum(
            (_share(each, extremes) for each in WEIGHERS),
            start=Value(0.0, output_field=FloatField()),
        )
    ).order_by("-weight", "name")
    return [_candidate(host, extremes) for host in ordered[:CANDIDATES]]


def _scale(each: Weigher, extremes: dict[str, Any]) -> tuple[float, float]:
    """The least value, and what a step above it weighs; no step where all hosts are alike."""
    least, most = (extremes[f"{end}_weight_{each.name}"] or 0.0 for end in ("min", "max"))
    return least, each.multiplier / (most - least) if most > least else 0.0


def _share(each: Weigher, extremes: dict[str, Any]) -> Any:
    least, step = _scale(each, extremes)
    above = F(f"weight_{each.name}") - Value(least, output_field=FloatField())
    return above * Value(step, output_field=FloatField())


def _candidate(host: Any, extremes: dict[str, Any]) -> Candidate:
    weights = {}
    for each in WEIGHERS:
        least, step = _scale(each, extremes)
        weights[each.name] = round((getattr(host, f"weight_{each.name}") - least) * step, 4)
    return Candidate(host.pk, host.name, round(host.weight, 4), weights)
