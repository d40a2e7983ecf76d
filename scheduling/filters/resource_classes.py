"""Does the host offer the further resource classes that the flavor asks an amount of?

CPUs, memory and disk are what hosts here offer; their amounts are questions of their own.
"""

from django.db.models import Q

from scheduling.filters import Filter
from scheduling.filters.operators import NOBODY
from scheduling.request_spec import RequestSpec

OFFERED = {
    "resources:VCPU": "vcpus",
    "resources:MEMORY_MB": "ram_mib",
    "resources:DISK_GB": "disk_gib",
}


def _condition(spec: RequestSpec) -> Q | None:
    for name, amount in spec.extra_specs.items():
        scope, colon, _ = name.partition(":")
        if colon and scope.startswith("resources") and name not in OFFERED and amount.strip("0"):
            return NOBODY
    return None


RESOURCE_CLASSES = Filter(
    "resource_classes", "Does the host offer the resource classes asked for?", _condition
)
