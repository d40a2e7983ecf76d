"""Tells the hypervisors app which servers are on which host."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from hypervisors.occupants import Occupant
from servers.models import Server


def servers_on(hypervisor_keys: Collection[int]) -> Mapping[int, Sequence[Occupant]]:
    """The servers on each host, in one query however many hosts."""
    found: dict[int, list[Occupant]] = defaultdict(list)
    servers = Server.objects.filter(hypervisor__in=hypervisor_keys, deleted_at=None)
    for server in servers.only("id", "hypervisor_id").order_by("created_at", "id"):
        if server.hypervisor_id is not None:
            found[server.hypervisor_id].append(Occupant(server.id, server.domain_name))
    return found
