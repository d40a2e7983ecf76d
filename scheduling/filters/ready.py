"""Is the host up, enabled and not in maintenance?"""

from django.db.models import Q

from hypervisors.models import HostState
from scheduling.filters import Filter
from scheduling.request_spec import RequestSpec


def _condition(spec: RequestSpec) -> Q:
    return Q(state=HostState.UP, is_enabled=True, in_maintenance=False, is_forced_down=False)


READY = Filter("ready", "Is the host up, enabled and not in maintenance?", _condition)
