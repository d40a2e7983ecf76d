"""Has the host enough unclaimed CPU, memory and disk, ratios and reserves applied?"""

from collections.abc import Callable

from django.db.models import F, Q
from django.db.models.functions import Floor

from scheduling.filters import Filter
from scheduling.request_spec import RequestSpec, booked_of


def _fits(
    resource: str, ratio: str, wanted: Callable[[RequestSpec], int]
) -> Callable[[RequestSpec], Q]:
    def condition(spec: RequestSpec) -> Q:
        limit = Floor(F(resource) * F(ratio)) - F(f"reserved_{resource}") - wanted(spec)
        if spec.booked:
            limit -= booked_of(spec, resource)
        return Q(**{f"{resource}_used__lte": limit})

    return condition


CPU = Filter(
    "cpu", "Are enough virtual CPUs unclaimed?", _fits("vcpus", "cpu_ratio", lambda s: s.vcpus)
)
RAM = Filter(
    "ram", "Is enough memory unclaimed?", _fits("ram_mib", "ram_ratio", lambda s: s.ram_mib)
)
DISK = Filter(
    "disk", "Is enough disk unclaimed?", _fits("disk_gib", "disk_ratio", lambda s: s.disk_gib)
)
