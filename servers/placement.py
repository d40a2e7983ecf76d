"""Where a new server may or must go: zones, hosts forced or asked for, scheduler hints."""

from __future__ import annotations

from dataclasses import dataclass

from hypervisors.models import DEFAULT_ZONE, Aggregate, Hypervisor
from identity import policy
from identity.actors import Actor
from servers.errors import InvalidServerRequest
from servers.wanted import CreateServers

MAX_ZONE_PARTS = 3


@dataclass(frozen=True)
class Placement:
    """The zone ("" is any), a forced host ("" is none), a forced node likewise."""

    zone: str = ""
    host: str = ""
    node: str = ""

    @property
    def is_forced(self) -> bool:
        """Whether filters are passed over."""
        return bool(self.host or self.node)


def parse_placement(wanted: CreateServers, actor: Actor) -> Placement:
    """Take `zone[:host[:node]]` apart and check who may force a host or ask for one.

    Raises:
        InvalidServerRequest: too many parts, or two ways to name a host at once.
        Forbidden: the actor may not choose a host.
    """
    parts = wanted.zone.split(":")
    if len(parts) > MAX_ZONE_PARTS:
        raise InvalidServerRequest("Unable to parse availability_zone")
    placement = Placement(*parts)
    if placement.is_forced:
        rule = "os_compute_api:servers:create:forced_host"
        policy.require(actor, rule, project_id=actor.project_id)
    if wanted.host or wanted.hypervisor_hostname:
        rule = "compute:servers:create:requested_destination"
        policy.require(actor, rule, project_id=actor.project_id)
        if placement.is_forced:
            raise InvalidServerRequest(
                "One mechanism with host and/or hypervisor_hostname and another mechanism with "
                "zone:host:node are mutually exclusive."
            )
    return placement


def check_zone(placement: Placement) -> None:
    """Refuse a zone without an enabled host; with a forced host the zone is not looked at.

    Raises:
        InvalidServerRequest: there is no such zone.
    """
    if placement.zone and not placement.is_forced and not zone_exists(placement.zone):
        raise InvalidServerRequest("The requested availability zone is not available")


def zone_exists(zone: str) -> bool:
    """Whether an enabled host stands in the zone; hosts without one are in the default zone."""
    if Aggregate.objects.filter(availability_zone=zone, hypervisors__is_enabled=True).exists():
        return True
    if zone != DEFAULT_ZONE:
        return False
    enabled = Hypervisor.objects.filter(is_enabled=True)
    return enabled.exclude(aggregates__availability_zone__gt="").exists()


def forced_host(placement: Placement) -> str:
    """The name of the host that is forced, "" when none is; a node is a host's own host name."""
    if placement.host or not placement.node:
        return placement.host
    found = Hypervisor.objects.filter(hostname=placement.node).values_list("name", flat=True)
    return found.first() or placement.node


def requested_host(wanted: CreateServers) -> str:
    """The name of the host that is asked for (and must pass the filters), "" when none is.

    Raises:
        InvalidServerRequest: there is no such host.
    """
    if not wanted.host and not wanted.hypervisor_hostname:
        return ""
    hosts = Hypervisor.objects.all()
    if wanted.host:
        hosts = hosts.filter(name=wanted.host)
    if wanted.hypervisor_hostname:
        hosts = hosts.filter(hostname=wanted.hypervisor_hostname)
    name = hosts.values_list("name", flat=True).first()
    if name is None:
        asked = wanted.host or wanted.hypervisor_hostname
        raise InvalidServerRequest(f"Compute host {asked} could not be found.")
    return name
