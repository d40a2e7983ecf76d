"""`/os-hypervisors/{id}/cloudportal:drain`: empty a host by a plan, for administrators."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api import paging
from cloudportal.api.openapi import documented, listed, wrapped
from cloudportal.api.query import NON_NEGATIVE_TEXT, QuerySchema
from cloudportal.api.representation import (
    BOOLEAN,
    INTEGER,
    NULL,
    STRING,
    array,
    nullable,
    record,
)
from cloudportal.api.validation import BodySchema, closed
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid
from hypervisors.find import host_by_uuid
from identity import policy
from maintenance.drain import CHANGE, CHANGES, SHOW, DrainWish, newest_drain, plan_drain
from maintenance.models import MAX_AT_ONCE, Drain
from maintenance.states import DrainState, ItemState, Way
from maintenance.view import drain_shown, item_shown
from servers.listing import as_uuid

_WISH: dict[str, Any] = {
    "max_at_once": {"type": "integer", "minimum": 1, "maximum": MAX_AT_ONCE},
    "moves_stopped": {"type": "boolean"},
}
ASKED = BodySchema(
    closed(
        {
            "plan": nullable(closed(_WISH)),
            **dict.fromkeys(CHANGES, NULL),
        },
        minProperties=1,
        maxProperties=1,
    )
)
PAGE = QuerySchema(
    {"limit": NON_NEGATIVE_TEXT, "marker": {"type": "string", "format": "uuid"}},
    closed=True,
    single={"limit", "marker"},
)
DRAIN = record(
    {
        "id": INTEGER,
        "hypervisor_id": STRING,
        **dict.fromkeys(("hypervisor_hostname", "host"), STRING),
        "state": {"enum": DrainState.values},
        "max_at_once": INTEGER,
        "moves_stopped": BOOLEAN,
        "user_id": nullable(STRING),
        "note": STRING,
        "servers": record(dict.fromkeys(ItemState.values, INTEGER)),
        "log": array(record(dict.fromkeys(("at", "user", "did"), STRING))),
        **dict.fromkeys(("planned_at", "started_at", "ended_at"), nullable(STRING)),
    }
)
ITEM = record(
    {
        **dict.fromkeys(("id", "name", "project_id", "status"), STRING),
        "way": {"enum": Way.values},
        "state": {"enum": ItemState.values},
        "destination": nullable(STRING),
        "is_checked": BOOLEAN,
        "reason": STRING,
        "tries": INTEGER,
        "migration_id": nullable(INTEGER),
        "request_id": nullable(STRING),
        "updated_at": nullable(STRING),
    }
)


class HostDrain(ComputeView):
    """The host's plan."""

    @documented("Show the plan to drain a hypervisor.", responses={200: wrapped("drain", DRAIN)})
    def get(self, request: WireRequest, hypervisor_id: str) -> Response:
        """Answer with the newest one."""
        policy.require(request.actor, SHOW)
        return _answer(newest_drain(hypervisor=host_by_uuid(hypervisor_id), actor=request.actor))

    @documented(
        "Plan to drain a hypervisor, or start, pause, resume or cancel that.",
        request=ASKED,
        responses={200: wrapped("drain", DRAIN)},
    )
    def post(self, request: WireRequest, hypervisor_id: str) -> Response:
        """Do what the one key says; answer with the plan."""
        [(asked, value)] = ASKED.check(request.data).items()
        policy.require(request.actor, CHANGE)
        who: dict[str, Any] = {
            "hypervisor": host_by_uuid(hypervisor_id),
            "actor": request.actor,
            "now": timezone.now(),
        }
        if asked == "plan":
            return _answer(plan_drain(wish=DrainWish(**(value or {})), **who))
        return _answer(CHANGES[asked](**who))


class DrainServers(ComputeView):
    """The servers of the host's plan, in its order."""

    @documented(
        "List the servers of the plan to drain a hypervisor.",
        query=PAGE,
        responses={200: listed("servers", ITEM)},
    )
    def get(self, request: WireRequest, hypervisor_id: str) -> Response:
        """Answer with a page."""
        policy.require(request.actor, SHOW)
        drain = newest_drain(hypervisor=host_by_uuid(hypervisor_id), actor=request.actor)
        marker = None
        if request.query.get("marker"):
            wanted = as_uuid(str(request.query["marker"]))
            marker = drain.items.filter(server=wanted).first() if wanted else None
            if marker is None:
                raise Invalid(f"Marker {request.query['marker']} could not be found.")
        limit = paging.parse_limit(request.query)
        order = [paging.SortKey("position"), paging.SortKey("pk")]
        rows = paging.after(drain.items.select_related("server"), order, marker, limit)
        body: dict[str, Any] = {"servers": [item_shown(each) for each in rows]}
        if rows and len(rows) == limit:
            path = ("os-hypervisors", hypervisor_id, "cloudportal:drain", "servers")
            href = paging.next_link(self.link(*path), request.query_params, str(rows[-1].server_id))
            body["servers_links"] = [{"rel": "next", "href": href}]
        return Response(body)


def _answer(drain: Drain) -> Response:
    return Response({"drain": drain_shown(drain)})
