"""`/os-migrations` and `/servers/{id}/migrations`: servers do not move yet, so there are none."""

from __future__ import annotations

from rest_framework.response import Response

from cloudportal.api.microversions import Versioned, available
from cloudportal.api.openapi import documented, listed, wrapped
from cloudportal.api.paging import parse_limit
from cloudportal.api.query import ANY, NON_NEGATIVE_TEXT, QuerySchema
from cloudportal.api.representation import INTEGER, LINKS, STRING, nullable, record
from cloudportal.api.validation import BodySchema, closed
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid, NotFound
from identity import policy
from servers.api.list_query import read_instant
from servers.errors import InvalidState
from servers.find import find_server
from servers.models import Server

_LIST = "os_compute_api:os-migrations:index"
_ONE = "os_compute_api:servers:migrations"
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
_PLACES = ("source_compute", "source_node", "dest_compute", "dest_host", "dest_node")
_MIGRATION = {
    "id": INTEGER,
    "status": STRING,
    **dict.fromkeys((*_PLACES, "created_at", "updated_at"), nullable(STRING)),
}
_ANY = {
    **_MIGRATION,
    "instance_uuid": STRING,
    **dict.fromkeys(("old_instance_type_id", "new_instance_type_id"), INTEGER),
}
_LIVE = {
    **_MIGRATION,
    "server_uuid": STRING,
    **{
        f"{kind}_{part}_bytes": nullable(INTEGER)
        for kind in ("memory", "disk")
        for part in ("total", "processed", "remaining")
    },
}
_TYPED = {**_ANY, "migration_type": STRING}
_UUID = {"uuid": STRING}
_OWNER = dict.fromkeys(("user_id", "project_id"), STRING)
_LINKS = {"links": LINKS}
MIGRATION = Versioned(
    {
        "2.1": record(_ANY),
        "2.23": record(_TYPED, _LINKS),
        "2.59": record({**_TYPED, **_UUID}, _LINKS),
        "2.80": record({**_TYPED, **_UUID, **_OWNER}, _LINKS),
    }
)
LIVE_MIGRATION = Versioned(
    {
        "2.1": record(_LIVE),
        "2.59": record({**_LIVE, **_UUID}),
        "2.80": record({**_LIVE, **_UUID, **_OWNER}),
    }
)
FORCE_COMPLETE = BodySchema(closed({"force_complete": {"type": "null"}}, ["force_complete"]))


class Migrations(ComputeView):
    """Migrations of all servers."""

    @documented("List migrations.", query=QUERY, responses={200: listed("migrations", MIGRATION)})
    def get(self, request: WireRequest) -> Response:
        """An empty list, once the query has been checked."""
        query = request.query
        project_id = query.get("project_id")
        is_own = project_id is not None and project_id == request.actor.project_id
        policy.require(
            request.actor, _LIST if is_own else f"{_LIST}:all_projects", project_id=project_id
        )
        since, before = (read_instant(query, key) for key in ("changes-since", "changes-before"))
        if since and before and since > before:
            raise Invalid(
                "The value of changes-since must be less than or equal to changes-before."
            )
        parse_limit(query)
        if query.get("marker"):
            raise Invalid(f"Marker {query['marker']} could not be found.")
        return Response({"migrations": []})


class ServerMigrations(ComputeView):
    """Live migrations of one server that are under way."""

    @available("2.23")
    @documented(
        "List live migrations under way.",
        responses={200: listed("migrations", LIVE_MIGRATION, links=None)},
    )
    def get(self, request: WireRequest, server_id: str) -> Response:
        """There are none."""
        find_server(actor=request.actor, server_id=server_id, rule=f"{_ONE}:index")
        return Response({"migrations": []})


class ServerMigration(ComputeView):
    """One live migration."""

    @available("2.23")
    @documented(
        "Show a live migration under way.", responses={200: wrapped("migration", LIVE_MIGRATION)}
    )
    def get(self, request: WireRequest, server_id: str, migration_id: str) -> Response:
        """Not found.

        Raises:
            NotFound: always.
        """
        server = find_server(actor=request.actor, server_id=server_id, rule=f"{_ONE}:show")
        raise NotFound(
            f"In-progress live migration {migration_id} is not found for server {server.pk}."
        )

    @available("2.24")
    @documented("Abort a live migration.", responses={202: None})
    def delete(self, request: WireRequest, server_id: str, migration_id: str) -> Response:
        """Refuse.

        Raises:
            InvalidState: the server is not being migrated.
        """
        server = find_server(actor=request.actor, server_id=server_id, rule=f"{_ONE}:delete")
        raise _not_migrating(server, "abort live migration")


class ServerMigrationAction(ComputeView):
    """What can be done to one live migration."""

    @available("2.22")
    @documented(
        "Complete a live migration by force.", request=FORCE_COMPLETE, responses={202: None}
    )
    def post(self, request: WireRequest, server_id: str, migration_id: str) -> Response:
        """Refuse.

        Raises:
            InvalidState: the server is not being migrated.
        """
        FORCE_COMPLETE.check(request.data)
        rule = f"{_ONE}:force_complete"
        server = find_server(actor=request.actor, server_id=server_id, rule=rule)
        raise _not_migrating(server, "force_complete")


def _not_migrating(server: Server, action: str) -> InvalidState:
    return InvalidState(
        f"Cannot '{action}' instance {server.pk} while it is in task_state {server.task_state}"
    )
