"""Tells the hypervisors app which servers are on which host."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from django.db.models import Q

from hypervisors.occupants import Occupant
from scheduling.models import Allocation
from scheduling.place import release_server
from servers.models import Server
from servers.moves import hosts_between
from servers.states import VmState


def servers_on(hypervisor_keys: Collection[int]) -> Mapping[int, Sequence[Occupant]]:
    """The servers on each host, in one query however many hosts."""
    found: dict[int, list[Occupant]] = defaultdict(list)
    servers = Server.objects.filter(hypervisor__in=hypervisor_keys, deleted_at=None)
    columns = ("id", "hypervisor_id", "project_id", "flavor", "adopted_name")
    for server in servers.only(*columns).order_by("created_at", "id"):
        if server.hypervisor_id is not None:
            found[server.hypervisor_id].append(_occupant(server))
    return found


def _occupant(server: Server) -> Occupant:
    flavor = server.flavor
    return Occupant(
        uuid=server.id,
        name=server.domain_name,
        project_id=server.project_id,
        vcpus=flavor.get("vcpus", 0),
        ram_mib=flavor.get("ram_mib", 0),
        disk_gib=flavor.get("disk_gib", 0) + flavor.get("ephemeral_gib", 0),
    )


def release_gone(hypervisor_key: int) -> None:
    """Give back what only debts hold of a host: their servers are deleted, or never got there."""
    # A build that has just claimed its room is not noted on its server yet.
    staying = Server.objects.alive().filter(
        Q(hypervisor=hypervisor_key) | Q(vm_state=VmState.BUILDING)
    )
    gone = Allocation.objects.filter(hypervisor=hypervisor_key).exclude(
        server_id__in=staying.values("pk")
    )
    # What a resized server may go back to is no debt.
    between = [key for key, hosts in hosts_between().items() if hypervisor_key in hosts]
    gone = gone.exclude(server_id__in=between)
    for server_id in list(gone.values_list("server_id", flat=True)):
        release_server(server_id=server_id, hypervisor_id=hypervisor_key)
