"""`/os-services`: what runs the cloud, and the switch that takes a host out of service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from rest_framework.response import Response

import hypervisors.rules  # noqa: F401 - declares the rules
from cloudportal.api.microversions import Versioned
from cloudportal.api.openapi import documented, listed, wrapped
from cloudportal.api.query import ANY, QuerySchema
from cloudportal.api.representation import (
    BOOLEAN,
    INTEGER,
    STRING,
    Field,
    Representation,
    nullable,
    record,
)
from cloudportal.api.validation import BOOLEAN as BOOLEAN_LIKE
from cloudportal.api.validation import BodySchema, closed, is_true
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid, NotFound
from hypervisors.api.body import COMPUTE_BINARY, is_up, status_of
from hypervisors.api.lookup import UUIDS, parse_number, parse_uuid
from hypervisors.control_plane import HOST, ZONE, control_services
from hypervisors.enable import ServiceChange, change_service, remove_service
from hypervisors.models import Hypervisor
from hypervisors.zones import zones_of
from identity import policy

_FILTERS = {"host": ANY, "binary": ANY}
LIST = Versioned({"2.1": QuerySchema(_FILTERS), "2.75": QuerySchema(_FILTERS, closed=True)})
_NAME = {"type": "string", "minLength": 1, "maxLength": 255}
_REASON = {"type": "string", "minLength": 1, "maxLength": 255}
_WHICH = {"host": _NAME, "binary": {"type": "string", "minLength": 1, "maxLength": 255}}
SWITCH = BodySchema(closed(_WHICH, ["host", "binary"]))
DISABLE_WITH_REASON = BodySchema(
    closed({**_WHICH, "disabled_reason": _REASON}, ["host", "binary", "disabled_reason"])
)
FORCE_DOWN = BodySchema(
    closed({**_WHICH, "forced_down": BOOLEAN_LIKE}, ["host", "binary", "forced_down"])
)
UPDATE = BodySchema(
    closed(
        {
            "status": {"type": "string", "enum": ["enabled", "disabled"]},
            "disabled_reason": _REASON,
            "forced_down": BOOLEAN_LIKE,
        }
    )
)
ACTIONS = Versioned(
    {
        "2.1": {
            "enable": SWITCH,
            "disable": SWITCH,
            "disable-log-reason": DISABLE_WITH_REASON,
        },
        "2.11": {
            "enable": SWITCH,
            "disable": SWITCH,
            "disable-log-reason": DISABLE_WITH_REASON,
            "force-down": FORCE_DOWN,
        },
        "2.53": {},
    }
)
_ONLY_COMPUTE = "Updating a service is only supported for nova-compute services."


@dataclass(frozen=True)
class Service:
    """One line of the list."""

    number: int
    uuid: str
    binary: str
    host: str
    zone: str
    status: str
    is_up: bool
    is_forced_down: bool
    updated_at: datetime | None
    disabled_reason: str


def _instant(service: Service) -> str | None:
    at = service.updated_at
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%S.%f}"


SERVICE: Representation[Service] = Representation(
    Field("id", lambda service: service.number, INTEGER, until="2.52"),
    Field("id", lambda service: service.uuid, STRING, since="2.53"),
    Field("binary", lambda service: service.binary, STRING),
    Field("host", lambda service: service.host, STRING),
    Field("zone", lambda service: service.zone, STRING),
    Field("status", lambda service: service.status, STRING),
    Field("state", lambda service: "up" if service.is_up else "down", STRING),
    Field("updated_at", _instant, nullable(STRING)),
    Field("disabled_reason", lambda service: service.disabled_reason or None, nullable(STRING)),
    Field("forced_down", lambda service: service.is_forced_down, BOOLEAN, since="2.11"),
)


# Until 2.52 a switch answers with what it switched.
CHANGED = Versioned(
    {
        "2.1": record(
            {"host": STRING, "binary": STRING}, {"status": STRING, "disabled_reason": STRING}
        ),
        "2.11": record(
            {"host": STRING, "binary": STRING},
            {"status": STRING, "disabled_reason": STRING, "forced_down": BOOLEAN},
        ),
        "2.53": SERVICE,
    }
)


def compute_service(hypervisor: Hypervisor, zone: str) -> Service:
    """A host as a service."""
    return Service(
        number=hypervisor.pk,
        uuid=str(hypervisor.uuid),
        binary=COMPUTE_BINARY,
        host=hypervisor.name,
        zone=zone,
        status=status_of(hypervisor),
        is_up=is_up(hypervisor),
        is_forced_down=hypervisor.is_forced_down,
        updated_at=hypervisor.last_seen_at,
        disabled_reason=hypervisor.disabled_reason,
    )


def all_services(now: datetime) -> list[Service]:
    """Every service, hosts first."""
    hosts = list(Hypervisor.objects.order_by("pk"))
    zones = zones_of([host.pk for host in hosts])
    return [compute_service(host, zones[host.pk]) for host in hosts] + [
        Service(
            number=found.number,
            uuid=str(found.uuid),
            binary=found.binary,
            host=HOST,
            zone=ZONE,
            status="enabled",
            is_up=found.is_up,
            is_forced_down=False,
            updated_at=found.seen_at,
            disabled_reason="",
        )
        for found in control_services(now=now)
    ]


class ServicesView(ComputeView):
    """All services."""

    @documented("List services.", query=LIST, responses={200: listed("services", SERVICE)})
    def get(self, request: WireRequest) -> Response:
        """Answer with those that the filters leave."""
        query = request.query
        policy.require(request.actor, "os_compute_api:os-services:list")
        shown = [
            SERVICE.show(service, request.microversion)
            for service in all_services(timezone.now())
            if (query.get("host") or service.host) == service.host
            and (query.get("binary") or service.binary) == service.binary
        ]
        return Response({"services": shown})


class ServiceView(ComputeView):
    """One service: by its UUID from 2.53 on; before, the address is the name of an action."""

    @documented(
        "Change a service.",
        request=Versioned(
            {"2.1": DISABLE_WITH_REASON, "2.11": BodySchema({"type": "object"}), "2.53": UPDATE}
        ),
        responses={200: wrapped("service", CHANGED)},
    )
    def put(self, request: WireRequest, name: str) -> Response:
        """Do the action, or change the service."""
        actions = ACTIONS.at(request.microversion)
        if not actions:
            return self._update(request, name)
        if name not in actions:
            raise NotFound("Unknown action")
        body = actions[name].check(request.data)
        policy.require(request.actor, "os_compute_api:os-services:update")
        host = _host_of(body["host"], body["binary"])
        change_service(hypervisor=host, change=_change(name, body), actor=request.actor)
        answer: dict[str, Any] = {"host": host.name, "binary": COMPUTE_BINARY}
        if name == "force-down":
            answer["forced_down"] = host.is_forced_down
        else:
            answer["status"] = status_of(host)
        if name == "disable-log-reason":
            answer["disabled_reason"] = host.disabled_reason
        return Response({"service": answer})

    @documented("Forget a host and its service.", responses={204: None})
    def delete(self, request: WireRequest, name: str) -> Response:
        """Forget it, unless servers are there."""
        policy.require(request.actor, "os_compute_api:os-services:delete")
        remove_service(hypervisor=self._of_id(request, name), actor=request.actor)
        return Response(status=204)

    @staticmethod
    def _of_id(request: WireRequest, name: str) -> Hypervisor:
        """The host of a service's id, which is a number until 2.52."""
        own = control_services(now=timezone.now())
        if UUIDS.at(request.microversion):
            uuid = parse_uuid(name)
            found = Hypervisor.objects.filter(uuid=uuid).first()
            is_own = uuid in {service.uuid for service in own}
        else:
            number = parse_number(name)
            found = Hypervisor.objects.filter(pk=number).first()
            is_own = number in {service.number for service in own}
        if found is not None:
            return found
        if is_own:
            raise Invalid(_ONLY_COMPUTE)
        raise NotFound(f"Service {name} could not be found.")

    def _update(self, request: WireRequest, name: str) -> Response:
        parse_uuid(name)
        body = UPDATE.check(request.data)
        policy.require(request.actor, "os_compute_api:os-services:update")
        host = self._of_id(request, name)
        if not body:
            raise Invalid(
                "No updates were requested. Fields 'status' or 'forced_down' should be specified."
            )
        status = body.get("status")
        change = ServiceChange(
            is_enabled=None if status is None else status == "enabled",
            disabled_reason=body.get("disabled_reason"),
            is_forced_down=is_true(body["forced_down"]) if "forced_down" in body else None,
        )
        change_service(hypervisor=host, change=change, actor=request.actor)
        service = compute_service(host, zones_of([host.pk])[host.pk])
        return Response({"service": SERVICE.show(service, request.microversion)})


def _host_of(name: str, binary: str) -> Hypervisor:
    host = Hypervisor.objects.filter(name=name).first() if binary == COMPUTE_BINARY else None
    if host is not None:
        return host
    known = {service.binary for service in control_services(now=timezone.now())}
    if name == HOST and binary in known:
        raise Invalid(_ONLY_COMPUTE)
    raise NotFound(f"Could not find binary {binary} on host {name}.")


def _change(action: str, body: dict[str, Any]) -> ServiceChange:
    if action == "force-down":
        return ServiceChange(is_forced_down=is_true(body["forced_down"]))
    return ServiceChange(is_enabled=action == "enable", disabled_reason=body.get("disabled_reason"))
