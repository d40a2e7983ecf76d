"""Attachments as the volume service sees them: made by the compute service, or held by hand."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.microversions import available
from cloudportal.api.openapi import documented
from cloudportal.api.validation import BodySchema, closed
from volumes.api import shapes
from volumes.api.representation import attachment_body
from volumes.api.views import Listing, VolumeView, actor_of, inner, wants_all
from volumes.find import as_uuid, find_attachment, find_volume, visible_attachments
from volumes.models import Attachment
from volumes.reserve import (
    complete_by_hand,
    connect_by_hand,
    release_by_hand,
    reserve_by_hand,
)

# Who attaches: clients say more than is kept.
_CONNECTOR: dict[str, Any] = {"type": ["object", "null"], "maxProperties": 32}
CREATE = inner(
    "attachment",
    {
        "volume_uuid": {"type": "string", "format": "uuid"},
        "instance_uuid": {"type": ["string", "null"], "format": "uuid"},
        "mode": {"enum": ["rw", "ro"]},
        "connector": _CONNECTOR,
    },
    ("volume_uuid",),
)
UPDATE = inner("attachment", {"connector": {**_CONNECTOR, "type": "object"}}, ("connector",))
ACTION = BodySchema(
    closed({"os-complete": {"type": ["object", "null"], "maxProperties": 0}}, ["os-complete"])
)
LISTING = Listing("attachments", {"id": "id", "created_at": "created_at", "status": "status"})
_QUERY = shapes.asked("all_tenants", "all_projects", "volume_id", "instance_id", "status")


def _page(view: VolumeView, request: Request, *, detailed: bool) -> Response:
    everything = wants_all(request.query_params)
    rows = visible_attachments(actor_of(request), all_projects=everything)

    def show(row: Any) -> dict[str, Any]:
        return attachment_body(row, actor=actor_of(request), detailed=detailed)

    return Response(LISTING.body(view, request, _filtered(rows, request), show))


class Attachments(VolumeView):
    """All attachments of a project's volumes."""

    @available("3.27")
    @documented(
        "List attachments.",
        query=_QUERY,
        responses={200: shapes.page("attachments", shapes.SHORT_ATTACHMENT)},
    )
    def get(self, request: Request) -> Response:
        """A page of them."""
        return _page(self, request, detailed=False)

    @available("3.27")
    @documented(
        "Hold a volume by hand.",
        request=CREATE,
        responses={200: shapes.one("attachment", shapes.ATTACHMENT)},
    )
    def post(self, request: Request) -> Response:
        """Hold a volume by hand, until the attachment is deleted."""
        body = CREATE.check(request.data)["attachment"]
        volume = find_volume(actor=actor_of(request), volume_id=body["volume_uuid"])
        attachment = reserve_by_hand(
            volume=volume,
            server_id=as_uuid(body.get("instance_uuid")),
            mode=body.get("mode", "rw"),
            connector=body.get("connector"),
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response({"attachment": attachment_body(attachment, actor=actor_of(request))})


class AttachmentsDetail(VolumeView):
    """The same with all that is known of each."""

    @available("3.27")
    @documented(
        "List attachments with details.",
        query=_QUERY,
        responses={200: shapes.page("attachments", shapes.ATTACHMENT)},
    )
    def get(self, request: Request) -> Response:
        """A page of them."""
        return _page(self, request, detailed=True)


class OneAttachment(VolumeView):
    """One attachment."""

    @available("3.27")
    @documented("Show an attachment.", responses={200: shapes.one("attachment", shapes.ATTACHMENT)})
    def get(self, request: Request, attachment_id: str) -> Response:
        """All that is known of it."""
        attachment = find_attachment(actor=actor_of(request), attachment_id=attachment_id)
        return Response({"attachment": attachment_body(attachment, actor=actor_of(request))})

    @available("3.27")
    @documented(
        "Say who is about to attach a volume that is held by hand.",
        request=UPDATE,
        responses={200: shapes.one("attachment", shapes.ATTACHMENT)},
    )
    def put(self, request: Request, attachment_id: str) -> Response:
        """Say who is about to attach what is held by hand."""
        actor = actor_of(request)
        attachment = find_attachment(actor=actor, attachment_id=attachment_id)
        connector = UPDATE.check(request.data)["attachment"]["connector"]
        connect_by_hand(attachment=attachment, connector=connector, actor=actor)
        return self.get(request, attachment_id)

    @available("3.27")
    @documented("Let go a volume that is held by hand.", responses={200: shapes.NO_ATTACHMENTS})
    def delete(self, request: Request, attachment_id: str) -> Response:
        """Let go what is held by hand."""
        actor = actor_of(request)
        attachment = find_attachment(actor=actor, attachment_id=attachment_id)
        release_by_hand(attachment=attachment, actor=actor)
        return Response({"attachments": []})


class AttachmentActions(VolumeView):
    """What is done to an attachment."""

    @documented(
        "Say that a volume that is held by hand is attached.", request=ACTION, responses={204: None}
    )
    def post(self, request: Request, attachment_id: str) -> Response:
        """Say that what is held by hand is attached."""
        actor = actor_of(request)
        attachment = find_attachment(actor=actor, attachment_id=attachment_id)
        ACTION.check(request.data)
        complete_by_hand(attachment=attachment, actor=actor, now=timezone.now())
        return Response(status=204)


def _filtered(rows: QuerySet[Attachment], request: Request) -> QuerySet[Attachment]:
    for key, column in {"volume_id": "volume_id", "instance_id": "server_id"}.items():
        if key in request.query_params:
            wanted = as_uuid(request.query_params[key])
            rows = rows.filter(**{column: wanted}) if wanted else rows.none()
    if "status" in request.query_params:
        rows = rows.filter(status=request.query_params["status"])
    return rows
