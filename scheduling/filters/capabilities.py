"""Is the host such as the flavor's `capabilities:` ask: its processor, its sizes, its version?"""

from __future__ import annotations

from django.db.models import Q
from django.db.models.lookups import In

from hypervisors.models import Hypervisor
from scheduling.filters import Filter
from scheduling.filters.facts import FACTS, KINDS, Fact
from scheduling.filters.operators import NOBODY, is_met, number_condition
from scheduling.request_spec import RequestSpec

PREFIX = "capabilities:"


def _condition(spec: RequestSpec) -> Q | None:
    condition = Q()
    for name, asked in spec.extra_specs.items():
        if name.startswith(PREFIX):
            condition &= _one(name.removeprefix(PREFIX), asked)
    return condition or None


def _one(name: str, asked: str) -> Q:
    fact = KINDS.get(name) or FACTS.get(name)
    if fact is None:
        # No host says this of itself, so none can have it.
        return NOBODY
    return number_condition(fact.expression(), asked) if fact.is_number else _like(fact, asked)


def _like(fact: Fact, asked: str) -> Q:
    """The values that there are, compared here with what is asked, since operators are many."""
    known = Hypervisor.objects.order_by().annotate(fact=fact.expression())
    values = known.values_list("fact", flat=True).distinct()
    meeting = [value for value in values if is_met(value, asked)]
    return Q(In(fact.expression(), meeting)) if meeting else NOBODY


CAPABILITIES = Filter(
    "capabilities", "Is the host such as the flavor's capabilities ask?", _condition
)
