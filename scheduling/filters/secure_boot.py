"""Has the host firmware with secure boot, for a server that asks for it?"""

from django.db.models import Q, Value
from django.db.models.functions import StrIndex
from django.db.models.lookups import GreaterThan

from scheduling.filters import Filter
from scheduling.filters.facts import known
from scheduling.request_spec import RequestSpec


def _condition(spec: RequestSpec) -> Q | None:
    if not spec.secure_boot:
        return None
    # Of a host that was not looked at since this is asked, nothing is known.
    return Q(GreaterThan(StrIndex(known("has_secure_boot"), Value("true")), 0))


SECURE_BOOT = Filter("secure_boot", "Has the host firmware with secure boot?", _condition)
