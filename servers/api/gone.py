"""What the compute API had once and no Nova has any more: 410 at every microversion.

The routes and their methods are those of the field, so that another method is still the router's
404.
"""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, path
from rest_framework.response import Response

from cloudportal.api.openapi import documented, fault_schema
from cloudportal.api.query import IGNORED
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Gone

GONE = "This resource is no longer available. No forwarding address is given."
_SERVER = "servers/<str:server_id>"
# By route the methods that there were.
ROUTES = {
    "os-agents": "get post",
    "os-agents/<str:key>": "put delete",
    "os-cells": "get post",
    "os-cells/capacities": "get",
    "os-cells/detail": "get",
    "os-cells/info": "get",
    "os-cells/sync_instances": "post",
    "os-cells/<str:key>": "get put delete",
    "os-cells/<str:key>/capacities": "get",
    "os-certificates": "post",
    "os-certificates/<str:key>": "get",
    "os-cloudpipe": "get post",
    "os-cloudpipe/<str:key>": "put",
    "os-fixed-ips/<str:key>": "get",
    "os-fixed-ips/<str:key>/action": "post",
    "os-floating-ip-dns": "get",
    "os-floating-ip-dns/<str:key>": "put delete",
    "os-floating-ip-dns/<str:key>/entries/<str:entry>": "get put delete",
    "os-floating-ips-bulk": "get post",
    "os-floating-ips-bulk/<str:key>": "get put",
    "os-fping": "get",
    "os-fping/<str:key>": "get",
    "os-networks/add": "post",
    "os-networks/<str:key>/action": "post",
    "os-security-group-default-rules": "get post",
    "os-security-group-default-rules/<str:key>": "get delete",
    f"{_SERVER}/consoles": "get post",
    f"{_SERVER}/consoles/<str:key>": "get delete",
    f"{_SERVER}/os-virtual-interfaces": "get",
}


GONE_ANSWERS = {410: fault_schema("compute", 410)}


class GoneView(ComputeView):
    """Something that there is not any more, whoever asks."""

    @documented("Gone for good.", query=IGNORED, responses=GONE_ANSWERS)
    def get(self, request: WireRequest, **_: Any) -> Response:
        """Refuse.

        Raises:
            Gone: always.
        """
        raise Gone(GONE)

    @documented("Gone for good.", responses=GONE_ANSWERS)
    def post(self, request: WireRequest, **_: Any) -> Response:
        """Refuse.

        Raises:
            Gone: always.
        """
        raise Gone(GONE)

    put = delete = post


def _with(methods: str) -> type[GoneView]:
    return type("Gone", (GoneView,), {"http_method_names": methods.split()})


def routes() -> list[URLPattern]:
    """All of them."""
    return [path(route, _with(methods).as_view()) for route, methods in ROUTES.items()]
