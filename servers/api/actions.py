"""`POST /servers/{id}/action`: the body's one key names the action, in whichever room it is."""

from __future__ import annotations

from rest_framework.response import Response

from cloudportal.api.openapi import documented, either
from cloudportal.api.representation import STRING, record
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid
from servers.api.absent_actions import ABSENT_ACTIONS
from servers.api.action import Action, ActionBodies
from servers.api.adopt_actions import ADOPT_ACTIONS
from servers.api.console_actions import CONSOLE_ACTIONS, CONSOLE_OPENED
from servers.api.image_actions import IMAGE_ACTIONS, MADE
from servers.api.migrate_actions import MIGRATE_ACTIONS
from servers.api.network_actions import NETWORK_ACTIONS
from servers.api.power_actions import POWER_ACTIONS
from servers.api.rebuild_actions import REBUILD_ACTIONS, REBUILT
from servers.api.rescue_actions import RESCUE_ACTIONS, RESCUED
from servers.api.resize_actions import RESIZE_ACTIONS
from servers.api.state_actions import STATE_ACTIONS
from servers.find import find_server

ACTIONS: dict[str, Action] = {
    **POWER_ACTIONS,
    **ADOPT_ACTIONS,
    **STATE_ACTIONS,
    **CONSOLE_ACTIONS,
    **IMAGE_ACTIONS,
    **REBUILD_ACTIONS,
    **RESCUE_ACTIONS,
    **MIGRATE_ACTIONS,
    **RESIZE_ACTIONS,
    **NETWORK_ACTIONS,
    **ABSENT_ACTIONS,
}
BODIES = ActionBodies(ACTIONS)
# Most actions answer with a status alone.
NOTHING = {"type": "null"}


class ServerActions(ComputeView):
    """Actions on a server; the body's one key names the action."""

    @documented(
        "Do something to a server.",
        request=BODIES,
        responses={
            200: either(NOTHING, record({"output": STRING}), CONSOLE_OPENED, RESCUED),
            202: either(NOTHING, REBUILT, MADE),
            204: None,
        },
        faults={410, 501},
    )
    def post(self, request: WireRequest, server_id: str) -> Response:
        """Do what the body's one key says."""
        body = request.data
        if not isinstance(body, dict) or len(body) != 1:
            raise Invalid("Malformed message body: exactly one action is needed.")
        [name] = body
        action = ACTIONS.get(name)
        if action is None:
            raise Invalid(f"There is no such action: {name}")
        value = BODIES.check(name, body, request.microversion)
        server = find_server(actor=request.actor, server_id=server_id, rule=action.rule)
        return action.act(request, server, value)
