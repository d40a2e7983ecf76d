"""What the time of an action was spent on: an extension of this cloud."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.openapi import documented, wrapped
from cloudportal.api.representation import STRING, array, nullable, record
from cloudportal.api.views import ComputeView, WireRequest
from identity import policy
from operations.timeline import Span
from servers.api.readings import precise_instant
from servers.find import find_server
from servers.timeline import RULE, timeline_of

_EVENTS = "os_compute_api:os-instance-actions:events"
_MAYBE = nullable(STRING)
_NUMBER = {"type": "number"}
TIMELINE = record(
    {
        **dict.fromkeys(("action", "request_id", "start_time"), STRING),
        "finish_time": _MAYBE,
        **dict.fromkeys(("duration", "accounted"), _NUMBER),
        "spans": array(
            record(
                {
                    **dict.fromkeys(("kind", "operation", "start_time"), STRING),
                    **dict.fromkeys(("step", "finish_time", "result"), _MAYBE),
                    "duration": _NUMBER,
                },
                {"message": _MAYBE},
            )
        ),
    }
)


class ActionTimeline(ComputeView):
    """The steps of one action with their times."""

    @documented("Show an action's timeline.", responses={200: wrapped("timeline", TIMELINE)})
    def get(self, request: WireRequest, server_id: str, request_id: str) -> Response:
        """All that the action did and waited for, in order, in seconds."""
        server = find_server(actor=request.actor, server_id=server_id, rule=RULE, deleted=True)
        now = timezone.now()
        found = timeline_of(server, request_id, now=now)
        for_admin = policy.allows(request.actor, _EVENTS)
        shown = []
        for span in found.spans:
            shown.append(body := _span(span))
            body["duration"] = round(span.duration_s(now), 6)
            if for_admin:
                body["message"] = span.message or None
        return Response(
            {
                "timeline": {
                    "action": found.action.action,
                    "request_id": found.action.request_id,
                    "start_time": precise_instant(found.action.started_at),
                    "finish_time": precise_instant(found.finished_at),
                    "duration": round(found.duration_s, 6),
                    "accounted": round(found.accounted, 4),
                    "spans": shown,
                }
            }
        )


def _span(span: Span) -> dict[str, Any]:
    return {
        "kind": span.kind.value,
        "operation": span.operation,
        "step": span.step or None,
        "start_time": precise_instant(span.started_at),
        "finish_time": precise_instant(span.finished_at),
        "result": span.result or None,
    }
