"""Is it the host that was named?"""

from django.db.models import Q

from scheduling.filters import Filter
from scheduling.request_spec import RequestSpec


def _condition(spec: RequestSpec) -> Q | None:
    return Q(name=spec.wanted_host) if spec.wanted_host else None


WANTED_HOST = Filter("wanted_host", "Is it the host that was named?", _condition)
