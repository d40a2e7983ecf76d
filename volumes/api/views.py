"""The base of the volume API's views, and what bodies and queries of all of them share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, cast

from django.conf import settings
from django.db.models import Model, QuerySet, Value
from django.db.models.functions import Coalesce
from django.http import QueryDict
from rest_framework.request import Request

from cloudportal.api.microversions import Microversion, VersionRange
from cloudportal.api.paging import SortKey, after, next_link, parse_limit
from cloudportal.api.validation import BodySchema, closed
from cloudportal.api.views import VOLUME, WireRequest, WireView
from cloudportal.errors import Invalid, NotFound
from identity.actors import Actor
from volumes.find import as_uuid

MAX_LIMIT = 1000
# Names may be null; this is their order.
NAME_COLUMN = "sorted_name"
NAME: dict[str, Any] = {"type": ["string", "null"], "maxLength": 255}
DESCRIPTION: dict[str, Any] = {"type": ["string", "null"], "maxLength": 255}
METADATA: dict[str, Any] = {
    "type": "object",
    "propertyNames": {"minLength": 1, "maxLength": 255},
    "additionalProperties": {"type": ["string", "null"], "maxLength": 255},
}
SIZE: dict[str, Any] = {
    "type": ["integer", "string"],
    "pattern": r"^0*[1-9][0-9]*\Z",
    "minimum": 1,
    "maximum": 2**31 - 1,
    "maxLength": 9,
}


class VolumeView(WireView):
    """A view of the volume API."""

    service: ClassVar[str] = "volume"
    versions: ClassVar[VersionRange | None] = VOLUME
    # The microversion that the address is there from, if it is a later one.
    since = ""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse an address that the microversion does not have.

        Raises:
            NotFound: it came later.
        """
        super().initial(request, *args, **kwargs)
        if self.since and not is_at(request, self.since):
            raise NotFound("The resource could not be found.")

    def link(self, *parts: str) -> str:
        """A versioned address, with the project in it only if the request had it."""
        project = [self.url_project_id] if self.url_project_id else []
        return "/".join([f"{settings.PUBLIC_URL}/volume/v3", *project, *parts])

    def links(self, *parts: str) -> list[dict[str, str]]:
        """The `links` of a resource."""
        bookmark = "/".join([f"{settings.PUBLIC_URL}/volume", *parts])
        return [{"rel": "self", "href": self.link(*parts)}, {"rel": "bookmark", "href": bookmark}]


def actor_of(request: Request) -> Actor:
    """Who asks."""
    return cast(WireRequest, request).actor


def is_at(request: Request, version: str) -> bool:
    """Whether the request speaks this microversion or a later one."""
    return cast(WireRequest, request).microversion >= Microversion.parse(version)


def instant(moment: datetime | None) -> str | None:
    """A time in the volume service's form, without a zone."""
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%f")


def inner(key: str, properties: dict[str, Any], required: tuple[str, ...] = ()) -> BodySchema:
    """The schema of `{key: {…}}` that refuses what it does not know."""
    return BodySchema(closed({key: closed(properties, required)}, [key]))


def loose(key: str, properties: dict[str, Any], required: tuple[str, ...] = ()) -> BodySchema:
    """The schema of `{key: {…}}` that lets pass what it does not know, as older clients expect."""
    one = {"type": "object", "properties": properties, "required": list(required)}
    body = {"type": "object", "properties": {key: one}, "required": [key]}
    return BodySchema(body)


def wants_all(query: QueryDict) -> bool:
    """Whether the things of all projects are asked for."""
    text = query.get("all_tenants", query.get("all_projects", "0"))
    return text.lower() in {"1", "true", "yes", "on"}


class Listing:
    """Pages of one kind of thing: sorted, found again by the last one, counted where asked for."""

    def __init__(self, key: str, sortable: dict[str, str]) -> None:
        self.key = key
        self.sortable = sortable

    def body(
        self,
        view: VolumeView,
        request: Request,
        rows: QuerySet[Any],
        show: Callable[[Any], dict[str, Any]],
    ) -> dict[str, Any]:
        """One page of what the query asks for, with the link to the next.

        Raises:
            Invalid: a sort key or marker that there is none of.
        """
        query = request.query_params
        limit = parse_limit(query, MAX_LIMIT)
        order = self._order(query)
        if any(key.column == NAME_COLUMN for key in order):
            # A page is found again by values that are no nulls.
            rows = rows.annotate(**{NAME_COLUMN: Coalesce("name", Value(""))})
        offset = _number(query, "offset")
        if offset:
            page = list(rows.order_by(*(key.expression for key in order))[offset : offset + limit])
        else:
            page = after(rows, order, _marker(rows, query.get("marker", "")), limit)
        body: dict[str, Any] = {self.key: [show(row) for row in page]}
        if limit and len(page) == limit:
            # The path is the request's own, below the public address.
            path = settings.PUBLIC_URL + request.path
            link = next_link(path, query, str(page[-1].pk))
            body[f"{self.key}_links"] = [{"rel": "next", "href": link}]
        if is_at(request, "3.45") and query.get("with_count", "").lower() == "true":
            body["count"] = rows.count()
        return body

    def _order(self, query: QueryDict) -> list[SortKey]:
        sort = [each.partition(":") for each in query.get("sort", "").split(",") if each]
        pairs = [(key, direction) for key, _, direction in sort]
        if not pairs and query.get("sort_key"):
            pairs = [(str(query["sort_key"]), query.get("sort_dir", "desc"))]
        order = []
        for key, direction in pairs or [("created_at", "desc")]:
            if key not in self.sortable or direction not in {"", "asc", "desc"}:
                raise Invalid(f"Invalid input received: sort {key[:64]}:{direction[:8]}")
            order.append(SortKey(self.sortable[key], direction != "asc"))
        return [*order, SortKey("id", order[-1].descending)]


def _number(query: QueryDict, name: str) -> int:
    text = query.get(name, "")
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Invalid(f"{name} param must be an integer")
    return int(text)


def _marker(rows: QuerySet[Any], marker: str) -> Model | None:
    if not marker:
        return None
    key = as_uuid(marker)
    found = rows.filter(pk=key).first() if key else None
    if found is None:
        raise Invalid(f"Marker {marker[:64]} could not be found.")
    return cast(Model, found)
