"""The actions on what a server is connected to."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.views import WireRequest
from servers.api.action import FREE, Action
from servers.api.action_bodies import (
    ADD_FIXED_IP,
    ADD_FLOATING_IP,
    REMOVE_FIXED_IP,
    REMOVE_FLOATING_IP,
    SECURITY_GROUP,
)
from servers.floating_ips import add_floating_ip, remove_floating_ip
from servers.legal import LEGAL
from servers.models import Server
from servers.rewire import add_fixed_ip, inject_network_info, remove_fixed_ip
from servers.security_groups import add_security_group, remove_security_group

_LAST_OF_ADDRESSES = "2.43"


def _add_group(request: WireRequest, server: Server, value: Any) -> Response:
    add_security_group(server=server, name=value["name"], actor=request.actor, now=timezone.now())
    return Response(status=202)


def _remove_group(request: WireRequest, server: Server, value: Any) -> Response:
    remove_security_group(
        server=server, name=value["name"], actor=request.actor, now=timezone.now()
    )
    return Response(status=202)


def _inject(request: WireRequest, server: Server, value: Any) -> Response:
    inject_network_info(server=server, actor=request.actor, now=timezone.now())
    return Response(status=202)


def _add_fixed_ip(request: WireRequest, server: Server, value: Any) -> Response:
    add_fixed_ip(
        server=server, network_id=value["networkId"], actor=request.actor, now=timezone.now()
    )
    return Response(status=202)


def _remove_fixed_ip(request: WireRequest, server: Server, value: Any) -> Response:
    remove_fixed_ip(
        server=server, address=value["address"], actor=request.actor, now=timezone.now()
    )
    return Response(status=202)


def _add_floating_ip(request: WireRequest, server: Server, value: Any) -> Response:
    add_floating_ip(
        server=server,
        address=value["address"],
        fixed_address=value.get("fixed_address"),
        actor=request.actor,
        now=timezone.now(),
    )
    return Response(status=202)


def _remove_floating_ip(request: WireRequest, server: Server, value: Any) -> Response:
    remove_floating_ip(
        server=server, address=value["address"], actor=request.actor, now=timezone.now()
    )
    return Response(status=202)


NETWORK_ACTIONS = {
    "addFloatingIp": Action(
        _add_floating_ip, LEGAL["addFloatingIp"].policy, ADD_FLOATING_IP, until=_LAST_OF_ADDRESSES
    ),
    "removeFloatingIp": Action(
        _remove_floating_ip,
        LEGAL["removeFloatingIp"].policy,
        REMOVE_FLOATING_IP,
        until=_LAST_OF_ADDRESSES,
    ),
    "injectNetworkInfo": Action(_inject, LEGAL["injectNetworkInfo"].policy, {"2.1": FREE}),
    "addFixedIp": Action(
        _add_fixed_ip, LEGAL["addFixedIp"].policy, ADD_FIXED_IP, until=_LAST_OF_ADDRESSES
    ),
    "removeFixedIp": Action(
        _remove_fixed_ip, LEGAL["removeFixedIp"].policy, REMOVE_FIXED_IP, until=_LAST_OF_ADDRESSES
    ),
    "addSecurityGroup": Action(_add_group, LEGAL["addSecurityGroup"].policy, SECURITY_GROUP),
    "removeSecurityGroup": Action(
        _remove_group, LEGAL["removeSecurityGroup"].policy, SECURITY_GROUP
    ),
}
