"""The action that gives a server a new disk, and its answer."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.microversions import Microversion, Versioned
from cloudportal.api.openapi import merged, wrapped
from cloudportal.api.representation import STRING, nullable, record
from cloudportal.api.validation import is_true
from cloudportal.api.views import ComputeView, WireRequest
from servers.api.action import Action
from servers.api.action_bodies import REBUILD
from servers.api.create_body import canonical_ip
from servers.api.representation import SERVER, ServerForm, is_shown_to_admin
from servers.errors import InvalidServerRequest
from servers.legal import LEGAL
from servers.models import Server
from servers.reimage import RebuildChanges, WantedRebuild, rebuild_server
from servers.secrets import unseal
from servers.surroundings import surroundings_of
from servers.wanted import InjectedFile

KEY_SINCE = Microversion(2, 54)
USER_DATA_SINCE = Microversion(2, 57)
VOLUMES_SINCE = Microversion(2, 93)
_PASSWORD = {"adminPass": STRING}
_WITH_KEY = {**_PASSWORD, "key_name": nullable(STRING)}
_WITH_DATA = {**_WITH_KEY, "user_data": nullable(STRING)}
_MORE = Versioned(
    {
        "2.1": record(_PASSWORD),
        "2.54": record(_WITH_KEY),
        "2.57": record(_WITH_DATA),
        # The key's name is there already, as everything is.
        "2.75": record({**_PASSWORD, "user_data": nullable(STRING)}),
    }
)
REBUILT = wrapped("server", merged(SERVER["update"], _MORE))
# Fields that go into the server as they are.
_PLAIN = {
    "name": "name",
    "description": "description",
    "hostname": "hostname",
    "OS-DCF:diskConfig": "disk_config",
    "metadata": "metadata",
    "key_name": "key_name",
    "user_data": "user_data",
}


def _rebuild(request: WireRequest, server: Server, value: Any) -> Response:
    version = request.microversion
    if value.get("trusted_image_certificates"):
        raise InvalidServerRequest(
            "trusted_image_certificates is not offered: images are not signed here."
        )
    rebuilt = rebuild_server(
        server=server,
        wanted=WantedRebuild(
            image_id=UUID(value["imageRef"]),
            changes=_changes(value),
            admin_password=value.get("adminPass"),
            personality=tuple(
                InjectedFile(path=file["path"], contents=file["contents"])
                for file in value.get("personality", ())
            ),
            preserve_ephemeral=is_true(value.get("preserve_ephemeral")),
            may_reimage_volume=version >= VOLUMES_SINCE,
        ),
        actor=request.actor,
        now=timezone.now(),
    )
    return _answer(request, rebuilt)


def _changes(value: dict[str, Any]) -> RebuildChanges:
    changes: dict[str, Any] = {name: value[key] for key, name in _PLAIN.items() if key in value}
    for key, name in (("accessIPv4", "access_ip_v4"), ("accessIPv6", "access_ip_v6")):
        if key in value:
            changes[name] = canonical_ip(value[key])
    # The names are those of the table.
    return cast(RebuildChanges, changes)


def _answer(request: WireRequest, server: Server) -> Response:
    """The whole server, and what else a client may only see now."""
    version = request.microversion
    view: ComputeView = request.parser_context["view"]
    for_admin = is_shown_to_admin(request.actor)
    form = ServerForm(view, version, "update", for_admin=for_admin)
    shown = form.render(server, surroundings_of([server]))
    shown["adminPass"] = unseal(server.sealed_admin_password)
    if version >= KEY_SINCE:
        shown["key_name"] = server.key_name
    if version >= USER_DATA_SINCE:
        shown["user_data"] = server.user_data
    href = view.links("servers", str(server.pk))[0]["href"]
    return Response({"server": shown}, status=202, headers={"Location": href})


REBUILD_ACTIONS = {"rebuild": Action(_rebuild, LEGAL["rebuild"].policy, REBUILD)}
