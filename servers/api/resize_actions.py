"""The actions that resize a server or migrate it cold, and those that end that."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.microversions import Microversion
from cloudportal.api.views import WireRequest
from servers.api.action import FREE, Action
from servers.api.action_bodies import MIGRATE, RESIZE
from servers.legal import LEGAL
from servers.models import Server
from servers.resize import confirm_resize, migrate_server, resize_server, revert_resize

WITH_HOST = Microversion(2, 56)


def _resize(request: WireRequest, server: Server, value: Any) -> Response:
    resize_server(
        server=server,
        flavor_id=str(value["flavorRef"]).rstrip("/").rsplit("/", 1)[-1],
        disk_config=value.get("OS-DCF:diskConfig", ""),
        actor=request.actor,
        now=timezone.now(),
    )
    return Response(status=202)


def _migrate(request: WireRequest, server: Server, value: Any) -> Response:
    # Before a host could be named, whatever stood here said nothing.
    has_host = isinstance(value, dict) and request.microversion >= WITH_HOST
    host = value.get("host") or "" if has_host else ""
    migrate_server(server=server, host=host, actor=request.actor, now=timezone.now())
    return Response(status=202)


def _confirm(request: WireRequest, server: Server, value: Any) -> Response:
    confirm_resize(server=server, actor=request.actor, now=timezone.now())
    return Response(status=204)


def _revert(request: WireRequest, server: Server, value: Any) -> Response:
    revert_resize(server=server, actor=request.actor, now=timezone.now())
    return Response(status=202)


RESIZE_ACTIONS = {
    "resize": Action(_resize, LEGAL["resize"].policy, RESIZE),
    "confirmResize": Action(_confirm, LEGAL["confirmResize"].policy, {"2.1": FREE}),
    "revertResize": Action(_revert, LEGAL["revertResize"].policy, {"2.1": FREE}),
    "migrate": Action(_migrate, LEGAL["migrate"].policy, MIGRATE),
}
