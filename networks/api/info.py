"""What the network service says about itself: versions, extensions, quotas, zones."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.errors import NotFound
from identity import policy
from networks.api.representation import ZONE
from networks.api.views import NetworkView, actor_of
from networks.errors import AutoAllocationFailure
from networks.lookup import find_only_network
from networks.models import SecurityGroup
from quotas.consume import default_limits, limits, usage
from quotas.resources import UNLIMITED

# By alias the name and what it is; clients look extensions up by both.
_EXTENSIONS = {
    "security-group": ("security-group", "The security groups extension, to be read."),
    "external-net": ("Neutron external network", "Networks that lie beyond the hosts."),
    "router": ("Neutron L3 Router", "Routers, and floating IPs from external networks."),
    "fip-port-details": ("Floating IP Port Details Extension", "The port a floating IP leads to."),
    "provider": ("Provider Network", "What networks lie on."),
    "binding": ("Port Binding", "Where a port's server runs."),
    "quotas": ("Quota management support", "Limits of projects, to be read."),
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
    "pagination": ("Pagination support", "Pages of lists."),
    "sorting": ("Sorting support", "Order of lists."),
}
_UPDATED = "2026-01-01T00:00:00-00:00"
_RESOURCES = (
    "network", "subnet", "port", "router", "floatingip", "security-group", "security-group-rule",
    "quota",
)  # fmt: skip
_QUOTAS = {
    "network": "networks",
    "subnet": "subnets",
    "port": "ports",
    "router": "routers",
    "floatingip": "floating_ips",
    "security_group": "security_groups",
    "security_group_rule": "security_group_rules",
}


class Versions(NetworkView):
    """The version document; it needs no token."""

    authentication_classes = ()
    permission_classes = ()

    def get(self, request: Request) -> Response:
        """The one version."""
        links = [{"rel": "self", "href": f"{self.base_url}/v2.0/"}]
        return Response({"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]})


class Resources(NetworkView):
    """What the version has."""

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

    def get(self, request: Request) -> Response:
        """All of them."""
        return Response({"extensions": [_extension(alias) for alias in _EXTENSIONS]})


class Extension(NetworkView):
    """One extension."""

    def get(self, request: Request, alias: str) -> Response:
        """The extension.

        Raises:
            NotFound: this cloud does not have it.
        """
        if alias not in _EXTENSIONS:
            raise NotFound(f"Extension with alias {alias} does not exist")
        return Response({"extension": _extension(alias)})


class Quota(NetworkView):
    """The limits of a project."""

    def get(self, request: Request, project_id: str) -> Response:
        """Its own limits, or the defaults where it has none."""
        policy.require(actor_of(request), "get_network_quota", project_id=project_id)
        return Response({"quota": _shown(limits(project_id))})

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """The project in the address is whose quota it is, not whose the request is."""
        project_id = self.kwargs.pop("project_id")
        super().initial(request, *args, **kwargs)
        self.kwargs["project_id"] = project_id


class QuotaDefault(Quota):
    """The limits that hold where no other are set."""

    def get(self, request: Request, project_id: str) -> Response:
        """The defaults."""
        policy.require(actor_of(request), "get_network_quota", project_id=project_id)
        return Response({"quota": _shown(default_limits())})


class QuotaDetails(Quota):
    """Limits beside what is used."""

    def get(self, request: Request, project_id: str) -> Response:
        """Each resource with both."""
        policy.require(actor_of(request), "get_network_quota", project_id=project_id)
        used = usage(project_id)
        # The default group comes by itself, outside the quota's books.
        groups = SecurityGroup.objects.filter(project_id=project_id)
        used["security_groups"] = groups.count()
        used["security_group_rules"] = groups.filter(rules__isnull=False).count()
        quota = {
            name: {"limit": limit, "used": used[_QUOTAS[name]], "reserved": 0}
            for name, limit in _shown(limits(project_id)).items()
            if name in _QUOTAS
        }
        return Response({"quota": quota})


def _shown(known: dict[str, int]) -> dict[str, int]:
    counted = {name: known[resource] for name, resource in _QUOTAS.items()}
    return {**counted, "rbac_policy": UNLIMITED, "subnetpool": UNLIMITED}


class AvailabilityZones(NetworkView):
    """Where networks can be: everywhere, for every host makes them."""

    def get(self, request: Request) -> Response:
        """The one zone."""
        zone = {"name": ZONE, "resource": "network", "state": "available"}
        return Response({"availability_zones": [zone]})


class AutoAllocatedTopology(Quota):
    """The network a project gets when it names none."""

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


class NoSuchResource(NetworkView):
    """Resources of extensions that this cloud does not have."""

    is_catch_all = True

    def get(self, request: Request, **_: str) -> Response:
        """Not found, as from a service without the extension."""
        raise NotFound("The resource could not be found.")

    post = put = delete = get
