"""What a server was asked for with in this cloud's own fields: an extension of this cloud."""

from __future__ import annotations

from rest_framework.response import Response

from cloudportal.api.openapi import documented, wrapped
from cloudportal.api.representation import BOOLEAN, OBJECT, STRING, nullable, record
from cloudportal.api.views import ComputeView, WireRequest
from servers.find import find_server
from servers.options import options_of

OPTIONS = record(
    {
        "os_type": nullable(STRING),
        "boot_type": nullable(STRING),
        "store_id": nullable(STRING),
        "enable_ha": BOOLEAN,
        "extra": nullable(OBJECT),
    }
)


class ServerOptions(ComputeView):
    """The options of a server; null is what was left to the image and the cloud."""

    @documented("Show a server's options.", responses={200: wrapped("options", OPTIONS)})
    def get(self, request: WireRequest, server_id: str) -> Response:
        """All of them."""
        server = find_server(
            actor=request.actor, server_id=server_id, rule="cloudportal:servers:options"
        )
        found = options_of(server)
        options = {
            "os_type": found.os_type or None,
            "boot_type": found.boot_type or None,
            "store_id": found.store_id or None,
            "enable_ha": found.enable_ha,
            "extra": found.extra,
        }
        return Response({"options": options})
