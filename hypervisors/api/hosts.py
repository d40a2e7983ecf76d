"""`/os-hosts`: the older view of hosts and their switches, until 2.42."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils import timezone
from rest_framework.response import Response

import hypervisors.rules  # noqa: F401 - declares the rules
from cloudportal.api.microversions import available
from cloudportal.api.openapi import documented, listed, wrapped
from cloudportal.api.query import ANY, QuerySchema
from cloudportal.api.representation import INTEGER, STRING, array, record
from cloudportal.api.validation import BodySchema, closed
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import NotOffered
from hypervisors.api.body import ram_mib_used
from hypervisors.api.services import all_services
from hypervisors.enable import HostChange, change_host
from hypervisors.errors import HypervisorNotFound
from hypervisors.models import Hypervisor
from hypervisors.occupants import occupants_of
from identity import policy

_RULE = "os_compute_api:os-hosts:"
LAST = "2.42"
LIST = QuerySchema({"zone": ANY})
_SWITCH = {"enum": ["enable", "Enable", "ENABLE", "disable", "Disable", "DISABLE"]}
UPDATE = BodySchema(closed({"status": _SWITCH, "maintenance_mode": _SWITCH}, minProperties=1))
_FIGURES = ("cpu", "memory_mb", "disk_gb")
HOST = record({"host_name": STRING, "service": STRING, "zone": STRING})
RESOURCE = record(
    {
        "resource": record(
            {"host": STRING, "project": STRING, **dict.fromkeys(_FIGURES, INTEGER)},
        )
    }
)
CHANGED = record(
    {"host": STRING},
    {
        "status": {"enum": ["enabled", "disabled"]},
        "maintenance_mode": {"enum": ["on_maintenance", "off_maintenance"]},
    },
)


def _find(name: str) -> Hypervisor:
    found = Hypervisor.objects.filter(name=name).first()
    if found is None:
        raise HypervisorNotFound(f"Compute host {name} could not be found.")
    return found


class HostsView(ComputeView):
    """All enabled services, by their hosts."""

    @available("2.1", LAST)
    @documented("List hosts.", query=LIST, responses={200: listed("hosts", HOST, links=None)})
    def get(self, request: WireRequest) -> Response:
        """Answer with those of the zone that is asked for, or all."""
        policy.require(request.actor, f"{_RULE}list")
        zone = request.query.get("zone")
        shown = [
            {
                "host_name": service.host,
                "service": service.binary.removeprefix("nova-"),
                "zone": service.zone,
            }
            for service in all_services(timezone.now())
            if service.status == "enabled" and (not zone or service.zone == zone)
        ]
        return Response({"hosts": shown})


class HostView(ComputeView):
    """One host: what it has, and who uses how much of it."""

    @available("2.1", LAST)
    @documented("Show a host's resources.", responses={200: wrapped("host", array(RESOURCE))})
    def get(self, request: WireRequest, name: str) -> Response:
        """Answer with the host's figures, then those of each project."""
        policy.require(request.actor, f"{_RULE}show")
        host = _find(name)
        rows = [
            ("(total)", (host.vcpus, host.ram_mib, host.disk_gib)),
            ("(used_now)", (host.vcpus_used, ram_mib_used(host), host.disk_gib_used)),
            *_used_by(host),
        ]
        return Response({"host": [_resource(host, name, figures) for name, figures in rows]})

    @available("2.1", LAST)
    @documented("Enable or disable a host.", request=UPDATE, responses={200: CHANGED})
    def put(self, request: WireRequest, name: str) -> Response:
        """Turn the switches in the body and answer how they are."""
        wanted = UPDATE.check(request.data)
        policy.require(request.actor, f"{_RULE}update")
        change = HostChange(
            is_enabled=_is_on(wanted, "status"), in_maintenance=_is_on(wanted, "maintenance_mode")
        )
        host = change_host(hypervisor=_find(name), change=change, actor=request.actor)
        answer: dict[str, Any] = {"host": name}
        if change.is_enabled is not None:
            answer["status"] = "enabled" if host.is_enabled else "disabled"
        if change.in_maintenance is not None:
            word = "on" if host.in_maintenance else "off"
            answer["maintenance_mode"] = f"{word}_maintenance"
        return Response(answer)


class _PowerView(ComputeView):
    def refuse(self, request: WireRequest, name: str, rule: str) -> Response:
        """Say that libvirt cannot, after the checks that come first."""
        policy.require(request.actor, f"{_RULE}{rule}")
        _find(name)
        raise NotOffered("The requested functionality is not supported.")


class StartUpView(_PowerView):
    """Switch a host on: libvirt cannot."""

    @available("2.1", LAST)
    @documented("Switch a host on.", faults={501})
    def get(self, request: WireRequest, name: str) -> Response:
        """Refuse."""
        return self.refuse(request, name, "start")


class ShutDownView(_PowerView):
    """Switch a host off: libvirt cannot."""

    @available("2.1", LAST)
    @documented("Switch a host off.", faults={501})
    def get(self, request: WireRequest, name: str) -> Response:
        """Refuse."""
        return self.refuse(request, name, "shutdown")


class RebootView(_PowerView):
    """Reboot a host: libvirt cannot."""

    @available("2.1", LAST)
    @documented("Reboot a host.", faults={501})
    def get(self, request: WireRequest, name: str) -> Response:
        """Refuse."""
        return self.refuse(request, name, "reboot")


def _is_on(wanted: Mapping[str, str], key: str) -> bool | None:
    return wanted[key].lower() == "enable" if key in wanted else None


def _used_by(host: Hypervisor) -> Iterable[tuple[str, tuple[int, int, int]]]:
    """The sum of what servers may use there, then of each project's."""
    occupants = occupants_of([host.pk])[host.pk]
    cpus: Counter[str] = Counter()
    memory: Counter[str] = Counter()
    disk: Counter[str] = Counter()
    for occupant in occupants:
        for name in ("(used_max)", occupant.project_id):
            cpus[name] += occupant.vcpus
            memory[name] += occupant.ram_mib
            disk[name] += occupant.disk_gib
    projects = dict.fromkeys(["(used_max)", *(each.project_id for each in occupants)])
    return [(name, (cpus[name], memory[name], disk[name])) for name in projects]


def _resource(host: Hypervisor, project: str, figures: tuple[int, int, int]) -> dict[str, Any]:
    return {
        "resource": {
            "host": host.name,
            "project": project,
            **dict(zip(_FIGURES, figures, strict=True)),
        }
    }
