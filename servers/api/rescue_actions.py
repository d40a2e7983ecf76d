"""The actions that let a server boot from another disk, and change its password."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.microversions import Microversion
from cloudportal.api.representation import STRING, record
from cloudportal.api.views import WireRequest
from servers.api.action import FREE, Action
from servers.api.action_bodies import CHANGE_PASSWORD, RESCUE
from servers.guest_password import change_password
from servers.legal import LEGAL
from servers.models import Server
from servers.rescue import rescue_server, unrescue_server

VOLUMES_SINCE = Microversion(2, 87)
RESCUED = record({"adminPass": STRING})


def _rescue(request: WireRequest, server: Server, value: Any) -> Response:
    wanted = value or {}
    image = wanted.get("rescue_image_ref")
    password = rescue_server(
        server=server,
        image_id=UUID(image) if image else None,
        admin_password=wanted.get("adminPass"),
        may_be_on_volume=request.microversion >= VOLUMES_SINCE,
        actor=request.actor,
        now=timezone.now(),
    )
    return Response({"adminPass": password})


def _unrescue(request: WireRequest, server: Server, value: Any) -> Response:
    unrescue_server(server=server, actor=request.actor, now=timezone.now())
    return Response(status=202)


def _change_password(request: WireRequest, server: Server, value: Any) -> Response:
    change_password(
        server=server, password=value["adminPass"], actor=request.actor, now=timezone.now()
    )
    return Response(status=202)


RESCUE_ACTIONS = {
    "rescue": Action(_rescue, LEGAL["rescue"].policy, RESCUE),
    "unrescue": Action(_unrescue, LEGAL["unrescue"].policy, {"2.1": FREE}),
    "changePassword": Action(_change_password, LEGAL["changePassword"].policy, CHANGE_PASSWORD),
}
