"""Messages over HTTP: why something did not become of a volume or snapshot."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from volumes.api import shapes
from volumes.api.filters import Filters
from volumes.api.views import Listing, VolumeView, actor_of, instant, wants_all
from volumes.messages import KEPT_FOR, delete_message, find_message, visible_messages
from volumes.models import Message

FILTERS = Filters(
    texts={"event_id": "event_id", "resource_type": "resource_type", "request_id": "request_id"},
    ids={"resource_uuid": "resource_id"},
    absent={"message_level": "error"},
)
LISTING = Listing(
    "messages",
    {"id": "id", "event_id": "event_id", "resource_type": "resource_type",
     "resource_uuid": "resource_id", "request_id": "request_id", "created_at": "created_at"},
)  # fmt: skip


def message_body(view: VolumeView, message: Message) -> dict[str, Any]:
    """A message; it is forgotten after the time that it says."""
    return {
        "id": str(message.pk),
        "event_id": message.event_id,
        "user_message": message.text,
        "message_level": "ERROR",
        "resource_type": message.resource_type,
        "resource_uuid": str(message.resource_id),
        "request_id": message.request_id,
        "created_at": instant(message.created_at),
        "guaranteed_until": instant(message.created_at + KEPT_FOR),
        "links": view.links("messages", str(message.pk)),
    }


class Messages(VolumeView):
    """All messages of a project."""

    @documented(
        "List messages.",
        query=shapes.asked("all_tenants", "all_projects", *FILTERS.names),
        responses={200: shapes.page("messages", shapes.MESSAGE)},
    )
    def get(self, request: Request) -> Response:
        """A page of them."""
        everything = wants_all(request.query_params)
        rows = visible_messages(actor_of(request), all_projects=everything)
        rows = FILTERS.applied(rows, request)
        return Response(LISTING.body(self, request, rows, lambda row: message_body(self, row)))


class OneMessage(VolumeView):
    """One message."""

    @documented("Show a message.", responses={200: shapes.one("message", shapes.MESSAGE)})
    def get(self, request: Request, message_id: str) -> Response:
        """All of it."""
        message = find_message(actor=actor_of(request), message_id=message_id)
        return Response({"message": message_body(self, message)})

    @documented("Forget a message.", responses={204: None})
    def delete(self, request: Request, message_id: str) -> Response:
        """Forget it."""
        actor = actor_of(request)
        message = find_message(actor=actor, message_id=message_id, rule="message:delete")
        delete_message(message=message, actor=actor)
        return Response(status=204)
