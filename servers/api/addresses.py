"""The addresses of a server, by network."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response

from cloudportal.api.openapi import documented
from cloudportal.api.representation import STRING, array, mapping, record
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import NotFound
from servers.find import find_server
from servers.surroundings import surroundings_of

_ADDRESSES = array(record({"version": {"enum": [4, 6]}, "addr": STRING}))
ADDRESSES = record({"addresses": mapping(_ADDRESSES)})
ON_NETWORK = {**mapping(_ADDRESSES), "minProperties": 1, "maxProperties": 1}


def _addresses(request: WireRequest, server_id: str, rule: str) -> dict[str, list[dict[str, Any]]]:
    server = find_server(actor=request.actor, server_id=server_id, rule=rule)
    found: dict[str, list[dict[str, Any]]] = {}
    for address in surroundings_of([server]).addresses.get(str(server.pk), ()):
        entry = {"version": address.version, "addr": address.address}
        found.setdefault(address.network, []).append(entry)
    return found


class Addresses(ComputeView):
    """All addresses of a server."""

    @documented("List addresses.", responses={200: ADDRESSES})
    def get(self, request: WireRequest, server_id: str) -> Response:
        """Every network with the addresses on it."""
        return Response({"addresses": _addresses(request, server_id, "os_compute_api:ips:index")})


class AddressesOnNetwork(ComputeView):
    """The addresses of a server on one network."""

    @documented("List addresses on one network.", responses={200: ON_NETWORK})
    def get(self, request: WireRequest, server_id: str, label: str) -> Response:
        """The addresses under the network's name."""
        found = _addresses(request, server_id, "os_compute_api:ips:show")
        if label not in found:
            raise NotFound("Instance is not a member of specified network")
        return Response({label: found[label]})
