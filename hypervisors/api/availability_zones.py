"""`/os-availability-zone`: the zones that servers can be put into."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

from django.utils import timezone
from rest_framework.response import Response

import hypervisors.rules  # noqa: F401 - declares the rules
from cloudportal.api.openapi import documented, listed
from cloudportal.api.query import NO_QUERY
from cloudportal.api.representation import OBJECT
from cloudportal.api.views import ComputeView, WireRequest
from hypervisors.api.services import Service, all_services
from hypervisors.control_plane import ZONE as INTERNAL
from identity import policy

ENABLED = "enabled"


def _zones(now: datetime) -> dict[str, list[Service]]:
    zones: dict[str, list[Service]] = defaultdict(list)
    for service in all_services(now):
        zones[service.zone].append(service)
    return dict(sorted(zones.items()))


def _is_available(services: list[Service]) -> bool:
    return any(service.status == ENABLED for service in services)


def _hosts(services: list[Service]) -> dict[str, Any]:
    hosts: dict[str, Any] = defaultdict(dict)
    for service in services:
        hosts[service.host][service.binary] = {
            "available": service.is_up,
            "active": service.status == ENABLED,
            "updated_at": (
                None if service.updated_at is None else f"{service.updated_at:%Y-%m-%dT%H:%M:%S.%f}"
            ),
        }
    return dict(hosts)


class AvailabilityZonesView(ComputeView):
    """The zones, without their hosts."""

    @documented(
        "List availability zones.",
        query=NO_QUERY,
        responses={200: listed("availabilityZoneInfo", OBJECT)},
    )
    def get(self, request: WireRequest) -> Response:
        """Answer with the list."""
        NO_QUERY.at(request.microversion).check(request.query_params)
        policy.require(request.actor, "os_compute_api:os-availability-zone:list")
        zones = [
            {
                "zoneName": name,
                "zoneState": {"available": _is_available(services)},
                "hosts": None,
            }
            for name, services in _zones(timezone.now()).items()
            if name != INTERNAL
        ]
        return Response({"availabilityZoneInfo": zones})


class AvailabilityZonesDetailView(ComputeView):
    """The zones with their hosts and services, the internal one too."""

    @documented(
        "List availability zones with their hosts.",
        query=NO_QUERY,
        responses={200: listed("availabilityZoneInfo", OBJECT)},
    )
    def get(self, request: WireRequest) -> Response:
        """Answer with the list."""
        NO_QUERY.at(request.microversion).check(request.query_params)
        policy.require(request.actor, "os_compute_api:os-availability-zone:detail")
        zones = []
        for name, services in _zones(timezone.now()).items():
            is_available = _is_available(services)
            zones.append(
                {
                    "zoneName": name,
                    "zoneState": {"available": is_available},
                    "hosts": _hosts(services) if is_available else None,
                }
            )
        return Response({"availabilityZoneInfo": zones})
