"""Availability zones: which host stands in which."""

from __future__ import annotations

from collections.abc import Collection

from hypervisors.models import DEFAULT_ZONE, Aggregate


def zones_of(hypervisor_keys: Collection[int]) -> dict[int, str]:
    """The zone of each host: that of its aggregates, else the default one; in one query."""
    memberships = (
        Aggregate.objects.filter(hypervisors__in=hypervisor_keys)
        .exclude(availability_zone="")
        .order_by("-pk")
        .values_list("hypervisors", "availability_zone")
    )
    # Newest first, so that with several (which the aggregates' rules refuse) the oldest holds.
    return {**dict.fromkeys(hypervisor_keys, DEFAULT_ZONE), **dict(memberships)}


def zone_names() -> set[str]:
    """The names of all zones but the default one."""
    named = Aggregate.objects.exclude(availability_zone="")
    return set(named.values_list("availability_zone", flat=True))
