"""What was done to a server: actions, and the events that each was made of."""

from __future__ import annotations

import hashlib
from typing import Any

from django.db.models import QuerySet
from rest_framework.response import Response

from cloudportal.api.microversions import Microversion, Versioned
from cloudportal.api.openapi import documented, listed, merged, wrapped
from cloudportal.api.paging import SortKey, after, next_link, parse_limit
from cloudportal.api.query import ANY, NON_NEGATIVE_TEXT, QuerySchema
from cloudportal.api.representation import STRING, array, nullable, record
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid, NotFound
from identity import policy
from servers.api.list_query import read_instant
from servers.api.readings import precise_instant
from servers.find import find_server
from servers.models import Server, ServerAction, ServerEvent

OF_DELETED = Microversion(2, 21)
EVENTS_FOR_ALL = Microversion(2, 51)
PAGED = Microversion(2, 58)
WITH_HOST = Microversion(2, 62)
WITH_DETAILS = Microversion(2, 84)
_PAGE = {"limit": NON_NEGATIVE_TEXT, "marker": ANY, "changes-since": ANY}
_PAGE_2_66 = {**_PAGE, "changes-before": ANY}
LIST = Versioned(
    {
        "2.1": QuerySchema({}),
        "2.58": QuerySchema(_PAGE, closed=True, single=set(_PAGE)),
        "2.66": QuerySchema(_PAGE_2_66, closed=True, single=set(_PAGE_2_66)),
    }
)
_MAYBE = nullable(STRING)
_2_1 = {
    **dict.fromkeys(("action", "instance_uuid", "request_id", "start_time"), STRING),
    **dict.fromkeys(("user_id", "project_id", "message"), _MAYBE),
}
_2_58 = {**_2_1, "updated_at": _MAYBE}
ACTION = Versioned({"2.1": record(_2_1), "2.58": record(_2_58)})
_EVENT_2_1 = dict.fromkeys(("event", "start_time", "finish_time", "result"), _MAYBE)
_TRACEBACK = {"traceback": _MAYBE}
_EVENT_2_62 = {**_EVENT_2_1, "hostId": STRING}
# What only administrators see is optional, and until 2.50 only they see events at all.
WHOLE_ACTION = merged(
    ACTION,
    Versioned(
        {
            "2.1": record({}, {"events": array(record({**_EVENT_2_1, **_TRACEBACK}))}),
            "2.51": record({"events": array(record(_EVENT_2_1, _TRACEBACK))}),
            "2.62": record({"events": array(record(_EVENT_2_62, {**_TRACEBACK, "host": _MAYBE}))}),
            "2.84": record(
                {
                    "events": array(
                        record(_EVENT_2_62, {**_TRACEBACK, "host": _MAYBE, "details": _MAYBE})
                    )
                }
            ),
        }
    ),
)


class InstanceActions(ComputeView):
    """The actions on a server."""

    @documented(
        "List actions.",
        query=LIST,
        responses={200: listed("instanceActions", ACTION, links="links")},
    )
    def get(self, request: WireRequest, server_id: str) -> Response:
        """The actions, newest first."""
        query = request.query
        server = _server(request, server_id, "os_compute_api:os-instance-actions:list")
        actions = ServerAction.objects.filter(server_id=server.pk)
        since, before = (read_instant(query, key) for key in ("changes-since", "changes-before"))
        if since and before and since > before:
            raise Invalid(
                "The value of changes-since must be less than or equal to changes-before."
            )
        if since is not None:
            actions = actions.filter(updated_at__gte=since)
        if before is not None:
            actions = actions.filter(updated_at__lte=before)
        limit = parse_limit(query)
        order = [SortKey("started_at", descending=True), SortKey("id", descending=True)]
        rows = after(actions, order, _marker(actions, query.get("marker")), limit)
        body: dict[str, Any] = {
            "instanceActions": [_action(row, request.microversion) for row in rows]
        }
        if request.microversion >= PAGED and rows and len(rows) == limit:
            address = self.link("servers", str(server.pk), "os-instance-actions")
            href = next_link(address, request.GET, rows[-1].request_id)
            body["links"] = [{"rel": "next", "href": href}]
        return Response(body)


class OneInstanceAction(ComputeView):
    """One action with its events."""

    @documented("Show an action.", responses={200: wrapped("instanceAction", WHOLE_ACTION)})
    def get(self, request: WireRequest, server_id: str, request_id: str) -> Response:
        """The action that a request asked for."""
        server = _server(request, server_id, "os_compute_api:os-instance-actions:show")
        action = ServerAction.objects.filter(server_id=server.pk, request_id=request_id).first()
        if action is None:
            raise NotFound(f"Action {request_id} not found")
        version = request.microversion
        body = _action(action, version)
        for_admin = policy.allows(request.actor, "os_compute_api:os-instance-actions:events")
        if for_admin or version >= EVENTS_FOR_ALL:
            body["events"] = [
                _event(event, server, version, for_admin=for_admin) for event in action.events.all()
            ]
        return Response({"instanceAction": body})


def _server(request: WireRequest, server_id: str, rule: str) -> Server:
    deleted = request.microversion >= OF_DELETED
    return find_server(actor=request.actor, server_id=server_id, rule=rule, deleted=deleted)


def _marker(actions: QuerySet[ServerAction], text: str | None) -> ServerAction | None:
    if not text:
        return None
    marker = actions.filter(request_id=text).first()
    if marker is None:
        raise Invalid(f"marker [{text}] not found")
    return marker


def _action(row: ServerAction, version: Microversion) -> dict[str, Any]:
    body = {
        "action": row.action,
        "instance_uuid": str(row.server_id),
        "request_id": row.request_id,
        # Neither, where the portal itself acted.
        "user_id": row.user_id or None,
        "project_id": row.project_id or None,
        "start_time": precise_instant(row.started_at),
        "message": row.message or None,
    }
    if version >= PAGED:
        body["updated_at"] = precise_instant(row.updated_at)
    return body


def _event(
    event: ServerEvent, server: Server, version: Microversion, *, for_admin: bool
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "event": event.event,
        "start_time": precise_instant(event.started_at),
        "finish_time": precise_instant(event.finished_at),
        "result": event.result or None,
    }
    if for_admin:
        body["traceback"] = event.details or None
    if version >= WITH_HOST:
        text = server.project_id + event.host
        body["hostId"] = hashlib.sha224(text.encode()).hexdigest() if event.host else ""
        if for_admin:
            body["host"] = event.host or None
    if version >= WITH_DETAILS and for_admin:
        body["details"] = event.details or None
    return body
