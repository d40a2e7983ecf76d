"""`/servers/{id}/remote-consoles` and the tokens of consoles."""

from __future__ import annotations

from rest_framework.response import Response

from cloudportal.api.microversions import Versioned, available
from cloudportal.api.openapi import documented, wrapped
from cloudportal.api.query import QuerySchema
from cloudportal.api.representation import INTEGER, STRING, nullable, record
from cloudportal.api.validation import BodySchema, closed
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid, NotFound
from identity import policy
from servers.find import find_server
from servers.legal import LEGAL
from servers.remote_console import open_console

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
_ACCESS = {
    "instance_uuid": STRING,
    "host": STRING,
    "port": INTEGER,
    "internal_access_path": nullable(STRING),
}
ACCESS = Versioned(
    {"2.1": record(_ACCESS), "2.99": record({**_ACCESS, "tls_port": nullable(INTEGER)})}
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
        """Refuse, after the checks.

        Raises:
            Invalid: always.
        """
        wanted = BODY.at(request.microversion).check(request.data)["remote_console"]
        rule = LEGAL["console"].policy
        server = find_server(actor=request.actor, server_id=server_id, rule=rule)
        open_console(
            server=server, protocol=wanted["protocol"], kind=wanted["type"], actor=request.actor
        )
        raise Invalid(f"Unavailable console type {wanted['type']}.")


class ConsoleAuthToken(ComputeView):
    """What a console's token gives access to."""

    @documented(
        "Show what a console's token gives access to.",
        query=TOKEN_QUERY,
        responses={200: wrapped("console", ACCESS)},
    )
    def get(self, request: WireRequest, token: str) -> Response:
        """Refuse: no tokens are given out.

        Raises:
            NotFound: nobody has such a token.
        """
        policy.require(request.actor, "os_compute_api:os-console-auth-tokens")
        if not IS_FOR_ALL_TYPES.at(request.microversion):
            raise Invalid("The requested console type details are not accessible")
        raise NotFound("Token not found")
