"""Is the host with, or without, the servers named in the hints?"""

from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from scheduling.filters import Filter
from scheduling.models import Allocation
from scheduling.request_spec import RequestSpec


def _holds(servers: list[str]) -> Exists:
    known = [server for server in map(_as_uuid, servers) if server is not None]
    return Exists(Allocation.objects.filter(hypervisor=OuterRef("pk"), server_id__in=known))


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _same(spec: RequestSpec) -> Q | None:
    return Q(_holds(spec.same_host)) if spec.same_host else None


def _different(spec: RequestSpec) -> Q | None:
    return ~Q(_holds(spec.different_host)) if spec.different_host else None


SAME_HOST = Filter("same_host", "Is one of the servers named as same_host there?", _same)
DIFFERENT_HOST = Filter(
    "different_host", "Is none of the servers named as different_host there?", _different
)
