"""The calls of each API, from the routes themselves, so that no test can forget one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from rest_framework.schemas.generators import EndpointEnumerator

from cloudportal.api.microversions import UNVERSIONED, Microversion
from cloudportal.api.openapi import SERVICES, TWINS, Documentation
from cloudportal.api.views import WireView

PREFIXES = {
    "compute": "/compute/v2.1/",
    "identity": "/identity/v3/",
    "image": "/image/v2/",
    "network": "/network/v2.0/",
    "volume": "/volume/v3/",
}


@dataclass(frozen=True)
class Call:
    """A method of a route; `route` is without the prefix of its service."""

    method: str
    route: str
    view: type[WireView]
    documentation: Documentation
    first: Microversion
    last: Microversion

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


def compute_calls() -> tuple[Call, ...]:
    """Every call of the compute API that there is at some microversion."""
    return calls_of("compute")


@cache
def calls_of(service: str) -> tuple[Call, ...]:
    """Every call below the service's version; not what is gone for good.

    Without microversions a call is there at `UNVERSIONED` only.
    """
    prefix, versions = PREFIXES[service], SERVICES[service]
    oldest = versions.minimum if versions else UNVERSIONED
    newest = versions.maximum if versions else UNVERSIONED
    found = []
    for pattern, method, callback in EndpointEnumerator().get_api_endpoints():
        path = pattern.replace("\\", "")
        handler = getattr(callback.cls, method.lower(), None)
        documentation = getattr(handler, "documentation", None)
        is_ours = path.startswith(prefix) and not path.startswith(TWINS)
        if not is_ours or handler is None or callback.cls.is_catch_all:
            continue
        assert documentation is not None, f"{method} {path} has no @documented"
        first, last = getattr(handler, "available", (oldest, None))
        if 410 not in (documentation.answers_at(first)):
            route = path.removeprefix(prefix)
            found.append(Call(method, route, callback.cls, documentation, first, last or newest))
    return tuple(sorted(found, key=str))
