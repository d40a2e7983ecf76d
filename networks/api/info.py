"""What the network service says about itself: versions, extensions, quotas, zones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from cloudportal.api.query import ANY, QuerySchema
from cloudportal.errors import NotFound
from hypervisors.models import HostState, Hypervisor
from hypervisors.zones import zones_of
from identity import policy
from identity.actors import Actor
from networks.api.base import ItemView, ListView, NetworkView, actor_of
from networks.api.listing import FIELDS, Resource, boolean, identifier, text
from networks.api.quotas import OfProject
from networks.api.representation import ZONE
from networks.api.shapes import (
    AGENT_SHAPE,
    EXTENSION_SHAPE,
    EXTENSIONS_SHAPE,
    RESOURCES_SHAPE,
    TOPOLOGY_SHAPE,
    VERSIONS_SHAPE,
    ZONES_SHAPE,
)
from networks.errors import AgentNotFound, AutoAllocationFailure
from networks.lookup import find_only_network

# By alias the name and what it is; clients look extensions up by both.
_EXTENSIONS = {
    "security-group": ("security-group", "Security groups and their rules."),
    "external-net": ("Neutron external network", "Networks that lie beyond the hosts."),
    "router": ("Neutron L3 Router", "Routers, and floating IPs from external networks."),
    "fip-port-details": ("Floating IP Port Details Extension", "The port a floating IP leads to."),
    "provider": ("Provider Network", "What networks lie on."),
    "binding": ("Port Binding", "Where a port's server runs."),
    "quotas": ("Quota management support", "Limits of projects."),
    "quota_details": ("Quota details management support", "Limits beside what is used."),
    "project-id": ("project_id field enabled", "project_id beside tenant_id."),
    "net-mtu": ("Network MTU", "The MTU of a network."),
    "availability_zone": ("Availability Zone", "Availability zones."),
    "network_availability_zone": ("Network Availability Zone", "Zones of networks."),
    "auto-allocated-topology": (
        "Auto Allocated Topology Services",
        "The network that a project gets without asking.",
    ),
    "standard-attr-description": ("standard-attr-description", "A description of everything."),
    "standard-attr-timestamp": ("standard-attr-timestamp", "When things were made and changed."),
    "standard-attr-revisions": ("standard-attr-revisions", "How often things were changed."),
    "standard-attr-tag": ("Tag support for resources with standard attribute", "Tags."),
    "revision-if-match": ("If-Match constraints based on revision_number", "412 when stale."),
    "port-security": ("Port Security", "Ports whose guests may send as anybody."),
    "allowed-address-pairs": ("Allowed Address Pairs", "Whom a port's guest may send as besides."),
    "rbac-policies": ("RBAC Policies", "Networks that are lent to other projects."),
    "agent": ("agent", "The hosts, which make the networks."),
    "router_availability_zone": ("Router Availability Zone", "Zones of routers."),
    "ip-substring-filtering": ("IP address substring filtering", "Ports by some of an address."),
    "quota-check-limit": ("Quota engine limit check", "Limits checked against what is used."),
    "security-groups-normalized-cidr": (
        "Normalized CIDR field for security group rules",
        "The network that a rule means.",
    ),
    "pagination": ("Pagination support", "Pages of lists."),
    "sorting": ("Sorting support", "Order of lists."),
}
_AGENT = "libvirt"
_UPDATED = "2026-01-01T00:00:00-00:00"
_RESOURCES = (
    "network", "subnet", "port", "router", "floatingip", "security-group", "security-group-rule",
    "rbac-policy", "agent", "quota",
)  # fmt: skip


class Versions(NetworkView):
    """The version document; it needs no token."""

    authentication_classes = ()
    permission_classes = ()

    @documented("List the versions.", responses={200: VERSIONS_SHAPE})
    def get(self, request: Request) -> Response:
        """The one version."""
        links = [{"rel": "self", "href": f"{self.base_url}/v2.0/"}]
        return Response({"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]})


class Resources(NetworkView):
    """What the version has."""

    @documented("List the resources of the version.", responses={200: RESOURCES_SHAPE})
    def get(self, request: Request) -> Response:
        """Names and addresses of the resources."""
        resources = [
            {
                "name": name.replace("-", "_"),
                "collection": f"{name.replace('-', '_')}s",
                "links": [{"rel": "self", "href": f"{self.base_url}/v2.0/{name}s"}],
            }
            for name in _RESOURCES
        ]
        return Response({"resources": resources})


def _extension(alias: str) -> dict[str, Any]:
    return {
        "alias": alias,
        "name": _EXTENSIONS[alias][0],
        "description": _EXTENSIONS[alias][1],
        "updated": _UPDATED,
        "links": [],
    }


class Extensions(NetworkView):
    """What is offered beyond the core."""

    @documented("List extensions.", responses={200: EXTENSIONS_SHAPE})
    def get(self, request: Request) -> Response:
        """All of them."""
        return Response({"extensions": [_extension(alias) for alias in _EXTENSIONS]})


class Extension(NetworkView):
    """One extension."""

    @documented("Show one extension.", responses={200: EXTENSION_SHAPE})
    def get(self, request: Request, alias: str) -> Response:
        """The extension.

        Raises:
            NotFound: this cloud does not have it.
        """
        if alias not in _EXTENSIONS:
            raise NotFound(f"Extension with alias {alias} does not exist")
        return Response({"extension": _extension(alias)})


class AvailabilityZones(NetworkView):
    """Where networks can be: everywhere, for every host makes them."""

    @documented(
        "List availability zones.",
        query=QuerySchema(dict.fromkeys(("name", "resource", "state"), ANY)),
        responses={200: ZONES_SHAPE},
    )
    def get(self, request: Request) -> Response:
        """The one zone."""
        query = request.query_params
        zones = [
            {"name": ZONE, "resource": resource, "state": "available"}
            for resource in ("network", "router")
        ]
        asked = {name: set(query.getlist(name)) for name in zones[0] if name in query}
        found = [
            zone for zone in zones if all(zone[name] in values for name, values in asked.items())
        ]
        return Response({"availability_zones": found})


class AutoAllocatedTopology(OfProject):
    """The network a project gets when it names none."""

    @documented(
        "Show the network that a project gets without asking.",
        query=FIELDS,
        responses={200: TOPOLOGY_SHAPE},
        faults=[409],
    )
    def get(self, request: Request, project_id: str) -> Response:
        """The only network that the project can use.

        Raises:
            AutoAllocationFailure: there is none, or several.
        """
        policy.require(actor_of(request), "get_network", project_id=project_id)
        network = find_only_network(project_id)
        if network is None:
            raise AutoAllocationFailure(
                "Unable to auto allocate topology for tenant "
                f"{project_id}: no single network can be chosen."
            )
        dry_run = "dry-run" in request.query_params.getlist("fields")
        topology = {
            "id": "dry-run=pass" if dry_run else str(network.pk),
            "tenant_id": project_id,
            "project_id": project_id,
        }
        return Response({"auto_allocated_topology": topology})

    @documented("Let go of that network, which stays as it is.", responses={204: None})
    def delete(self, request: Request, project_id: str) -> Response:
        """Nothing was made for the project alone, so nothing goes."""
        policy.require(actor_of(request), "delete_auto_allocated_topology", project_id=project_id)
        return Response(status=204)


def _attach_zones(rows: Sequence[Hypervisor]) -> None:
    zones = zones_of([row.pk for row in rows])
    for row in rows:
        row.zone = zones[row.pk]  # type: ignore[attr-defined]  # for the body alone


def agent_body(host: Hypervisor, actor: Actor) -> dict[str, Any]:
    """A host; there is no agent on it: its libvirt makes the networks."""
    seen = host.last_seen_at or host.created_at
    return {
        "id": str(host.uuid),
        "agent_type": _AGENT,
        "binary": "libvirtd",
        "topic": "N/A",
        "host": host.name,
        "availability_zone": getattr(host, "zone", ZONE),
        "alive": _is_alive(host),
        "admin_state_up": host.is_enabled,
        "description": "",
        "configurations": {"libvirt_version": host.libvirt_version},
        "created_at": moment(host.created_at),
        "started_at": moment(host.booted_at or host.created_at),
        "heartbeat_timestamp": moment(seen),
        "resources_synced": None,
    }


def moment(at: datetime) -> str:
    """The agents' form of a time: UTC, without saying so."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _is_alive(host: Hypervisor) -> bool:
    return host.state == HostState.UP and not host.is_forced_down


def _alive(value: str) -> Q:
    up = Q(state=HostState.UP, is_forced_down=False)
    return up if boolean(value) else ~up


AGENT = Resource(
    "agent",
    "agents",
    agent_body,
    AGENT_SHAPE,
    {
        "id": ("uuid", identifier),
        "host": ("name", text),
        "admin_state_up": ("is_enabled", boolean),
    },
    constants={"agent_type": _AGENT, "binary": "libvirtd", "topic": "N/A"},
    conditions={"alive": _alive},
    key="uuid",
    attach=_attach_zones,
)


class Agents(ListView):
    """The hosts, as what makes networks."""

    resource = AGENT

    def rows(self, actor: Actor) -> QuerySet[Hypervisor]:
        """All of them, for administrators."""
        policy.require(actor, "get_agent")
        return Hypervisor.objects.all()


class OneAgent(ItemView):
    """A host."""

    resource = AGENT
    not_found = AgentNotFound
    label = "Agent"

    def rows(self, actor: Actor) -> QuerySet[Hypervisor]:
        """All of them, for administrators."""
        policy.require(actor, "get_agent")
        return Hypervisor.objects.all()


class NoSuchResource(NetworkView):
    """Resources of extensions that this cloud does not have."""

    is_catch_all = True

    def get(self, request: Request, **_: str) -> Response:
        """Not found, as from a service without the extension."""
        raise NotFound("The resource could not be found.")

    post = put = delete = get
