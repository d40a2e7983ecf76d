"""`/v3/projects/{id}/cloudportal:contents`: what a project owns, and its removal with all of it.

An extension of the identity API, for administrators.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api import paging
from cloudportal.api.openapi import documented
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
from cloudportal.api.views import WireView
from cloudportal.errors import Invalid
from identity.actors import Actor
from maintenance.belongings import labelled
from maintenance.remove_project import FIRST, belongings_of, contents_of, remove_project
from maintenance.view import contents_shown, thing_shown

MOST_FIRST = 100
NOTHING = BodySchema(closed({}))
LIMIT = QuerySchema({"limit": NON_NEGATIVE_TEXT}, closed=True, single={"limit"})
PAGE = QuerySchema(
    {"limit": NON_NEGATIVE_TEXT, "marker": {"type": "string", "minLength": 1}},
    closed=True,
    single={"limit", "marker"},
)
_THING = record({"id": STRING, "name": nullable(STRING)})
_SOME = {"kind": STRING, "count": INTEGER, "first": array(_THING)}
_LINK = {"links": record({"self": STRING})}
_REMOVAL = record(
    {
        "id": STRING,
        "state": STRING,
        "note": STRING,
        "request_id": nullable(STRING),
        "started_at": nullable(STRING),
        "finished_at": nullable(STRING),
    }
)
CONTENTS = record(
    {
        "contents": record(
            {
                "project": record(
                    {"id": STRING, "name": STRING, "domain_id": STRING, "enabled": BOOLEAN}
                ),
                "owned": array(record({**_SOME, **_LINK})),
                "in_the_way": array(record({**_SOME, "reason": STRING})),
                "is_removable": BOOLEAN,
                "removal": nullable(_REMOVAL),
                **_LINK,
            }
        )
    }
)
# Under the name of the kind.
BELONGINGS = {
    **record(
        {"links": record({"self": STRING, "previous": NULL, "next": nullable(STRING)})},
    ),
    "additionalProperties": array(_THING),
}


class _ProjectView(WireView):
    service = "identity"

    @property
    def actor(self) -> Actor:
        """Who asks."""
        found: Any = self.request.user
        return found  # type: ignore[no-any-return]  # the framework's types know users only

    def address(self, project_id: str, *parts: str) -> str:
        """The public address of a project's contents."""
        path = f"v3/projects/{project_id}/cloudportal:contents"
        return "/".join([f"{settings.PUBLIC_URL}/identity/{path}", *parts])


class ProjectContents(_ProjectView):
    """What a project owns."""

    @documented("Show what a project owns.", query=LIMIT, responses={200: CONTENTS})
    def get(self, request: Request, scope_id: str) -> Response:
        """By kind, in the order of removal, with the first `limit` of each (10)."""
        query = LIMIT.check(request.query_params)
        first = paging.parse_limit(query, MOST_FIRST) if query.get("limit") else FIRST
        return self._contents(scope_id, first)

    @documented(
        "Remove a project with all that it owns.", request=NOTHING, responses={202: CONTENTS}
    )
    def post(self, request: Request, scope_id: str) -> Response:
        """Remove the project with all that it owns; 202."""
        NOTHING.check(request.data or {})
        remove_project(project_id=scope_id, actor=self.actor, now=timezone.now())
        response = self._contents(scope_id, FIRST)
        response.status_code = status.HTTP_202_ACCEPTED
        return response

    def _contents(self, project_id: str, first: int) -> Response:
        contents = contents_of(project_id=project_id, actor=self.actor, first=first)
        address = self.address(project_id)
        return Response({"contents": contents_shown(contents, address)})


class ProjectBelongings(_ProjectView):
    """Everything of one kind that a project owns."""

    @documented(
        "List everything of one kind that a project owns.",
        query=PAGE,
        responses={200: BELONGINGS},
    )
    def get(self, request: Request, scope_id: str, kind: str) -> Response:
        """By id; `limit` and `marker` make pages."""
        query = PAGE.check(request.query_params)
        belonging, rows = belongings_of(project_id=scope_id, kind=kind, actor=self.actor)
        limit = paging.parse_limit(query)
        rows = rows.order_by("pk")
        if query.get("marker"):
            rows = rows.filter(pk__gt=self._marker(rows, str(query["marker"])))
        found = labelled(belonging, rows[:limit])
        links: dict[str, str | None] = {
            "self": f"{settings.PUBLIC_URL}{request.get_full_path()}",
            "previous": None,
            "next": None,
        }
        if found and len(found) == limit:
            url = self.address(scope_id, kind)
            links["next"] = paging.next_link(url, request.query_params, found[-1][0])
        return Response({kind: [thing_shown(each) for each in found], "links": links})

    @staticmethod
    def _marker(rows: Any, text: str) -> Any:
        try:
            key = rows.model._meta.pk.to_python(text)
            is_there = rows.filter(pk=key).exists()
        except (ValueError, OverflowError, ValidationError):
            is_there = False
        if not is_there:
            raise Invalid(f"Marker {text} could not be found.")
        return key
