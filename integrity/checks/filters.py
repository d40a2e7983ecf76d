"""Does every port of a server here have its filter, unaltered, and nothing else one?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypervisors.links import filter_name
from hypervisors.survey import difference_of_filter
from integrity.found import Found
from integrity.states import FindingKind
from integrity.view import HostView
from networks.models import Port
from networks.wiring import port_filter
from servers.models import Server

_ID_LENGTH = 36


def check(view: HostView) -> Iterator[Found]:
    """Missing, altered and stale filters."""
    for server in view.settled:
        for port in view.facts.ports.get(server.pk, ()):
            yield from _of_port(view, server, port)
    used = {name for domain in view.seen.domains for name in domain.filters}
    for name in view.seen.filters:
        if name.lower() not in used:
            yield from _unused(view, name)


def _of_port(view: HostView, server: Server, port: Port) -> Iterator[Found]:
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
    difference = "" if rules is None else difference_of_filter(port_filter(port), rules)
    if difference:
        yield Found(
            kind=FindingKind.FILTER_CHANGED,
            summary=f"The filter of port {port.pk} of server {server.name} on {host} was changed "
            "by hand.",
            repair="The filter gets its rules again, at once for a running guest.",
            difference=difference,
            **common,
        )


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
