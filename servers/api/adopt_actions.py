"""The action that lets an adopted server go."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.views import WireRequest
from servers.adopt import release_server
from servers.api.action import Action
from servers.legal import LEGAL
from servers.models import Server


def _release(request: WireRequest, server: Server, value: Any) -> Response:
    release_server(server=server, actor=request.actor, now=timezone.now())
    return Response(status=202)


ADOPT_ACTIONS = {
    "cloudportal:release": Action(_release, LEGAL["release"].policy, {"2.1": {"type": "null"}})
}
