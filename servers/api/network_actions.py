"""The actions on what a server is connected to."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.views import WireRequest
from servers.api.action import Action
from servers.api.action_bodies import SECURITY_GROUP
from servers.legal import LEGAL
from servers.models import Server
from servers.security_groups import add_security_group, remove_security_group


def _add_group(request: WireRequest, server: Server, value: Any) -> Response:
    add_security_group(server=server, name=value["name"], actor=request.actor, now=timezone.now())
    return Response(status=202)


def _remove_group(request: WireRequest, server: Server, value: Any) -> Response:
    remove_security_group(
        server=server, name=value["name"], actor=request.actor, now=timezone.now()
    )
    return Response(status=202)


NETWORK_ACTIONS = {
    "addSecurityGroup": Action(_add_group, LEGAL["addSecurityGroup"].policy, SECURITY_GROUP),
    "removeSecurityGroup": Action(
        _remove_group, LEGAL["removeSecurityGroup"].policy, SECURITY_GROUP
    ),
}
