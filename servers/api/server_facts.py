"""What else there is to read of one server: its password, its topology, its shares."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response

from cloudportal.api.microversions import available
from cloudportal.api.openapi import documented, listed, wrapped
from cloudportal.api.representation import INTEGER, STRING, array, nullable, record
from cloudportal.api.validation import BodySchema, closed
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Forbidden, NotFound
from servers.find import find_server
from servers.topology import ServerNode, topology_of

_PASSWORD = "os_compute_api:os-server-password"  # noqa: S105 - a rule's name
_SHARES = "os_compute_api:os-server-shares"
_TOPOLOGY = "compute:server:topology"
NODE = record(
    {"vcpu_set": array(INTEGER), "siblings": array(array(INTEGER)), "memory_mb": INTEGER},
    {
        "host_node": INTEGER,
        "cpu_pinning": {"type": "object", "additionalProperties": {"type": "integer"}},
    },
)
TOPOLOGY = record({"nodes": array(NODE), "pagesize_kb": nullable(INTEGER)})
SHARE = record(
    {"share_id": STRING, "status": STRING, "tag": STRING},
    {"uuid": STRING, "export_location": STRING},
)
SHARE_BODY = BodySchema(
    closed(
        {
            "share": closed(
                {
                    "share_id": {"type": "string", "format": "uuid"},
                    "tag": {
                        "type": "string",
                        "minLength": 1,
                        "maxLength": 255,
                        "pattern": r"\A[a-zA-Z0-9-]*\Z",
                    },
                },
                ["share_id"],
            )
        },
        ["share"],
    )
)


class ServerPassword(ComputeView):
    """The password that a guest has set and encrypted; without a metadata service none can."""

    @documented("Show the password.", responses={200: record({"password": STRING})})
    def get(self, request: WireRequest, server_id: str) -> Response:
        """None has been set."""
        find_server(actor=request.actor, server_id=server_id, rule=f"{_PASSWORD}:show")
        return Response({"password": ""})

    @documented("Forget the password.", responses={204: None})
    def delete(self, request: WireRequest, server_id: str) -> Response:
        """There is none to forget."""
        find_server(actor=request.actor, server_id=server_id, rule=f"{_PASSWORD}:clear")
        return Response(status=204)


class Topology(ComputeView):
    """The NUMA nodes of a server."""

    @available("2.78")
    @documented("Show the NUMA topology.", responses={200: TOPOLOGY})
    def get(self, request: WireRequest, server_id: str) -> Response:
        """No nodes where the flavor and the image ask for none."""
        server = find_server(actor=request.actor, server_id=server_id, rule=f"{_TOPOLOGY}:index")
        found = topology_of(server, actor=request.actor)
        nodes = [_node(node, with_host=found.with_host) for node in found.nodes]
        return Response({"nodes": nodes, "pagesize_kb": found.page_kib})


def _node(node: ServerNode, *, with_host: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "vcpu_set": list(node.vcpus),
        "siblings": [list(each) for each in node.siblings],
        "memory_mb": node.ram_mib,
    }
    if with_host and node.cell is not None:
        pinning = {str(vcpu): cpu for vcpu, cpu in node.pinning.items()}
        shown.update(host_node=node.cell, cpu_pinning=pinning)
    return shown


class Shares(ComputeView):
    """File shares of a server; there is no service of shares."""

    @available("2.97")
    @documented("List shares.", responses={200: listed("shares", SHARE, links=None)})
    def get(self, request: WireRequest, server_id: str) -> Response:
        """There are none."""
        find_server(actor=request.actor, server_id=server_id, rule=f"{_SHARES}:index")
        return Response({"shares": []})

    @available("2.97")
    @documented("Attach a share.", request=SHARE_BODY, responses={201: wrapped("share", SHARE)})
    def post(self, request: WireRequest, server_id: str) -> Response:
        """Refuse.

        Raises:
            Forbidden: always.
        """
        SHARE_BODY.check(request.data)
        find_server(actor=request.actor, server_id=server_id, rule=f"{_SHARES}:create")
        raise Forbidden("Attaching shares is not supported by this cloud.")


class Share(ComputeView):
    """One share of a server."""

    @available("2.97")
    @documented("Show a share.", responses={200: wrapped("share", SHARE)})
    def get(self, request: WireRequest, server_id: str, share_id: str) -> Response:
        """Not found.

        Raises:
            NotFound: always.
        """
        raise _no_share(request, server_id, share_id, "show")

    @available("2.97")
    @documented("Detach a share.", responses={200: None})
    def delete(self, request: WireRequest, server_id: str, share_id: str) -> Response:
        """Not found.

        Raises:
            NotFound: always.
        """
        raise _no_share(request, server_id, share_id, "delete")


def _no_share(request: WireRequest, server_id: str, share_id: str, verb: str) -> NotFound:
    find_server(actor=request.actor, server_id=server_id, rule=f"{_SHARES}:{verb}")
    return NotFound(f"Share {share_id} could not be found.")
