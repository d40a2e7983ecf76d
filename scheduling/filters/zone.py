"""Is the host in the availability zone asked for?"""

from django.db.models import Exists, OuterRef, Q

from hypervisors.models import DEFAULT_ZONE, Aggregate
from scheduling.filters import Filter
from scheduling.request_spec import RequestSpec


def _condition(spec: RequestSpec) -> Q | None:
    if not spec.zone:
        return None
    zoned = Aggregate.objects.filter(hypervisors=OuterRef("pk")).exclude(availability_zone="")
    inside = Q(Exists(zoned.filter(availability_zone=spec.zone)))
    # A host that no aggregate puts in a zone is in the default one.
    return inside | ~Q(Exists(zoned)) if spec.zone == DEFAULT_ZONE else inside


ZONE = Filter("zone", "Is the host in the availability zone asked for?", _condition)
