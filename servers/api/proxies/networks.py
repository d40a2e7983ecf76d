"""Networks and floating IPs in the words of the compute API."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.microversions import available
from cloudportal.api.openapi import documented, listed, wrapped
from cloudportal.api.query import IGNORED
from cloudportal.api.representation import NULL, STRING, nullable, record
from cloudportal.api.validation import NAME, BodySchema, closed
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Gone, NotFound, OverQuota
from identity import policy
from networks.errors import IpAddressGenerationFailure
from networks.errors import OverQuota as FloatingIPsExceeded
from networks.floating_ips import NewFloatingIP, create_floating_ip, delete_floating_ip
from networks.lookup import find, visible_networks
from networks.models import FloatingIP, Network, NetworkQuerySet
from networks.server_ports import OWNER_PREFIX
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


def _floating_ips(request: WireRequest, verb: str) -> QuerySet[FloatingIP]:
    """The project's own, also for administrators."""
    actor = request.actor
    policy.require(actor, f"os_compute_api:os-floating-ips:{verb}", project_id=actor.project_id)
    rows = FloatingIP.objects.filter(project_id=actor.project_id)
    return rows.select_related("network", "port")


def _floating_ip(row: FloatingIP) -> dict[str, Any]:
    is_servers = row.port is not None and row.port.device_owner.startswith(OWNER_PREFIX)
    return {
        "id": str(row.pk),
        "ip": row.address,
        "pool": row.network.name or str(row.network_id),
        "fixed_ip": row.fixed_address,
        "instance_id": row.port.device_id if row.port is not None and is_servers else None,
    }


class FloatingIps(ComputeView):
    """The floating IPs of a project."""

    @available(until=LAST)
    @documented(
        "List floating IPs.",
        query=IGNORED,
        responses={200: listed("floating_ips", FLOATING_IP, links=None)},
    )
    def get(self, request: WireRequest) -> Response:
        """All of them."""
        rows = _floating_ips(request, "list").order_by("created_at", "pk")
        return Response({"floating_ips": [_floating_ip(row) for row in rows]})

    @available(until=LAST)
    @documented(
        "Take a floating IP.",
        request=ALLOCATE,
        responses={200: wrapped("floating_ip", FLOATING_IP)},
    )
    def post(self, request: WireRequest) -> Response:
        """Take one of the pool, or of the first without a name.

        Raises:
            NotFound: there is no such pool, or none at all, or it is empty.
            OverQuota: the project has all it may have.
        """
        wanted = (ALLOCATE.check(request.data) or {}).get("pool")
        rows = _floating_ips(request, "create")
        pool = _pool(wanted)
        if pool is None:
            raise NotFound("Floating IP pool not found.")
        of_pool = f" in pool {wanted}" if wanted else ""
        try:
            made = create_floating_ip(
                wanted=NewFloatingIP(str(pool.pk)), actor=request.actor, now=timezone.now()
            )
        except IpAddressGenerationFailure as error:
            left = f"No more floating IPs{of_pool or ' available'}."
            raise NotFound(left) from error
        except FloatingIPsExceeded as error:
            raise OverQuota(f"IP allocation over quota{of_pool}.") from error
        return Response({"floating_ip": _floating_ip(rows.get(pk=made.pk))})


class OneFloatingIp(ComputeView):
    """One floating IP."""

    @available(until=LAST)
    @documented(
        "Show a floating IP.", query=IGNORED, responses={200: wrapped("floating_ip", FLOATING_IP)}
    )
    def get(self, request: WireRequest, floating_ip_id: str) -> Response:
        """The address, and where it leads."""
        row = _one(_floating_ips(request, "show"), floating_ip_id)
        return Response({"floating_ip": _floating_ip(row)})

    @available(until=LAST)
    @documented("Give a floating IP back.", responses={202: None})
    def delete(self, request: WireRequest, floating_ip_id: str) -> Response:
        """Wherever it leads."""
        row = _one(_floating_ips(request, "delete"), floating_ip_id)
        delete_floating_ip(floating_ip=row, actor=request.actor, now=timezone.now())
        return Response(status=202)


def _one(rows: QuerySet[FloatingIP], floating_ip_id: str) -> FloatingIP:
    found = find(rows, floating_ip_id)
    if found is None:
        raise NotFound(f"Floating IP not found for ID {floating_ip_id}")
    return found


def _pool(wanted: str | None) -> Network | None:
    """By name, else by id; the first by name when none is wanted."""
    pools = _pools().order_by("name", "pk")
    if not wanted:
        return pools.first()
    return pools.filter(name=wanted).first() or find(pools, wanted)


def _pools() -> NetworkQuerySet:
    everything: Any = Network.objects.filter(is_external=True)
    return everything  # type: ignore[no-any-return]  # a manager of our querysets, typed as the plain one
