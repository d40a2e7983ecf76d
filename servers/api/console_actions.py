"""The actions that read a server's console."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response

from cloudportal.api.validation import closed
from cloudportal.api.views import WireRequest
from cloudportal.errors import Invalid
from servers.api.action import Action
from servers.console import console_output
from servers.legal import LEGAL
from servers.models import Server

# Older clients send null where nothing is asked for.
CONSOLE_OUTPUT = {
    **closed({"length": {"type": ["integer", "string", "null"], "pattern": r"\A-?\d{1,10}\Z"}}),
    "type": ["object", "null"],
}


def _console_output(request: WireRequest, server: Server, value: Any) -> Response:
    asked = (value or {}).get("length")
    length = int(asked) if asked is not None else None
    return Response({"output": console_output(server=server, length=length, actor=request.actor)})


def _no_such_console(request: WireRequest, server: Server, value: Any) -> Response:
    """Refuse.

    Raises:
        Invalid: always: no hypervisor of the field has that protocol any more.
    """
    raise Invalid(f"Unavailable console type {value['type']}.")


CONSOLE_ACTIONS = {
    "os-getConsoleOutput": Action(
        _console_output, LEGAL["console output"].policy, {"2.1": CONSOLE_OUTPUT}
    ),
    "os-getRDPConsole": Action(
        _no_such_console,
        LEGAL["console"].policy,
        {"2.1": closed({"type": {"enum": ["rdp-html5"]}}, ["type"])},
        until="2.5",
    ),
}
