"""`/servers/{id}/migrations`: live migrations under way, and what can be done to them."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.microversions import Microversion, available
from cloudportal.api.openapi import documented, listed, wrapped
from cloudportal.api.representation import INTEGER, STRING, Field, Representation, nullable
from cloudportal.api.validation import BodySchema, closed
from cloudportal.api.views import ComputeView, WireRequest
from identity import policy
from servers.api.readings import precise_instant
from servers.find import find_server
from servers.live_migration import abort_migration, find_under_way, force_migration, under_way
from servers.models import Migration

_RULE = "os_compute_api:servers:migrations"
# Since then one that waits or prepares may be ended too.
ABORTS_EARLY = Microversion(2, 65)
FORCE_COMPLETE = BodySchema(closed({"force_complete": {"type": "null"}}, ["force_complete"]))
_HOSTS = ("source_compute", "source_node", "dest_compute", "dest_host", "dest_node")


def _bytes(name: str) -> Field[Migration]:
    return Field(name, lambda migration: getattr(migration, name), nullable(INTEGER))


def _maybe(key: str, attribute: str) -> Field[Migration]:
    return Field(key, lambda migration: getattr(migration, attribute) or None, nullable(STRING))


def _time(name: str) -> Field[Migration]:
    return Field(name, lambda each: precise_instant(getattr(each, name)), nullable(STRING))


LIVE_MIGRATION = Representation[Migration](
    Field("id", lambda migration: migration.pk, INTEGER),
    Field("server_uuid", lambda migration: str(migration.server_id), STRING),
    Field("status", lambda migration: migration.status, STRING),
    _maybe("source_compute", "source_name"),
    _maybe("source_node", "source_node"),
    _maybe("dest_compute", "destination_name"),
    _maybe("dest_host", "destination_address"),
    _maybe("dest_node", "destination_node"),
    *(
        _bytes(f"{kind}_{part}_bytes")
        for kind in ("memory", "disk")
        for part in ("total", "processed", "remaining")
    ),
    _time("created_at"),
    _time("updated_at"),
    Field("uuid", lambda migration: str(migration.uuid), STRING, since="2.59"),
    Field("user_id", lambda migration: migration.user_id, STRING, since="2.80"),
    Field("project_id", lambda migration: migration.project_id, STRING, since="2.80"),
)


def _shown(request: WireRequest, migration: Migration) -> dict[str, Any]:
    """The migration; which hosts there are is for administrators to see."""
    found = LIVE_MIGRATION.show(migration, request.microversion)
    if not policy.allows(request.actor, f"{_RULE}:index:host"):
        found.update(dict.fromkeys(_HOSTS))
    return found


class ServerMigrations(ComputeView):
    """Live migrations of one server that are under way."""

    @available("2.23")
    @documented(
        "List live migrations under way.",
        responses={200: listed("migrations", LIVE_MIGRATION, links=None)},
    )
    def get(self, request: WireRequest, server_id: str) -> Response:
        """At most one, as a server is moved by one operation at a time."""
        server = find_server(actor=request.actor, server_id=server_id, rule=f"{_RULE}:index")
        return Response({"migrations": [_shown(request, each) for each in under_way(server)]})


class ServerMigration(ComputeView):
    """One live migration."""

    @available("2.23")
    @documented(
        "Show a live migration under way.", responses={200: wrapped("migration", LIVE_MIGRATION)}
    )
    def get(self, request: WireRequest, server_id: str, migration_id: str) -> Response:
        """How far it is.

        Raises:
            MigrationNotFound: there is none of this number, or it is over.
        """
        server = find_server(actor=request.actor, server_id=server_id, rule=f"{_RULE}:show")
        found = find_under_way(server, migration_id)
        return Response({"migration": _shown(request, found)})

    @available("2.24")
    @documented("Abort a live migration.", responses={202: None})
    def delete(self, request: WireRequest, server_id: str, migration_id: str) -> Response:
        """End it; the server stays where it is."""
        server = find_server(actor=request.actor, server_id=server_id, rule=f"{_RULE}:delete")
        abort_migration(
            server=server,
            migration_id=migration_id,
            before_it_runs=request.microversion >= ABORTS_EARLY,
            actor=request.actor,
            now=timezone.now(),
        )
        return Response(status=202)


class ServerMigrationAction(ComputeView):
    """What can be done to one live migration."""

    @available("2.22")
    @documented(
        "Complete a live migration by force.", request=FORCE_COMPLETE, responses={202: None}
    )
    def post(self, request: WireRequest, server_id: str, migration_id: str) -> Response:
        """Halt the guest until it has arrived."""
        FORCE_COMPLETE.check(request.data)
        rule = f"{_RULE}:force_complete"
        server = find_server(actor=request.actor, server_id=server_id, rule=rule)
        force_migration(
            server=server, migration_id=migration_id, actor=request.actor, now=timezone.now()
        )
        return Response(status=202)
