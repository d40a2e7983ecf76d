"""`/os-aggregates`: the groups of hosts that administrators keep, to be read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rest_framework.response import Response

import hypervisors.rules  # noqa: F401 - declares the rules
from cloudportal.api.openapi import documented, listed, wrapped
from cloudportal.api.query import NO_QUERY
from cloudportal.api.representation import (
    BOOLEAN,
    INTEGER,
    OBJECT,
    STRING,
    Field,
    Representation,
)
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid
from hypervisors.errors import AggregateNotFound
from hypervisors.models import Aggregate
from identity import policy

STRINGS: dict[str, Any] = {"type": "array", "items": STRING}
# What the database's keys can be.
MAX_DIGITS = 18


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}"


def _metadata(aggregate: Aggregate) -> dict[str, Any]:
    """Its own, with the zone among it, as the clients know it."""
    zone = aggregate.availability_zone
    return {**aggregate.metadata, **({"availability_zone": zone} if zone else {})}


def _hosts(aggregate: Aggregate) -> list[str]:
    return sorted(host.name for host in aggregate.hypervisors.all())


AGGREGATE: Representation[Aggregate] = Representation(
    Field("id", lambda one: one.pk, INTEGER),
    Field("uuid", lambda one: str(one.uuid), STRING, since="2.41"),
    Field("name", lambda one: one.name, STRING),
    Field("availability_zone", lambda one: one.availability_zone or None, STRING),
    Field("hosts", _hosts, STRINGS),
    Field("metadata", _metadata, OBJECT),
    Field("created_at", lambda one: _instant(one.created_at), STRING),
    Field("updated_at", lambda one: _instant(one.updated_at), STRING),
    # Those that were deleted are gone; the keys are the wire's.
    Field("deleted", lambda one: False, BOOLEAN),
    Field("deleted_at", lambda one: None, STRING),
)


class AggregatesView(ComputeView):
    """The aggregates."""

    @documented(
        "List aggregates.", query=NO_QUERY, responses={200: listed("aggregates", AGGREGATE)}
    )
    def get(self, request: WireRequest) -> Response:
        """Answer with all of them."""
        NO_QUERY.at(request.microversion).check(request.query_params)
        policy.require(request.actor, "os_compute_api:os-aggregates:index")
        found = Aggregate.objects.prefetch_related("hypervisors").order_by("pk")
        return Response(
            {"aggregates": [AGGREGATE.show(one, request.microversion) for one in found]}
        )


class AggregateView(ComputeView):
    """One aggregate."""

    @documented(
        "Show an aggregate.", query=NO_QUERY, responses={200: wrapped("aggregate", AGGREGATE)}
    )
    def get(self, request: WireRequest, aggregate_id: str) -> Response:
        """Answer with it."""
        NO_QUERY.at(request.microversion).check(request.query_params)
        policy.require(request.actor, "os_compute_api:os-aggregates:show")
        if not (aggregate_id.isascii() and aggregate_id.isdigit()):
            raise Invalid(f"Invalid ID format for aggregate: {aggregate_id}.")
        found = None
        if len(aggregate_id) <= MAX_DIGITS:
            found = Aggregate.objects.filter(pk=int(aggregate_id)).first()
        if found is None:
            raise AggregateNotFound(f"Aggregate {aggregate_id} could not be found.")
        return Response({"aggregate": AGGREGATE.show(found, request.microversion)})
