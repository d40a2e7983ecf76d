"""`/os-migrations`: the moves of all servers, those that are over too."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from rest_framework.response import Response

from cloudportal.api.microversions import Microversion, Versioned
from cloudportal.api.openapi import documented, listed
from cloudportal.api.paging import SortKey, after, next_link, parse_limit
from cloudportal.api.query import ANY, NON_NEGATIVE_TEXT, QuerySchema
from cloudportal.api.representation import (
    INTEGER,
    LINKS,
    STRING,
    Field,
    Representation,
    nullable,
)
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid
from identity import policy
from servers.api.list_query import read_instant
from servers.api.readings import precise_instant
from servers.live_migration import UNDER_WAY
from servers.models import Migration
from servers.states import MigrationType

WITH_LINKS = Microversion(2, 23)
PAGED = Microversion(2, 59)
_LIST = "os_compute_api:os-migrations:index"
_HOSTS = ("source_compute", "source_node", "dest_compute", "dest_host", "dest_node")
_FILTERS = dict.fromkeys(
    ("hidden", "host", "instance_uuid", "source_compute", "status", "migration_type"), ANY
)
_PAGED = {
    **_FILTERS,
    "limit": NON_NEGATIVE_TEXT,
    "marker": {"type": "string", "format": "uuid"},
    "changes-since": ANY,
}
_BOUNDED = {**_PAGED, "changes-before": ANY}
_OWNED = {**_BOUNDED, "user_id": ANY, "project_id": ANY}
QUERY = Versioned(
    {
        "2.1": QuerySchema(_FILTERS),
        "2.59": QuerySchema(_PAGED, closed=True, single=set(_PAGED)),
        "2.66": QuerySchema(_BOUNDED, closed=True, single=set(_BOUNDED)),
        "2.80": QuerySchema(_OWNED, closed=True, single=set(_OWNED)),
    }
)
_COLUMNS = {
    "source_compute": "source_name",
    "status": "status",
    "migration_type": "type",
    "user_id": "user_id",
    "project_id": "project_id",
}
_TRUE = {"1", "t", "true", "on", "y", "yes"}
_NEWEST_FIRST = [SortKey("created_at", descending=True), SortKey("id", descending=True)]


def _maybe(key: str, attribute: str) -> Field[Migration]:
    return Field(key, lambda migration: getattr(migration, attribute) or None, nullable(STRING))


def _flavor(key: str, attribute: str) -> Field[Migration]:
    # Of a flavor whose row was gone nobody knows the number.
    return Field(key, lambda migration: getattr(migration, attribute), nullable(INTEGER))


def _time(name: str) -> Field[Migration]:
    return Field(name, lambda each: precise_instant(getattr(each, name)), nullable(STRING))


MIGRATION = Representation[Migration](
    Field("id", lambda migration: migration.pk, INTEGER),
    Field("instance_uuid", lambda migration: str(migration.server_id), STRING),
    Field("status", lambda migration: migration.status, STRING),
    Field("migration_type", lambda migration: migration.type, STRING, since="2.23"),
    _flavor("old_instance_type_id", "old_flavor_id"),
    _flavor("new_instance_type_id", "new_flavor_id"),
    _maybe("source_compute", "source_name"),
    _maybe("source_node", "source_node"),
    _maybe("dest_compute", "destination_name"),
    _maybe("dest_host", "destination_address"),
    _maybe("dest_node", "destination_node"),
    _time("created_at"),
    _time("updated_at"),
    Field("uuid", lambda migration: str(migration.uuid), STRING, since="2.59"),
    Field("user_id", lambda migration: migration.user_id, STRING, since="2.80"),
    Field("project_id", lambda migration: migration.project_id, STRING, since="2.80"),
    # Of live ones under way.
    Field("links", lambda migration: [], LINKS, since="2.23", optional=True),
)


class Migrations(ComputeView):
    """Migrations of all servers."""

    @documented("List migrations.", query=QUERY, responses={200: listed("migrations", MIGRATION)})
    def get(self, request: WireRequest) -> Response:
        """The migrations, newest first; of one's own project, or for administrators all."""
        query = request.query
        project_id = query.get("project_id")
        is_own = project_id is not None and project_id == request.actor.project_id
        policy.require(
            request.actor, _LIST if is_own else f"{_LIST}:all_projects", project_id=project_id
        )
        found = _between(_filtered(query), query)
        limit = parse_limit(query)
        rows = after(found, _NEWEST_FIRST, _marker(query.get("marker")), limit)
        with_hosts = policy.allows(request.actor, f"{_LIST}:host")
        body: dict[str, Any] = {
            "migrations": [self._shown(row, request, with_hosts=with_hosts) for row in rows]
        }
        if request.microversion >= PAGED and rows and len(rows) == limit:
            href = next_link(self.link("os-migrations"), request.GET, str(rows[-1].uuid))
            body["migrations_links"] = [{"rel": "next", "href": href}]
        return Response(body)

    def _shown(
        self, migration: Migration, request: WireRequest, *, with_hosts: bool
    ) -> dict[str, Any]:
        version = request.microversion
        found = MIGRATION.show(migration, version)
        found.pop("links", None)
        if not with_hosts:
            found.update(dict.fromkeys(_HOSTS))
        is_live = migration.type == MigrationType.LIVE and migration.status in UNDER_WAY
        if version >= WITH_LINKS and is_live:
            path = ("servers", str(migration.server_id), "migrations", str(migration.pk))
            found["links"] = self.links(*path)
        return found


def _filtered(query: Any) -> QuerySet[Migration]:
    rows = Migration.objects.all()
    for key, column in _COLUMNS.items():
        if query.get(key):
            rows = rows.filter(**{column: query[key]})
    if query.get("hidden"):
        rows = rows.filter(is_hidden=query["hidden"].lower() in _TRUE)
    if query.get("host"):
        host = query["host"]
        rows = rows.filter(Q(source_name=host) | Q(destination_name=host))
    if query.get("instance_uuid"):
        server_id = _uuid(query["instance_uuid"])
        # What is no id is the id of no server.
        rows = rows.none() if server_id is None else rows.filter(server_id=server_id)
    return rows


def _between(rows: QuerySet[Migration], query: Any) -> QuerySet[Migration]:
    since, before = (read_instant(query, key) for key in ("changes-since", "changes-before"))
    if since and before and since > before:
        raise Invalid("The value of changes-since must be less than or equal to changes-before.")
    if since is not None:
        rows = rows.filter(updated_at__gte=since)
    if before is not None:
        rows = rows.filter(updated_at__lte=before)
    return rows


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _marker(text: str | None) -> Migration | None:
    if not text:
        return None
    marker = Migration.objects.filter(uuid=text).first()
    if marker is None:
        raise Invalid(f"Marker {text} could not be found.")
    return marker
