"""`/limits`: what the caller's project may take and has taken, in the words of that call."""

from __future__ import annotations

from collections.abc import Callable

from rest_framework.response import Response

from cloudportal.api.microversions import Versioned
from cloudportal.api.openapi import documented, wrapped
from cloudportal.api.query import ANY, QuerySchema
from cloudportal.api.representation import INTEGER, Field, Representation, record
from cloudportal.api.views import ComputeView, WireRequest
from quotas.read import read_own
from quotas.resources import UNLIMITED

_TENANT = {"tenant_id": ANY}
QUERY = Versioned({"2.1": QuerySchema(_TENANT), "2.75": QuerySchema(_TENANT, closed=True)})

Figures = tuple[dict[str, int], dict[str, int]]


def _limit(resource: str) -> Callable[[Figures], int]:
    return lambda figures: figures[0][resource]


def _used(resource: str) -> Callable[[Figures], int]:
    return lambda figures: figures[1][resource]


ABSOLUTE: Representation[Figures] = Representation(
    Field("maxTotalInstances", _limit("instances"), INTEGER),
    Field("maxTotalCores", _limit("cores"), INTEGER),
    Field("maxTotalRAMSize", _limit("ram"), INTEGER),
    Field("maxTotalKeypairs", _limit("key_pairs"), INTEGER),
    Field("maxServerMeta", _limit("metadata_items"), INTEGER),
    Field("maxImageMeta", _limit("metadata_items"), INTEGER, until="2.38"),
    Field("maxServerGroups", _limit("server_groups"), INTEGER),
    Field("maxServerGroupMembers", _limit("server_group_members"), INTEGER),
    Field("maxPersonality", _limit("injected_files"), INTEGER, until="2.56"),
    Field("maxPersonalitySize", _limit("injected_file_content_bytes"), INTEGER, until="2.56"),
    Field("maxTotalFloatingIps", lambda figures: UNLIMITED, INTEGER, until="2.35"),
    Field("maxSecurityGroups", lambda figures: UNLIMITED, INTEGER, until="2.35"),
    Field("maxSecurityGroupRules", lambda figures: UNLIMITED, INTEGER, until="2.35"),
    Field("totalInstancesUsed", _used("instances"), INTEGER),
    Field("totalCoresUsed", _used("cores"), INTEGER),
    Field("totalRAMUsed", _used("ram"), INTEGER),
    Field("totalServerGroupsUsed", _used("server_groups"), INTEGER),
    Field("totalFloatingIpsUsed", lambda figures: 0, INTEGER, until="2.35"),
    Field("totalSecurityGroupsUsed", lambda figures: 0, INTEGER, until="2.35"),
)
# No call is counted, so there is no rate.
LIMITS = record({"rate": {"type": "array", "maxItems": 0}, "absolute": ABSOLUTE})


class LimitsView(ComputeView):
    """Limits and usage of the caller's project."""

    @documented("Show limits and usage.", query=QUERY, responses={200: wrapped("limits", LIMITS)})
    def get(self, request: WireRequest) -> Response:
        """Answer with the figures; there is no rate limit."""
        query = request.query
        figures = read_own(project_id=query.get("tenant_id"), actor=request.actor)
        absolute = ABSOLUTE.show(figures, request.microversion)
        return Response({"limits": {"rate": [], "absolute": absolute}})
