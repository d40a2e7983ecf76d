"""The calls of the compute API, from the routes themselves, so that no test can forget one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from rest_framework.schemas.generators import EndpointEnumerator

from cloudportal.api.microversions import Microversion
from cloudportal.api.openapi import Documentation
from cloudportal.api.views import COMPUTE, ComputeView

_PREFIX = "/compute/v2.1/"
_TWIN = "/compute/v2.1/{project_id}/"


@dataclass(frozen=True)
class Call:
    """A method of a route; `route` is without `/compute/v2.1/`."""

    method: str
    route: str
    view: type[ComputeView]
    documentation: Documentation
    first: Microversion
    last: Microversion

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


@cache
def compute_calls() -> tuple[Call, ...]:
    """Every call below `/v2.1` that there is at some microversion; not what is gone for good."""
    found = []
    for path, method, callback in EndpointEnumerator().get_api_endpoints():
        handler = getattr(callback.cls, method.lower(), None)
        documentation = getattr(handler, "documentation", None)
        if not path.startswith(_PREFIX) or path.startswith(_TWIN) or handler is None:
            continue
        assert documentation is not None, f"{method} {path} has no @documented"
        first, last = getattr(handler, "available", (COMPUTE.minimum, None))
        if 410 not in (documentation.answers_at(first)):
            route = path.removeprefix(_PREFIX)
            found.append(
                Call(method, route, callback.cls, documentation, first, last or COMPUTE.maximum)
            )
    return tuple(sorted(found, key=str))
