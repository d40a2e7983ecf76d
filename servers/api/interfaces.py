"""`/servers/{id}/os-interface`: the network interfaces of a server."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.microversions import Microversion, Versioned
from cloudportal.api.openapi import documented, listed, wrapped
from cloudportal.api.representation import STRING, array, nullable, record
from cloudportal.api.validation import BodySchema, closed
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid, NotFound
from networks.models import Port
from networks.server_ports import RequestedNetwork
from servers.api.schemas import TAG, UUID
from servers.find import find_server
from servers.interfaces import (
    attach_interface,
    detach_interface,
    find_port,
    finish_attachment,
    interfaces_of,
)

_RULE = "os_compute_api:os-attach-interfaces"
_SHOWS_TAG = Microversion(2, 70)
_ATTACHMENT: dict[str, Any] = {
    "net_id": UUID,
    "port_id": UUID,
    "fixed_ips": {
        "type": "array",
        "minItems": 1,
        "maxItems": 1,
        "items": closed(
            {"ip_address": {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}},
            ["ip_address"],
        ),
    },
}


def _body(attachment: dict[str, Any]) -> BodySchema:
    return BodySchema(closed({"interfaceAttachment": closed(attachment)}))


ATTACH = Versioned({"2.1": _body(_ATTACHMENT), "2.49": _body({**_ATTACHMENT, "tag": TAG})})
_FIELDS = {
    **dict.fromkeys(("net_id", "port_id", "mac_addr", "port_state"), STRING),
    "fixed_ips": array(record({"subnet_id": STRING, "ip_address": STRING})),
}
INTERFACE = Versioned(
    {"2.1": record(_FIELDS), "2.70": record({**_FIELDS, "tag": nullable(STRING)})}
)


class Interfaces(ComputeView):
    """All interfaces of a server."""

    @documented(
        "List the interfaces of a server.",
        responses={200: listed("interfaceAttachments", INTERFACE, links=None)},
    )
    def get(self, request: WireRequest, server_id: str) -> Response:
        """In their order."""
        server = find_server(actor=request.actor, server_id=server_id, rule=f"{_RULE}:list")
        found = [_shown(port, request) for port in interfaces_of(server)]
        return Response({"interfaceAttachments": found})

    @documented(
        "Give a server another interface.",
        request=ATTACH,
        responses={200: wrapped("interfaceAttachment", INTERFACE)},
        faults=[500],
    )
    def post(self, request: WireRequest, server_id: str) -> Response:
        """Answers when the interface is plugged in."""
        body = ATTACH.at(request.microversion).check(request.data)
        wanted = _wanted(body.get("interfaceAttachment", {}))
        server = find_server(actor=request.actor, server_id=server_id, rule=f"{_RULE}:create")
        attachment = attach_interface(
            server=server, wanted=wanted, actor=request.actor, now=timezone.now()
        )
        port = finish_attachment(attachment, server=server)
        return Response({"interfaceAttachment": _shown(port, request)})


class OneInterface(ComputeView):
    """One interface, by its port's id."""

    @documented("Show an interface.", responses={200: wrapped("interfaceAttachment", INTERFACE)})
    def get(self, request: WireRequest, server_id: str, port_id: str) -> Response:
        """The interface."""
        server = find_server(actor=request.actor, server_id=server_id, rule=f"{_RULE}:show")
        port = find_port(server, port_id)
        if port is None:
            raise NotFound(f"Instance {server.pk} does not have a port with id {port_id}")
        return Response({"interfaceAttachment": _shown(port, request)})

    @documented("Take an interface from a server.", responses={202: None})
    def delete(self, request: WireRequest, server_id: str, port_id: str) -> Response:
        """It goes as soon as the guest lets it go."""
        server = find_server(actor=request.actor, server_id=server_id, rule=f"{_RULE}:delete")
        detach_interface(server=server, port_id=port_id, actor=request.actor, now=timezone.now())
        return Response(status=202)


def _wanted(asked: dict[str, Any]) -> RequestedNetwork:
    network_id, port_id = asked.get("net_id"), asked.get("port_id")
    addresses = asked.get("fixed_ips") or [{}]
    fixed_ip = addresses[0].get("ip_address")
    if network_id and port_id:
        raise Invalid("Must not input both network_id and port_id")
    if fixed_ip and not network_id:
        raise Invalid("Must input network_id when request IP address")
    return RequestedNetwork(network_id, port_id, fixed_ip, asked.get("tag"))


def _shown(port: Port, request: WireRequest) -> dict[str, Any]:
    fixed_ips = sorted(port.fixed_ips.all(), key=lambda each: each.pk)
    shown: dict[str, Any] = {
        "net_id": str(port.network_id),
        "port_id": str(port.pk),
        "mac_addr": port.mac_address,
        "port_state": port.status,
        "fixed_ips": [
            {"subnet_id": str(each.subnet_id), "ip_address": each.address} for each in fixed_ips
        ],
    }
    if request.microversion >= _SHOWS_TAG:
        shown["tag"] = port.tag or None
    return shown
