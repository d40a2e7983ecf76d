"""Does what is held of each host belong to a server there, and do the counters agree?"""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import F, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce

from hypervisors.models import Hypervisor
from integrity.facts import BooksFacts
from integrity.found import Found
from integrity.states import FindingKind, Scope
from scheduling.models import Allocation

COUNTED = ("vcpus", "ram_mib", "disk_gib")


def check(facts: BooksFacts) -> Iterator[Found]:
    """Counters that differ."""
    yield from _counters()


def _counters() -> Iterator[Found]:
    # One statement, so that sum and counter are of one moment.
    sums = {
        f"{name}_held": Coalesce(
            Subquery(
                Allocation.objects.filter(hypervisor=OuterRef("pk"))
                .order_by()
                .values("hypervisor")
                .annotate(held=Sum(name))
                .values("held")
            ),
            0,
        )
        for name in COUNTED
    }
    differs = Q()
    for name in COUNTED:
        differs |= ~Q(**{f"{name}_used": F(f"{name}_held")})
    for host in Hypervisor.objects.annotate(**sums).filter(differs):
        held = {name: getattr(host, f"{name}_held") for name in COUNTED}
        used = {name: getattr(host, f"{name}_used") for name in COUNTED}
        said = ", ".join(f"{name} {used[name]} instead of {held[name]}" for name in COUNTED
                         if used[name] != held[name])  # fmt: skip
        yield Found(
            kind=FindingKind.COUNTERS_DIFFER,
            about="counters",
            subject=host.name,
            summary=f"The counters of {host.name} say {said}.",
            repair="Set the counters to the sum of the host's allocations.",
            action="counters.recount",
            hypervisor_id=host.pk,
            scope=Scope.BOOKS,
        )
