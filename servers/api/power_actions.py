"""The actions on a server's guest: its power, its memory, and its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.validation import closed
from cloudportal.api.views import WireRequest
from servers.api.action import FREE, Act, Action
from servers.delete import delete_server
from servers.legal import LEGAL
from servers.models import Server
from servers.power import (
    pause_server,
    reboot_server,
    resume_server,
    start_server,
    stop_server,
    suspend_server,
    trigger_crash_dump,
    unpause_server,
)

REBOOT = closed({"type": {"enum": ["HARD", "Hard", "hard", "SOFT", "Soft", "soft"]}}, ["type"])


def _asking(use_case: Callable[..., None]) -> Act:
    def ask(request: WireRequest, server: Server, value: Any) -> Response:
        use_case(server=server, actor=request.actor, now=timezone.now())
        return Response(status=202)

    return ask


def _reboot(request: WireRequest, server: Server, value: Any) -> Response:
    is_hard = value["type"].upper() == "HARD"
    reboot_server(server=server, hard=is_hard, actor=request.actor, now=timezone.now())
    return Response(status=202)


def _force_delete(request: WireRequest, server: Server, value: Any) -> Response:
    delete_server(server=server, is_forced=True, actor=request.actor, now=timezone.now())
    return Response(status=202)


def _plain(use_case: Callable[..., None], name: str) -> Action:
    return Action(_asking(use_case), LEGAL[name].policy, {"2.1": FREE})


POWER_ACTIONS = {
    "os-start": _plain(start_server, "start"),
    "os-stop": _plain(stop_server, "stop"),
    "reboot": Action(_reboot, LEGAL["reboot"].policy, {"2.1": REBOOT}),
    "pause": _plain(pause_server, "pause"),
    "unpause": _plain(unpause_server, "unpause"),
    "suspend": _plain(suspend_server, "suspend"),
    "resume": _plain(resume_server, "resume"),
    "trigger_crash_dump": Action(
        _asking(trigger_crash_dump),
        LEGAL["trigger_crash_dump"].policy,
        {"2.17": {"type": "null"}},
    ),
    "forceDelete": Action(_force_delete, LEGAL["forceDelete"].policy, {"2.1": FREE}),
}
