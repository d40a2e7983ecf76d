"""`/os-availability-zone`: the zones that servers can be put into."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

from django.utils import timezone
from rest_framework.response import Response

import hypervisors.rules  # noqa: F401 - declares the rules
from cloudportal.api.openapi import Dated, documented, listed
from cloudportal.api.representation import BOOLEAN, NULL, STRING, mapping, nullable, record
from cloudportal.api.views import ComputeView, WireRequest
from hypervisors.api.services import Service, all_services
from hypervisors.control_plane import ZONE as INTERNAL
from identity import policy

ENABLED = "enabled"
_SERVICE = record({"available": BOOLEAN, "active": BOOLEAN, "updated_at": nullable(STRING)})


def _form(hosts: dict[str, Any]) -> Dated:
    state = record({"available": BOOLEAN})
    zone = record({"zoneName": STRING, "zoneState": state, "hosts": hosts})
    return listed("availabilityZoneInfo", zone, links=None)


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
        if service.status != ENABLED:
            continue
        hosts[service.host][service.binary] = {
            "available": service.is_up,
            "active": True,
            "updated_at": (
                None if service.updated_at is None else f"{service.updated_at:%Y-%m-%dT%H:%M:%S.%f}"
            ),
        }
    return dict(hosts)


class AvailabilityZonesView(ComputeView):
    """The zones, without their hosts."""

    @documented(
        "List availability zones.",
        responses={200: _form(NULL)},
    )
    def get(self, request: WireRequest) -> Response:
        """Answer with the list."""
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
        responses={200: _form(nullable(mapping(mapping(_SERVICE))))},
    )
    def get(self, request: WireRequest) -> Response:
        """Answer with the list."""
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
