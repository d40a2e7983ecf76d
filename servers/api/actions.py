"""What can be done to a server through `POST /servers/{id}/action`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.openapi import Answers, documented
from cloudportal.api.representation import STRING, record
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid
from servers.api.schemas import CONSOLE_OUTPUT, REBOOT
from servers.console import console_output
from servers.delete import delete_server
from servers.find import find_server
from servers.models import Server
from servers.power import reboot_server, start_server, stop_server

Action = Callable[[WireRequest, str, Any], Response]
ANSWERS: Answers = {200: record({"output": STRING}), 202: None}
ACTION = {"type": "object", "minProperties": 1, "maxProperties": 1}


def _server(request: WireRequest, server_id: str, rule: str) -> Server:
    return find_server(actor=request.actor, server_id=server_id, rule=rule)


def _start(request: WireRequest, server_id: str, value: Any) -> Response:
    server = _server(request, server_id, "os_compute_api:servers:start")
    start_server(server=server, actor=request.actor, now=timezone.now())
    return Response(status=202)


def _stop(request: WireRequest, server_id: str, value: Any) -> Response:
    server = _server(request, server_id, "os_compute_api:servers:stop")
    stop_server(server=server, actor=request.actor, now=timezone.now())
    return Response(status=202)


def _reboot(request: WireRequest, server_id: str, value: Any) -> Response:
    is_hard = REBOOT.check(value)["type"].upper() == "HARD"
    server = _server(request, server_id, "os_compute_api:servers:reboot")
    reboot_server(server=server, hard=is_hard, actor=request.actor, now=timezone.now())
    return Response(status=202)


def _force_delete(request: WireRequest, server_id: str, value: Any) -> Response:
    server = _server(request, server_id, "os_compute_api:os-deferred-delete:force")
    delete_server(server=server, actor=request.actor, now=timezone.now())
    return Response(status=202)


def _console_output(request: WireRequest, server_id: str, value: Any) -> Response:
    # Older clients send null where nothing is asked for.
    asked = CONSOLE_OUTPUT.check({} if value is None else value).get("length")
    length = int(asked) if asked is not None else None
    server = _server(request, server_id, "os_compute_api:os-console-output")
    text = console_output(server=server, length=length, actor=request.actor)
    return Response({"output": text})


ACTIONS: dict[str, Action] = {
    "os-start": _start,
    "os-stop": _stop,
    "reboot": _reboot,
    "forceDelete": _force_delete,
    "os-getConsoleOutput": _console_output,
}


class ServerActions(ComputeView):
    """Actions on a server; the body's one key names the action."""

    @documented("Do something to a server.", request=ACTION, responses=ANSWERS)
    def post(self, request: WireRequest, server_id: str) -> Response:
        """Do what the body's one key says."""
        body = request.data
        if not isinstance(body, dict) or len(body) != 1:
            raise Invalid("Malformed message body: exactly one action is needed.")
        name, value = next(iter(body.items()))
        action = ACTIONS.get(name)
        if action is None:
            raise Invalid(f"There is no such action: {name}")
        return action(request, server_id, value)
