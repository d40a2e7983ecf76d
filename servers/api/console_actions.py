"""The actions that read a server's console or open one."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.representation import STRING, record
from cloudportal.api.validation import closed
from cloudportal.api.views import WireRequest
from servers.api.action import Action
from servers.api.action_bodies import console
from servers.console import console_output
from servers.legal import LEGAL
from servers.models import Server
from servers.remote_console import console_url

# Older clients send null where nothing is asked for.
CONSOLE_OUTPUT = {
    **closed({"length": {"type": ["integer", "string", "null"], "pattern": r"\A-?\d{1,10}\Z"}}),
    "type": ["object", "null"],
}
CONSOLE_OPENED = record({"console": record({"type": STRING, "url": STRING})})


def _console_output(request: WireRequest, server: Server, value: Any) -> Response:
    asked = (value or {}).get("length")
    length = int(asked) if asked is not None else None
    return Response({"output": console_output(server=server, length=length, actor=request.actor)})


def _console(protocol: str, *types: str) -> Action:
    def open_(request: WireRequest, server: Server, value: Any) -> Response:
        url = console_url(
            server=server,
            protocol=protocol,
            kind=value["type"],
            actor=request.actor,
            now=timezone.now(),
        )
        return Response({"console": {"type": value["type"], "url": url}})

    return Action(open_, LEGAL["console"].policy, console(*types), until="2.5")


CONSOLE_ACTIONS = {
    "os-getConsoleOutput": Action(
        _console_output, LEGAL["console output"].policy, {"2.1": CONSOLE_OUTPUT}
    ),
    "os-getRDPConsole": _console("rdp", "rdp-html5"),
    "os-getVNCConsole": _console("vnc", "novnc", "xvpvnc"),
    "os-getSPICEConsole": _console("spice", "spice-html5"),
    "os-getSerialConsole": _console("serial", "serial"),
}
