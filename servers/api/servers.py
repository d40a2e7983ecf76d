"""Servers: list, create, show, change, delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.openapi import documented, either, listed, wrapped
from cloudportal.api.paging import next_link
from cloudportal.api.representation import LINKS, STRING, array, record
from cloudportal.api.validation import is_true
from cloudportal.api.views import ComputeView, WireRequest
from servers.api.create_body import canonical_ip, read_create
from servers.api.list_query import LIST, read_page
from servers.api.representation import SERVER, Kind, ServerForm, is_shown_to_admin, listed_columns
from servers.api.schemas import CREATE, UPDATE
from servers.create import create_servers
from servers.delete import delete_server
from servers.find import find_server
from servers.models import Server
from servers.secrets import unseal
from servers.surroundings import surroundings_of
from servers.update import ServerChanges, update_server

SHORT = record({"id": STRING, "name": STRING, "links": LINKS})
CREATED = either(
    wrapped(
        "server",
        record(
            {
                "id": STRING,
                "links": LINKS,
                "OS-DCF:diskConfig": {"enum": ["AUTO", "MANUAL"]},
                "security_groups": array(record({"name": STRING})),
                "adminPass": STRING,
            }
        ),
    ),
    record({"reservation_id": STRING}),
)


class Servers(ComputeView):
    """The servers of a project."""

    @documented(
        "List servers, only their names.", query=LIST, responses={200: listed("servers", SHORT)}
    )
    def get(self, request: WireRequest) -> Response:
        """A page of ids, names and links."""
        page = read_page(request, ["id", "name"], rule="os_compute_api:servers:index")
        servers = [
            {"id": str(each.pk), "name": each.name, "links": self.links("servers", str(each.pk))}
            for each in page.servers
        ]
        return Response(_with_next(self, request, "servers", servers, page.marker))

    @documented("Create servers.", request=CREATE, responses={202: CREATED})
    def post(self, request: WireRequest) -> Response:
        """Accept the request; what becomes of it shows in the servers' status."""
        body = CREATE.at(request.microversion).check(request.data)
        wanted = read_create(body, request.microversion)
        servers = create_servers(wanted=wanted, actor=request.actor, now=timezone.now())
        first = servers[0]
        if is_true(body["server"].get("return_reservation_id")):
            return Response({"reservation_id": first.reservation_id}, status=202)
        links = self.links("servers", str(first.pk))
        answer = {
            "id": str(first.pk),
            "links": links,
            "OS-DCF:diskConfig": first.disk_config,
            "security_groups": [{"name": name} for name in wanted.security_groups or ("default",)],
            "adminPass": unseal(first.sealed_admin_password),
        }
        return Response({"server": answer}, status=202, headers={"Location": links[0]["href"]})


class ServersDetail(ComputeView):
    """The servers of a project, with everything about them."""

    @documented("List servers.", query=LIST, responses={200: listed("servers", SERVER["detail"])})
    def get(self, request: WireRequest) -> Response:
        """A page of servers."""
        for_admin = is_shown_to_admin(request.actor)
        columns = listed_columns(request.microversion, for_admin=for_admin)
        page = read_page(request, columns, rule="os_compute_api:servers:detail")
        form = ServerForm(self, request.microversion, "detail", for_admin=for_admin)
        around = surroundings_of(page.servers)
        servers = form.render_all(page.servers, around)
        return Response(_with_next(self, request, "servers/detail", servers, page.marker))


class OneServer(ComputeView):
    """One server."""

    @documented("Show a server.", responses={200: wrapped("server", SERVER["show"])})
    def get(self, request: WireRequest, server_id: str) -> Response:
        """Everything about it."""
        server = find_server(
            actor=request.actor, server_id=server_id, rule="os_compute_api:servers:show"
        )
        return Response({"server": _shown(self, request, server, "show")})

    @documented(
        "Change a server.", request=UPDATE, responses={200: wrapped("server", SERVER["update"])}
    )
    def put(self, request: WireRequest, server_id: str) -> Response:
        """Change its name and description."""
        body = UPDATE.at(request.microversion).check(request.data)
        server = find_server(
            actor=request.actor, server_id=server_id, rule="os_compute_api:servers:update"
        )
        changed = update_server(
            server=server,
            changes=_changes(body["server"]),
            actor=request.actor,
            now=timezone.now(),
        )
        return Response({"server": _shown(self, request, changed, "update")})

    @documented("Delete a server.", responses={204: None})
    def delete(self, request: WireRequest, server_id: str) -> Response:
        """Delete it, in whatever state it is."""
        server = find_server(
            actor=request.actor, server_id=server_id, rule="os_compute_api:servers:delete"
        )
        delete_server(server=server, actor=request.actor, now=timezone.now())
        return Response(status=204)


def _shown(view: ComputeView, request: WireRequest, server: Server, kind: Kind) -> dict[str, Any]:
    for_admin = is_shown_to_admin(request.actor)
    form = ServerForm(view, request.microversion, kind, for_admin=for_admin)
    return form.render(server, surroundings_of([server]))


def _with_next(
    view: ComputeView, request: WireRequest, path: str, servers: list[Any], marker: str
) -> dict[str, Any]:
    body: dict[str, Any] = {"servers": servers}
    if marker:
        href = next_link(view.link(path), request.GET, marker)
        body["servers_links"] = [{"rel": "next", "href": href}]
    return body


def _changes(fields: Mapping[str, Any]) -> ServerChanges:
    changes: ServerChanges = {}
    if "name" in fields:
        changes["name"] = fields["name"]
    if "description" in fields:
        changes["description"] = fields["description"]
    if "hostname" in fields:
        changes["hostname"] = fields["hostname"]
    if "accessIPv4" in fields:
        changes["access_ip_v4"] = canonical_ip(fields["accessIPv4"])
    if "accessIPv6" in fields:
        changes["access_ip_v6"] = canonical_ip(fields["accessIPv6"])
    if "OS-DCF:diskConfig" in fields:
        changes["disk_config"] = fields["OS-DCF:diskConfig"]
    if "pinned_availability_zone" in fields:
        changes["pinned_zone"] = fields["pinned_availability_zone"]
    return changes
