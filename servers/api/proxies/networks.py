"""Networks and floating IPs in the words of the compute API."""

from __future__ import annotations

from typing import Any

from rest_framework.response import Response

from cloudportal.api.microversions import available
from cloudportal.api.openapi import documented, listed, wrapped
from cloudportal.api.query import IGNORED
from cloudportal.api.representation import NULL, STRING, nullable, record
from cloudportal.api.validation import NAME, BodySchema, closed
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Gone, NotFound, NotOffered
from identity import policy
from networks.lookup import find, visible_networks
from networks.models import Network, NetworkQuerySet
from servers import rules as rules
from servers.api.gone import GONE, GONE_ANSWERS

LAST = "2.35"
# The network service tells the compute API none of these, so they have always been null.
_FIELDS = (
    *("cidr", "netmask", "gateway", "broadcast", "dns1", "dns2"),
    *("cidr_v6", "gateway_v6", "netmask_v6"),
)
_FOR_ADMIN = (
    *("created_at", "updated_at", "deleted_at", "deleted", "injected", "bridge", "vlan"),
    *("vpn_public_address", "vpn_public_port", "vpn_private_address", "dhcp_start", "project_id"),
    *("host", "bridge_interface", "multi_host", "priority", "rxtx_base"),
    *("mtu", "dhcp_server", "enable_dhcp", "share_address"),
)
NETWORK = record(
    {"id": STRING, "label": STRING, **dict.fromkeys(_FIELDS, NULL)},
    dict.fromkeys(_FOR_ADMIN, NULL),
)
SHORT_NETWORK = record(dict.fromkeys(("id", "label", "cidr"), STRING))
FLOATING_IP = record(
    {
        **dict.fromkeys(("id", "ip", "pool"), STRING),
        **dict.fromkeys(("fixed_ip", "instance_id"), nullable(STRING)),
    }
)
ALLOCATE = BodySchema({**closed({"pool": {**NAME, "type": ["string", "null"]}}),
                       "type": ["object", "null"]})  # fmt: skip


def _visible(request: WireRequest, resource: str, verb: str) -> NetworkQuerySet:
    actor = request.actor
    policy.require(actor, f"os_compute_api:{resource}:{verb}", project_id=actor.project_id)
    return visible_networks(actor)


def _network(network: Network, request: WireRequest) -> dict[str, Any]:
    fields = (*_FIELDS, *_FOR_ADMIN) if request.actor.is_admin else _FIELDS
    return {**dict.fromkeys(fields), "id": str(network.pk), "label": network.name}


def _short(network: Network, request: WireRequest) -> dict[str, Any]:
    return {"id": str(network.pk), "label": network.name, "cidr": "None"}


def _found(networks: NetworkQuerySet, network_id: str) -> Network:
    found = find(networks, network_id)
    if found is None:
        raise NotFound(f"Network {network_id} could not be found.")
    return found


class Networks(ComputeView):
    """The networks that a project may use."""

    @available(until=LAST)
    @documented(
        "List networks.", query=IGNORED, responses={200: listed("networks", NETWORK, links=None)}
    )
    def get(self, request: WireRequest) -> Response:
        """Ids and names."""
        networks = _visible(request, "os-networks", "list").order_by("name", "pk")
        return Response({"networks": [_network(each, request) for each in networks]})

    @documented("Gone for good.", responses=GONE_ANSWERS)
    def post(self, request: WireRequest) -> Response:
        """Refuse.

        Raises:
            Gone: always.
        """
        raise Gone(GONE)


class OneNetwork(ComputeView):
    """One network."""

    @available(until=LAST)
    @documented("Show a network.", query=IGNORED, responses={200: wrapped("network", NETWORK)})
    def get(self, request: WireRequest, network_id: str) -> Response:
        """Its id and name."""
        network = _found(_visible(request, "os-networks", "show"), network_id)
        return Response({"network": _network(network, request)})

    @documented("Gone for good.", responses=GONE_ANSWERS)
    def delete(self, request: WireRequest, network_id: str) -> Response:
        """Refuse.

        Raises:
            Gone: always.
        """
        raise Gone(GONE)


class TenantNetworks(ComputeView):
    """The same, shorter."""

    @available(until=LAST)
    @documented(
        "List networks of a project.",
        query=IGNORED,
        responses={200: listed("networks", SHORT_NETWORK, links=None)},
    )
    def get(self, request: WireRequest) -> Response:
        """Ids and names."""
        networks = _visible(request, "os-tenant-networks", "list").order_by("name", "pk")
        return Response({"networks": [_short(each, request) for each in networks]})

    post = Networks.post


class OneTenantNetwork(ComputeView):
    """One network, shorter."""

    @available(until=LAST)
    @documented(
        "Show a network of a project.",
        query=IGNORED,
        responses={200: wrapped("network", SHORT_NETWORK)},
    )
    def get(self, request: WireRequest, network_id: str) -> Response:
        """Its id and name."""
        network = _found(_visible(request, "os-tenant-networks", "show"), network_id)
        return Response({"network": _short(network, request)})

    delete = OneNetwork.delete


class FloatingIpPools(ComputeView):
    """Where floating IPs come from: the external networks."""

    @available(until=LAST)
    @documented(
        "List pools of floating IPs.",
        query=IGNORED,
        responses={200: listed("floating_ip_pools", record({"name": STRING}), links=None)},
    )
    def get(self, request: WireRequest) -> Response:
        """Their names."""
        policy.require(request.actor, "os_compute_api:os-floating-ip-pools")
        pools = _pools().order_by("name").values_list("name", flat=True)
        return Response({"floating_ip_pools": [{"name": name} for name in pools]})


class FloatingIps(ComputeView):
    """The floating IPs of a project; none can be had in this release."""

    @available(until=LAST)
    @documented(
        "List floating IPs.",
        query=IGNORED,
        responses={200: listed("floating_ips", FLOATING_IP, links=None)},
    )
    def get(self, request: WireRequest) -> Response:
        """There are none."""
        _require(request, "list")
        return Response({"floating_ips": []})

    @available(until=LAST)
    @documented(
        "Take a floating IP.",
        request=ALLOCATE,
        responses={200: wrapped("floating_ip", FLOATING_IP)},
        faults=[501],
    )
    def post(self, request: WireRequest) -> Response:
        """Refuse.

        Raises:
            NotFound: there is no such pool, or none at all.
            NotOffered: always else.
        """
        wanted = (ALLOCATE.check(request.data) or {}).get("pool")
        _require(request, "create")
        pools = _pools().filter(name=wanted) if wanted else _pools()
        if not pools.exists():
            raise NotFound("Floating IP pool not found.")
        raise NotOffered("Floating IPs cannot be had in this release.")


class OneFloatingIp(ComputeView):
    """One floating IP."""

    @available(until=LAST)
    @documented(
        "Show a floating IP.", query=IGNORED, responses={200: wrapped("floating_ip", FLOATING_IP)}
    )
    def get(self, request: WireRequest, floating_ip_id: str) -> Response:
        """Not found.

        Raises:
            NotFound: always.
        """
        _require(request, "show")
        raise NotFound(f"Floating IP not found for ID {floating_ip_id}")

    @available(until=LAST)
    @documented("Give a floating IP back.", responses={202: None})
    def delete(self, request: WireRequest, floating_ip_id: str) -> Response:
        """Not found.

        Raises:
            NotFound: always.
        """
        _require(request, "delete")
        raise NotFound(f"Floating IP not found for ID {floating_ip_id}")


def _pools() -> NetworkQuerySet:
    everything: Any = Network.objects.filter(is_external=True)
    return everything  # type: ignore[no-any-return]  # a manager of our querysets, typed as the plain one


def _require(request: WireRequest, verb: str) -> None:
    actor = request.actor
    policy.require(actor, f"os_compute_api:os-floating-ips:{verb}", project_id=actor.project_id)
