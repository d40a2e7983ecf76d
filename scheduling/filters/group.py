"""Does the host keep the servers of a group together, or apart?"""

from django.db.models import Q

from scheduling.filters import Filter
from scheduling.request_spec import RequestSpec


def _together(spec: RequestSpec) -> Q | None:
    group = spec.group
    if group is None or group.policy != "affinity" or not group.hosts:
        return None
    return Q(pk__in=list(group.hosts))


def _apart(spec: RequestSpec) -> Q | None:
    group = spec.group
    if group is None or group.policy != "anti-affinity":
        return None
    full = [host for host, servers in group.hosts.items() if servers >= group.max_per_host]
    return ~Q(pk__in=full) if full else None


AFFINITY = Filter("affinity", "Is the rest of the server group there?", _together)
ANTI_AFFINITY = Filter(
    "anti_affinity", "Are fewer servers of the group there than may share a host?", _apart
)
