"""Do the host's aggregates have what the flavor asks, and do they let the image and project in?

Their metadata is read once for all hosts, for aggregates are few. A value may be a list with
commas; where a host is in several aggregates, any of them may have the value.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Exists, OuterRef, Q

from hypervisors.models import Aggregate
from scheduling.filters import Filter
from scheduling.filters.operators import is_met
from scheduling.request_spec import HostAggregate, RequestSpec

SCOPE = "aggregate_instance_extra_specs"
TENANT_KEY = "filter_tenant_id"
_MEMBERSHIP = Aggregate.hypervisors.through


def read_aggregates() -> tuple[HostAggregate, ...]:
    """All aggregates with metadata or a zone, which counts as metadata."""
    rows = Aggregate.objects.values_list("pk", "metadata", "availability_zone").order_by("pk")
    found = []
    for key, metadata, zone in rows:
        whole = {**metadata, **({"availability_zone": zone} if zone else {})}
        if whole:
            values = {name: _values(str(text)) for name, text in whole.items()}
            found.append(HostAggregate(key, values))
    return tuple(found)


def _values(text: str) -> frozenset[str]:
    return frozenset(each.strip() for each in text.split(","))


def _inside(aggregates: Iterable[HostAggregate]) -> Q:
    keys = [each.key for each in aggregates]
    memberships = _MEMBERSHIP.objects.filter(hypervisor_id=OuterRef("pk"), aggregate_id__in=keys)
    return Q(Exists(memberships))


def _asked(spec: RequestSpec) -> list[tuple[str, str]]:
    """Names and wanted values; a name without a scope counts where an aggregate has it.

    Flavors carry notes of many kinds under such names, and no host may be lost to those.
    """
    used = {name for each in spec.aggregates for name in each.values}
    asked = []
    for name, wanted in spec.extra_specs.items():
        scope, colon, rest = name.partition(":")
        if scope == SCOPE and colon:
            asked.append((rest, wanted))
        elif not colon and name in used:
            asked.append((name, wanted))
    return asked


def _extra_specs(spec: RequestSpec) -> Q | None:
    condition = Q()
    for name, wanted in _asked(spec):
        condition &= _inside(
            each
            for each in spec.aggregates
            if any(is_met(value, wanted) for value in each.values.get(name, ()))
        )
    return condition or None


def _image(spec: RequestSpec) -> Q | None:
    condition = Q()
    for name, value in spec.image_properties.items():
        kept = [each for each in spec.aggregates if name in each.values]
        if kept:
            condition &= ~_inside(kept) | _inside(
                each for each in kept if str(value) in each.values[name]
            )
    return condition or None


def _tenants(aggregate: HostAggregate) -> set[str]:
    """Longer lists are spread over keys that begin alike."""
    return {
        tenant
        for name, tenants in aggregate.values.items()
        if name.startswith(TENANT_KEY)
        for tenant in tenants
    }


def _project(spec: RequestSpec) -> Q | None:
    kept = [each for each in spec.aggregates if _tenants(each)]
    if not kept:
        return None
    return ~_inside(kept) | _inside(each for each in kept if spec.project_id in _tenants(each))


AGGREGATE_SPECS = Filter(
    "aggregate_extra_specs",
    "Have the host's aggregates what the flavor's extra specs ask?",
    _extra_specs,
)
AGGREGATE_IMAGE = Filter(
    "aggregate_image_properties",
    "Do the host's aggregates take images like this one?",
    _image,
)
AGGREGATE_PROJECT = Filter(
    "aggregate_tenants", "Do the host's aggregates take this project?", _project
)
