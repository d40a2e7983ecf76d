"""`/os-hypervisors`: the hosts and their figures, for administrators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import QueryDict
from rest_framework.response import Response

import hypervisors.rules  # noqa: F401 - declares the rules
from cloudportal.api import paging
from cloudportal.api.microversions import Microversion, Versioned, available
from cloudportal.api.openapi import documented, listed, wrapped
from cloudportal.api.query import ANY, NON_NEGATIVE_TEXT, QuerySchema
from cloudportal.api.representation import INTEGER, Representation, record
from cloudportal.api.validation import BOOLEAN, is_true
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid, NotOffered
from hypervisors.api.body import DETAIL, DETAIL_SCHEMA, SHORT, SHORT_SCHEMA, is_up
from hypervisors.api.lookup import find_host, hosts_with_figures, identifier_of, matching
from hypervisors.errors import HypervisorNotFound
from hypervisors.models import Hypervisor
from hypervisors.occupants import Occupant, occupants_of
from identity import policy

_RULE = "os_compute_api:os-hypervisors:"
_PAGE: dict[str, Any] = {"limit": NON_NEGATIVE_TEXT, "marker": ANY}
_PATTERN: dict[str, Any] = {
    **_PAGE,
    "hypervisor_hostname_pattern": {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "pattern": r"^[a-zA-Z0-9-._]*\Z",
    },
    "with_servers": BOOLEAN,
}
LIST = Versioned(
    {
        "2.1": QuerySchema({}),
        "2.33": QuerySchema(_PAGE),
        "2.53": QuerySchema(_PATTERN, closed=True, single=set(_PATTERN)),
    }
)
SHOW = Versioned(
    {
        "2.1": QuerySchema({}),
        "2.53": QuerySchema({"with_servers": BOOLEAN}, closed=True, single={"with_servers"}),
    }
)
PAGED = Versioned({"2.1": False, "2.33": True})
SUMMED = (
    *("vcpus", "vcpus_used", "memory_mb", "memory_mb_used", "free_ram_mb", "local_gb"),
    *("local_gb_used", "free_disk_gb", "running_vms", "current_workload", "disk_available_least"),
)
STATISTICS = record(dict.fromkeys(("count", *SUMMED), INTEGER))
ALWAYS_SERVERS = Versioned({"2.1": False, "2.75": True})


def _shown(
    shape: Representation[Hypervisor],
    host: Hypervisor,
    version: Microversion,
    occupants: Sequence[Occupant] | None,
) -> dict[str, Any]:
    shown = shape.show(host, version)
    if occupants or (occupants is not None and ALWAYS_SERVERS.at(version)):
        shown["servers"] = [
            {"uuid": str(occupant.uuid), "name": occupant.name} for occupant in occupants
        ]
    return shown


class _ListView(ComputeView):
    def answer(
        self, request: WireRequest, shape: Representation[Hypervisor], *path: str
    ) -> Response:
        """The hosts that the query asks for."""
        version = request.microversion
        query = request.query
        hosts, is_cut = self._selected(query, version)
        found = (
            occupants_of([host.pk for host in hosts])
            if is_true(query.get("with_servers", ""))
            else {}
        )
        body: dict[str, Any] = {
            "hypervisors": [_shown(shape, host, version, found.get(host.pk)) for host in hosts]
        }
        if is_cut:
            marker = identifier_of(hosts[-1], version)
            href = paging.next_link(self.link(*path), request.query_params, marker)
            body["hypervisors_links"] = [{"rel": "next", "href": href}]
        return Response(body)

    @staticmethod
    def _selected(query: QueryDict, version: Microversion) -> tuple[list[Hypervisor], bool]:
        hosts = hosts_with_figures()
        if "hypervisor_hostname_pattern" in query:
            if "limit" in query or "marker" in query:
                raise Invalid(
                    "Paging over hypervisors with the hypervisor_hostname_pattern query "
                    "parameter is not supported."
                )
            return matching(hosts, str(query["hypervisor_hostname_pattern"])), False
        if not PAGED.at(version):
            return list(hosts), False
        marker = None
        if query.get("marker"):
            try:
                marker = find_host(hosts, str(query["marker"]), version)
            except HypervisorNotFound:
                raise Invalid(f"Marker {query['marker']} could not be found.") from None
        limit = paging.parse_limit(query)
        page = paging.after(hosts, [paging.SortKey("pk")], marker, limit)
        return page, bool(page) and len(page) == limit


class HypervisorsView(_ListView):
    """All hosts, short."""

    @documented(
        "List hypervisors.", query=LIST, responses={200: listed("hypervisors", SHORT_SCHEMA)}
    )
    def get(self, request: WireRequest) -> Response:
        """Answer with the list."""
        policy.require(request.actor, f"{_RULE}list")
        return self.answer(request, SHORT, "os-hypervisors")


class HypervisorsDetailView(_ListView):
    """All hosts, whole."""

    @documented(
        "List hypervisors with details.",
        query=LIST,
        responses={200: listed("hypervisors", DETAIL_SCHEMA)},
    )
    def get(self, request: WireRequest) -> Response:
        """Answer with the list."""
        policy.require(request.actor, f"{_RULE}list-detail")
        return self.answer(request, DETAIL, "os-hypervisors", "detail")


class HypervisorView(ComputeView):
    """One host."""

    @documented(
        "Show a hypervisor.", query=SHOW, responses={200: wrapped("hypervisor", DETAIL_SCHEMA)}
    )
    def get(self, request: WireRequest, hypervisor_id: str) -> Response:
        """Answer with the host."""
        version = request.microversion
        query = request.query
        policy.require(request.actor, f"{_RULE}show")
        host = find_host(hosts_with_figures(), hypervisor_id, version)
        with_servers = is_true(query.get("with_servers", ""))
        occupants = occupants_of([host.pk])[host.pk] if with_servers else None
        return Response({"hypervisor": _shown(DETAIL, host, version, occupants)})


class StatisticsView(ComputeView):
    """The sums over all enabled hosts."""

    @available("2.1", "2.87")
    @documented(
        "Show the sums over all hypervisors.",
        responses={200: wrapped("hypervisor_statistics", STATISTICS)},
    )
    def get(self, request: WireRequest) -> Response:
        """Answer with the sums."""
        policy.require(request.actor, f"{_RULE}statistics")
        hosts = list(hosts_with_figures().filter(is_enabled=True))
        shown = [DETAIL.show(host, Microversion(2, 87)) for host in hosts]
        sums = {name: sum(host[name] or 0 for host in shown) for name in SUMMED}
        return Response({"hypervisor_statistics": {"count": len(hosts), **sums}})


class UptimeView(ComputeView):
    """How long a host has been up: libvirt does not tell."""

    @available("2.1", "2.87")
    @documented("Show a hypervisor's uptime.", responses={}, faults={501})
    def get(self, request: WireRequest, hypervisor_id: str) -> Response:
        """Refuse, after the checks that come first."""
        policy.require(request.actor, f"{_RULE}uptime")
        host = find_host(Hypervisor.objects.all(), hypervisor_id, request.microversion)
        if not is_up(host):
            raise Invalid(f"Compute service of {host.name} is unavailable at this time.")
        raise NotOffered("Virt driver does not implement uptime function.")


class SearchView(ComputeView):
    """Hosts by a part of their name."""

    @available("2.1", "2.52")
    @documented("Search hypervisors by name.", responses={200: listed("hypervisors", SHORT_SCHEMA)})
    def get(self, request: WireRequest, pattern: str) -> Response:
        """Answer with those that match."""
        policy.require(request.actor, f"{_RULE}search")
        hosts = matching(hosts_with_figures(), pattern)
        shown = [SHORT.show(host, request.microversion) for host in hosts]
        return Response({"hypervisors": shown})


class ServersView(ComputeView):
    """Hosts by a part of their name, with the servers on them."""

    @available("2.1", "2.52")
    @documented(
        "List the servers of hypervisors.", responses={200: listed("hypervisors", SHORT_SCHEMA)}
    )
    def get(self, request: WireRequest, pattern: str) -> Response:
        """Answer with those that match."""
        policy.require(request.actor, f"{_RULE}servers")
        hosts = matching(hosts_with_figures(), pattern)
        found = occupants_of([host.pk for host in hosts])
        shown = [_shown(SHORT, host, request.microversion, found[host.pk]) for host in hosts]
        return Response({"hypervisors": shown})
