"""`POST /os-server-external-events`: other services tell what happened to servers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.microversions import Versioned
from cloudportal.api.openapi import documented
from cloudportal.api.representation import INTEGER, STRING, array, nullable, record
from cloudportal.api.validation import BodySchema, closed
from cloudportal.api.views import ComputeView, WireRequest
from servers.external_events import DONE, ExternalEvent, take_events

_NETWORK = [
    "network-changed",
    "network-vif-plugged",
    "network-vif-unplugged",
    "network-vif-deleted",
]


def _body(*names: str) -> BodySchema:
    event = closed(
        {
            "name": {"enum": [*_NETWORK, *names]},
            "server_uuid": {"type": "string", "format": "uuid"},
            "status": {"enum": ["failed", "completed", "in-progress"]},
            "tag": {"type": "string", "maxLength": 255},
        },
        ["server_uuid", "name"],
    )
    events = {"type": "array", "minItems": 1, "items": event}
    return BodySchema(closed({"events": events}, ["events"]))


_VOLUME, _POWER, _ACCELERATOR = "volume-extended", "power-update", "accelerator-request-bound"
BODY = Versioned(
    {
        "2.1": _body(),
        "2.51": _body(_VOLUME),
        "2.76": _body(_VOLUME, _POWER),
        "2.82": _body(_VOLUME, _POWER, _ACCELERATOR),
        "2.93": _body(_VOLUME, _POWER, _ACCELERATOR, "volume-reimaged"),
    }
)
EVENTS = record(
    {
        "events": array(
            record(
                {**dict.fromkeys(("name", "server_uuid", "status"), STRING), "code": INTEGER},
                {"tag": nullable(STRING)},
            )
        )
    }
)


class ExternalEvents(ComputeView):
    """Events of servers."""

    @documented("Tell of events of servers.", request=BODY, responses={200: EVENTS, 207: EVENTS})
    def post(self, request: WireRequest) -> Response:
        """Take each; 207 when one of them could not be taken."""
        sent: list[dict[str, Any]] = BODY.at(request.microversion).check(request.data)["events"]
        events = [
            ExternalEvent(each["name"], UUID(each["server_uuid"]), each.get("tag")) for each in sent
        ]
        codes = take_events(events=events, actor=request.actor, now=timezone.now())
        answers = [_answer(*pair) for pair in zip(sent, codes, strict=True)]
        is_all_done = all(code == DONE for code in codes)
        return Response({"events": answers}, status=200 if is_all_done else 207)


def _answer(sent: dict[str, Any], code: int) -> dict[str, Any]:
    status = sent.get("status", "completed") if code == DONE else "failed"
    return {**sent, "status": status, "code": code}
