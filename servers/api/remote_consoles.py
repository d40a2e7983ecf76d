"""`/servers/{id}/remote-consoles` and the tokens of consoles."""

from __future__ import annotations

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.microversions import Versioned, available
from cloudportal.api.openapi import documented, wrapped
from cloudportal.api.query import QuerySchema
from cloudportal.api.representation import (
    INTEGER,
    STRING,
    Field,
    Representation,
    nullable,
    record,
)
from cloudportal.api.validation import BodySchema, closed
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid
from identity import policy
from servers.console_tokens import find_console_token
from servers.find import find_server
from servers.legal import LEGAL
from servers.models import ConsoleToken
from servers.remote_console import ConsolePlace, console_url, place_of_console

_PROTOCOLS = ["vnc", "spice", "rdp", "serial"]
_TYPES = ["novnc", "xvpvnc", "rdp-html5", "spice-html5", "serial"]


def _body(protocols: list[str], types: list[str]) -> BodySchema:
    console = closed({"protocol": {"enum": protocols}, "type": {"enum": types}},
                     ["protocol", "type"])  # fmt: skip
    return BodySchema(closed({"remote_console": console}, ["remote_console"]))


BODY = Versioned(
    {
        "2.6": _body(_PROTOCOLS, _TYPES),
        "2.8": _body([*_PROTOCOLS, "mks"], [*_TYPES, "webmks"]),
        "2.99": _body([*_PROTOCOLS, "mks"], [*_TYPES, "webmks", "spice-direct"]),
    }
)
CONSOLE = record({"protocol": STRING, "type": STRING, "url": STRING})
_Place = tuple[ConsoleToken, ConsolePlace]
ACCESS: Representation[_Place] = Representation(
    Field("instance_uuid", lambda found: str(found[0].server_id), STRING),
    Field("host", lambda found: found[1].host, STRING),
    Field("port", lambda found: found[1].port, nullable(INTEGER)),
    # No console here has a path or a port for TLS of its own.
    Field("internal_access_path", lambda found: None, nullable(STRING)),
    Field("tls_port", lambda found: None, nullable(INTEGER), since="2.99"),
)
TOKEN_QUERY = Versioned({"2.1": QuerySchema({}), "2.99": QuerySchema({}, closed=True)})
IS_FOR_ALL_TYPES = Versioned({"2.1": False, "2.31": True})


class RemoteConsoles(ComputeView):
    """Consoles of one server."""

    @available("2.6")
    @documented(
        "Open a console.", request=BODY, responses={200: wrapped("remote_console", CONSOLE)}
    )
    def post(self, request: WireRequest, server_id: str) -> Response:
        """Give out the address of a page that opens it, once."""
        wanted = BODY.at(request.microversion).check(request.data)["remote_console"]
        rule = LEGAL["console"].policy
        server = find_server(actor=request.actor, server_id=server_id, rule=rule)
        url = console_url(
            server=server,
            protocol=wanted["protocol"],
            kind=wanted["type"],
            actor=request.actor,
            now=timezone.now(),
        )
        return Response({"remote_console": {**wanted, "url": url}})


class ConsoleAuthToken(ComputeView):
    """What a console's token gives access to."""

    @documented(
        "Show what a console's token gives access to.",
        query=TOKEN_QUERY,
        responses={200: wrapped("console", ACCESS)},
    )
    def get(self, request: WireRequest, token: str) -> Response:
        """The host, and the port of its own where the console is; a serial one has none.

        Raises:
            Invalid: before the microversion that knows all types.
            ConsoleTokenRefused: nobody has such a token, or it was used or has expired.
        """
        policy.require(request.actor, "os_compute_api:os-console-auth-tokens")
        if not IS_FOR_ALL_TYPES.at(request.microversion):
            raise Invalid("The requested console type details are not accessible")
        found = find_console_token(token, now=timezone.now())
        place = (found, place_of_console(found))
        return Response({"console": ACCESS.show(place, request.microversion)})
