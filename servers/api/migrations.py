"""`/os-migrations`: the moves of all servers."""

from __future__ import annotations

from rest_framework.response import Response

from cloudportal.api.microversions import Versioned
from cloudportal.api.openapi import documented, listed
from cloudportal.api.paging import parse_limit
from cloudportal.api.query import ANY, NON_NEGATIVE_TEXT, QuerySchema
from cloudportal.api.representation import INTEGER, LINKS, STRING, nullable, record
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid
from identity import policy
from servers.api.list_query import read_instant

_LIST = "os_compute_api:os-migrations:index"
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
