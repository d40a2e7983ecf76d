"""`/os-aggregates`: the groups of hosts that administrators keep."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.utils import timezone
from rest_framework.response import Response

import hypervisors.rules  # noqa: F401 - declares the rules
from cloudportal.api.openapi import documented, listed, wrapped
from cloudportal.api.representation import (
    BOOLEAN,
    INTEGER,
    NULL,
    STRING,
    Field,
    Representation,
    array,
    mapping,
    nullable,
)
from cloudportal.api.validation import NAME, BodySchema, closed
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid
from hypervisors.aggregates import (
    ZONE_KEY,
    AggregateChange,
    add_host,
    create_aggregate,
    delete_aggregate,
    find_aggregate,
    remove_host,
    set_metadata,
    update_aggregate,
)
from hypervisors.models import Aggregate
from identity import policy

_RULE = "os_compute_api:os-aggregates:"
_ZONE: dict[str, Any] = {**NAME, "type": ["string", "null"], "pattern": r"^[^:]*\Z"}
# Of a new name the white space around it is taken off.
_SPACED_NAME = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"\S"}
_HOST = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[a-zA-Z0-9-._]*\Z"}
_METADATA: dict[str, Any] = {
    "type": "object",
    "patternProperties": {
        r"^[a-zA-Z0-9_:. -]{1,255}\Z": {"type": ["string", "null"], "maxLength": 255}
    },
    "additionalProperties": False,
}
CREATE = BodySchema(
    closed(
        {"aggregate": closed({"name": NAME, "availability_zone": _ZONE}, ["name"])}, ["aggregate"]
    )
)
UPDATE = BodySchema(
    closed(
        {"aggregate": closed({"name": _SPACED_NAME, "availability_zone": _ZONE}, minProperties=1)},
        ["aggregate"],
    )
)


def _action(name: str, key: str, value: dict[str, Any]) -> BodySchema:
    return BodySchema(closed({name: closed({key: value}, [key])}, [name]))


ACTIONS = {
    "add_host": _action("add_host", "host", _HOST),
    "remove_host": _action("remove_host", "host", _HOST),
    "set_metadata": _action("set_metadata", "metadata", _METADATA),
}


def _instant(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%S.%f}"


def _metadata(aggregate: Aggregate) -> dict[str, Any]:
    """Its own, with the zone among it, as the clients know it."""
    zone = aggregate.availability_zone
    return {**aggregate.metadata, **({ZONE_KEY: zone} if zone else {})}


def _hosts(aggregate: Aggregate) -> list[str]:
    return sorted(host.name for host in aggregate.hypervisors.all())


_HEAD: list[Field[Aggregate]] = [
    Field("id", lambda one: one.pk, INTEGER),
    Field("uuid", lambda one: str(one.uuid), STRING, since="2.41"),
    Field("name", lambda one: one.name, STRING),
    Field("availability_zone", lambda one: one.availability_zone or None, nullable(STRING)),
]
_TAIL: list[Field[Aggregate]] = [
    Field("created_at", lambda one: _instant(one.created_at), STRING),
    Field("updated_at", lambda one: _instant(one.updated_at), nullable(STRING)),
    # Those that were deleted are gone; the keys are the wire's.
    Field("deleted", lambda one: False, BOOLEAN),
    Field("deleted_at", lambda one: None, NULL),
]
# Just made, it has neither hosts nor metadata, and the wire leaves them out.
MADE: Representation[Aggregate] = Representation(*_HEAD, *_TAIL)
AGGREGATE: Representation[Aggregate] = Representation(
    *_HEAD,
    Field("hosts", _hosts, array(STRING)),
    Field("metadata", _metadata, mapping(STRING)),
    *_TAIL,
)


class _AggregateView(ComputeView):
    def find(self, request: WireRequest, aggregate_id: str, action: str) -> Aggregate:
        """The aggregate, for one who may do this to it."""
        policy.require(request.actor, f"{_RULE}{action}")
        return find_aggregate(aggregate_id)

    def answer(self, request: WireRequest, aggregate: Aggregate) -> Response:
        """One aggregate, whole."""
        return Response({"aggregate": AGGREGATE.show(aggregate, request.microversion)})


class AggregatesView(ComputeView):
    """The aggregates; and making one."""

    @documented(
        "List aggregates.",
        responses={200: listed("aggregates", AGGREGATE, links=None)},
    )
    def get(self, request: WireRequest) -> Response:
        """Answer with all of them."""
        policy.require(request.actor, f"{_RULE}index")
        found = Aggregate.objects.prefetch_related("hypervisors").order_by("pk")
        return Response(
            {"aggregates": [AGGREGATE.show(one, request.microversion) for one in found]}
        )

    @documented("Make an aggregate.", request=CREATE, responses={200: wrapped("aggregate", MADE)})
    def post(self, request: WireRequest) -> Response:
        """Make it and answer with it."""
        wanted = CREATE.check(request.data)["aggregate"]
        made = create_aggregate(
            name=wanted["name"],
            zone=wanted.get("availability_zone") or "",
            actor=request.actor,
            now=timezone.now(),
        )
        return Response({"aggregate": MADE.show(made, request.microversion)})


class AggregateView(_AggregateView):
    """One aggregate."""

    @documented("Show an aggregate.", responses={200: wrapped("aggregate", AGGREGATE)})
    def get(self, request: WireRequest, aggregate_id: str) -> Response:
        """Answer with it."""
        return self.answer(request, self.find(request, aggregate_id, "show"))

    @documented(
        "Rename an aggregate, or give it another zone.",
        request=UPDATE,
        responses={200: wrapped("aggregate", AGGREGATE)},
    )
    def put(self, request: WireRequest, aggregate_id: str) -> Response:
        """Change it and answer with it."""
        wanted = UPDATE.check(request.data)["aggregate"]
        aggregate = self.find(request, aggregate_id, "update")
        zone = (wanted["availability_zone"] or "") if "availability_zone" in wanted else None
        change = AggregateChange(
            name=wanted["name"].strip() if "name" in wanted else None, zone=zone
        )
        changed = update_aggregate(
            aggregate=aggregate, change=change, actor=request.actor, now=timezone.now()
        )
        return self.answer(request, changed)

    @documented("Delete an aggregate.", responses={200: None})
    def delete(self, request: WireRequest, aggregate_id: str) -> Response:
        """Forget it."""
        aggregate = self.find(request, aggregate_id, "delete")
        delete_aggregate(aggregate=aggregate, actor=request.actor)
        return Response(status=200)


class AggregateActionView(_AggregateView):
    """The hosts of an aggregate, and its metadata."""

    @documented(
        "Add or remove a host, or change the metadata.",
        request={"oneOf": [schema.schema for schema in ACTIONS.values()]},
        responses={200: wrapped("aggregate", AGGREGATE)},
    )
    def post(self, request: WireRequest, aggregate_id: str) -> Response:
        """Do the one action in the body and answer with the aggregate."""
        name = _action_name(request.data)
        wanted = ACTIONS[name].check(request.data)[name]
        aggregate = self.find(request, aggregate_id, name)
        changed = _DO[name](aggregate=aggregate, **wanted, actor=request.actor, now=timezone.now())
        return self.answer(request, changed)


_DO: dict[str, Callable[..., Aggregate]] = {
    "add_host": add_host,
    "remove_host": remove_host,
    "set_metadata": set_metadata,
}


def _action_name(body: Any) -> str:
    if not isinstance(body, dict) or len(body) != 1:
        raise Invalid("Malformed request body")
    name = next(iter(body))
    if name not in ACTIONS:
        raise Invalid(f"There is no such action: {name}")
    return str(name)
