"""The actions on a server's row alone: its lock, and its state set by hand."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.microversions import Microversion
from cloudportal.api.validation import closed
from cloudportal.api.views import WireRequest
from servers.api.action import FREE, Action
from servers.legal import LEGAL
from servers.lock import lock_server, unlock_server
from servers.models import Server
from servers.reset import reset_state
from servers.states import VmState

WITH_REASON = Microversion(2, 73)
LOCK = {
    **closed({"locked_reason": {"type": "string", "minLength": 1, "maxLength": 255}}),
    "type": ["object", "null"],
}
RESET_STATE = closed({"state": {"enum": [VmState.ACTIVE.value, VmState.ERROR.value]}}, ["state"])


def _lock(request: WireRequest, server: Server, value: Any) -> Response:
    # Before there were reasons, whatever stood here said nothing.
    has_reason = isinstance(value, dict) and request.microversion >= WITH_REASON
    reason = value.get("locked_reason") if has_reason else None
    lock_server(server=server, reason=reason, actor=request.actor, now=timezone.now())
    return Response(status=202)


def _unlock(request: WireRequest, server: Server, value: Any) -> Response:
    unlock_server(server=server, actor=request.actor, now=timezone.now())
    return Response(status=202)


def _reset_state(request: WireRequest, server: Server, value: Any) -> Response:
    state = VmState(value["state"])
    reset_state(server=server, state=state, actor=request.actor, now=timezone.now())
    return Response(status=202)


STATE_ACTIONS = {
    "lock": Action(_lock, LEGAL["lock"].policy, {"2.1": FREE, "2.73": LOCK}),
    "unlock": Action(_unlock, LEGAL["unlock"].policy, {"2.1": FREE}),
    "os-resetState": Action(_reset_state, LEGAL["resetState"].policy, {"2.1": RESET_STATE}),
}
