"""Nodes of bare metal in the words of the compute API: this cloud has none."""

from __future__ import annotations

from django.urls import URLPattern, path
from rest_framework.response import Response

from cloudportal.api.microversions import available
from cloudportal.api.openapi import documented, listed, wrapped
from cloudportal.api.query import IGNORED
from cloudportal.api.representation import OBJECT
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid, NotFound
from identity import policy
from servers import rules as rules

LAST = "2.35"
_NODES = "os_compute_api:os-baremetal-nodes"


class BareMetalNodes(ComputeView):
    """Nodes of bare metal."""

    @available(until=LAST)
    @documented(
        "List nodes of bare metal.",
        query=IGNORED,
        responses={200: listed("nodes", OBJECT, links=None)},
    )
    def get(self, request: WireRequest) -> Response:
        """There are none."""
        policy.require(request.actor, f"{_NODES}:list")
        return Response({"nodes": []})

    @available(until=LAST)
    @documented("Make a node of bare metal.", responses={200: wrapped("node", OBJECT)})
    def post(self, request: WireRequest) -> Response:
        """Refuse.

        Raises:
            Invalid: always.
        """
        raise _only_to_be_read(request)


class OneBareMetalNode(ComputeView):
    """One node."""

    @available(until=LAST)
    @documented(
        "Show a node of bare metal.", query=IGNORED, responses={200: wrapped("node", OBJECT)}
    )
    def get(self, request: WireRequest, key: str) -> Response:
        """Not found.

        Raises:
            NotFound: always.
        """
        policy.require(request.actor, f"{_NODES}:show")
        raise NotFound(f"Node {key} could not be found.")

    @available(until=LAST)
    @documented("Delete a node of bare metal.", responses={202: None})
    def delete(self, request: WireRequest, key: str) -> Response:
        """Refuse.

        Raises:
            Invalid: always.
        """
        raise _only_to_be_read(request)


class BareMetalAction(ComputeView):
    """What could be done to a node."""

    @available(until=LAST)
    @documented("Do something to a node of bare metal.", responses={202: None})
    def post(self, request: WireRequest, key: str) -> Response:
        """Refuse.

        Raises:
            Invalid: always.
        """
        raise _only_to_be_read(request)


def _only_to_be_read(request: WireRequest) -> Invalid:
    policy.require(request.actor, f"{_NODES}:show")
    return Invalid("Command Not supported. Please use Ironic command to perform this action.")


def routes() -> list[URLPattern]:
    """All of them."""
    return [
        path("os-baremetal-nodes", BareMetalNodes.as_view()),
        path("os-baremetal-nodes/<str:key>", OneBareMetalNode.as_view()),
        path("os-baremetal-nodes/<str:key>/action", BareMetalAction.as_view()),
    ]
