"""Does every port of a server here have its filter, unaltered, and nothing else one?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from hypervisors.links import FilterSpec, filter_name
from hypervisors.survey import difference_of_filter
from integrity.facts import CLOCK_MARGIN
from integrity.found import Found
from integrity.states import FindingKind
from integrity.view import HostView
from networks.models import Port
from networks.packet_rules import port_filters
from servers.models import Server

_ID_LENGTH = 36


def check(view: HostView) -> Iterator[Found]:
    """Missing, altered and stale filters."""
    ports = [port for server in view.settled for port in view.facts.ports.get(server.pk, ())]
    wanted = port_filters(ports)
    for server in view.settled:
        for port in view.facts.ports.get(server.pk, ()):
            yield from _of_port(view, server, port, wanted[port.pk])
    used = {name for domain in view.seen.domains for name in domain.filters}
    for name in view.seen.filters:
        if name.lower() not in used:
            yield from _unused(view, name)


def _of_port(view: HostView, server: Server, port: Port, wanted: FilterSpec) -> Iterator[Found]:
    name = filter_name(str(port.pk))
    host = view.hypervisor.name
    common: dict[str, Any] = {
        "about": str(port.pk),
        "subject": server.name,
        "action": "filter.ensure",
        "args": {"port": str(port.pk)},
        "server_id": server.pk,
        "hypervisor_id": view.hypervisor.pk,
    }
    if name not in view.seen.filters:
        yield Found(
            kind=FindingKind.FILTER_MISSING,
            summary=f"{host} does not have the filter of port {port.pk} of server {server.name}.",
            repair="The filter is defined again.",
            **common,
        )
        return
    rules = view.seen.filters[name]
    if rules is None or view.facts.filters_in_flux or _is_changing(port, view.facts.started_at):
        return
    difference = difference_of_filter(wanted, rules)
    if difference:
        yield Found(
            kind=FindingKind.FILTER_CHANGED,
            summary=f"The filter of port {port.pk} of server {server.name} on {host} was changed "
            "by hand.",
            repair="The filter gets its rules again, at once for a running guest.",
            difference=difference,
            **common,
        )


def _is_changing(port: Port, started_at: datetime) -> bool:
    """Whether changed rules are on their way to the host, or arrived while it was looked at."""
    if port.filter_wanted != port.filter_applied:
        return True
    return port.filter_applied_at is not None and port.filter_applied_at > started_at - CLOCK_MARGIN


def _unused(view: HostView, name: str) -> Iterator[Found]:
    """No domain has it; a domain that nobody knows is a matter of its own."""
    port_id = name[-_ID_LENGTH:]
    owner = view.facts.filter_owners.get(port_id)
    if owner in view.facts.servers or owner in view.facts.busy.servers:
        return
    known = port_id in view.facts.filter_owners
    whose = "a port that no server here has" if known else "a port that does not exist"
    yield Found(
        kind=FindingKind.FILTER_STALE,
        about=port_id,
        subject=name,
        summary=f"{view.hypervisor.name} still has the filter {name} of {whose}.",
        repair="The filter is removed; nothing uses it.",
        action="filter.remove",
        args={"port": port_id},
        hypervisor_id=view.hypervisor.pk,
        is_doubtful=True,
    )
