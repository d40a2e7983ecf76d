"""The records of cold moves: resizes and migrations of servers that are off meanwhile."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from flavors.models import Flavor
from hypervisors.models import Hypervisor
from identity.actors import Actor
from servers.errors import InvalidState
from servers.models import Migration, Server, ServerQuerySet
from servers.states import MigrationStatus, MigrationType, TaskState, VmState

COLD = (MigrationType.RESIZE, MigrationType.MIGRATION)
UNDER_WAY = (
    MigrationStatus.PRE_MIGRATING,
    MigrationStatus.MIGRATING,
    MigrationStatus.POST_MIGRATING,
)
# While it is one of these, the server has something on both hosts.
UNSETTLED = (
    *UNDER_WAY,
    MigrationStatus.FINISHED,
    MigrationStatus.CONFIRMING,
    MigrationStatus.REVERTING,
)
TASKS = (
    TaskState.RESIZE_PREP,
    TaskState.RESIZE_MIGRATING,
    TaskState.RESIZE_MIGRATED,
    TaskState.RESIZE_FINISH,
)
# What comes back with a revert.
_BEFORE = ("vm_state", "flavor", "request_spec", "availability_zone", "power_state")


def new_move(
    server: Server,
    *,
    flavor: dict[str, Any],
    request_spec: dict[str, Any],
    actor: Actor,
    now: datetime,
) -> Migration:
    """Write the record of a move that begins; the flavor is the server's own for a migration.

    One that never came to its end is given up with it.
    """
    end_cold_moves(server.pk, now=now)
    is_resize = flavor["flavorid"] != server.flavor["flavorid"]
    names = {server.flavor["flavorid"], flavor["flavorid"]}
    keys = dict(Flavor.objects.filter(flavorid__in=names).values_list("flavorid", "pk"))
    source = server.hypervisor
    return Migration.objects.create(
        server_id=server.pk,
        type=MigrationType.RESIZE if is_resize else MigrationType.MIGRATION,
        status=MigrationStatus.PRE_MIGRATING,
        source=source,
        source_name=source.name if source else "",
        source_node=source.hostname or source.name if source else "",
        old_flavor_id=keys.get(server.flavor["flavorid"]),
        new_flavor_id=keys.get(flavor["flavorid"]),
        old_flavor=server.flavor,
        new_flavor=flavor,
        before={
            **{name: getattr(server, name) for name in _BEFORE},
            "new_request_spec": request_spec,
        },
        user_id=actor.user_id,
        project_id=actor.project_id or "",
        request_id=actor.request_id,
        created_at=now,
        updated_at=now,
    )


def new_departure(
    server: Server,
    kind: MigrationType,
    *,
    status: MigrationStatus,
    to: str,
    actor: Actor,
    now: datetime,
) -> Migration:
    """Write the record of a move that takes the server away as it is; `to` is "" for any host.

    Raises:
        InvalidState: it is on no host.
    """
    source = server.hypervisor
    if source is None:
        raise InvalidState(f"Instance {server.pk} is not ready")
    flavor = Flavor.objects.filter(flavorid=server.flavor["flavorid"])
    key = flavor.values_list("pk", flat=True).first()
    return Migration.objects.create(
        server_id=server.pk,
        type=kind,
        status=status,
        source=source,
        source_name=source.name,
        source_node=source.hostname,
        destination_name=to,
        old_flavor_id=key,
        new_flavor_id=key,
        old_flavor=server.flavor,
        new_flavor=server.flavor,
        user_id=actor.user_id,
        project_id=actor.project_id or "",
        request_id=actor.request_id,
        created_at=now,
        updated_at=now,
    )


def goes_to(host: Hypervisor) -> dict[str, object]:
    """The fields of a move whose destination is known."""
    return {
        "destination": host,
        "destination_name": host.name,
        "destination_node": host.hostname or host.name,
        "destination_address": host.host_ip,
    }


def waiting_move(server_id: UUID) -> Migration | None:
    """The server's move that waits to be confirmed or reverted."""
    rows = Migration.objects.select_related("source", "destination").filter(
        server_id=server_id, type__in=COLD, status=MigrationStatus.FINISHED
    )
    return rows.order_by("-pk").first()


def end_cold_moves(server_id: UUID, *, now: datetime, confirmed: bool = False) -> None:
    """Note that whatever moved the server is over: given up, or confirmed by the server's end."""
    rows = Migration.objects.filter(server_id=server_id, type__in=COLD)
    if confirmed:
        settled = (MigrationStatus.FINISHED, MigrationStatus.CONFIRMING)
        rows.filter(status__in=settled).update(status=MigrationStatus.CONFIRMED, updated_at=now)
    rows.filter(status__in=UNSETTLED).update(status=MigrationStatus.ERROR, updated_at=now)


def hosts_between() -> dict[UUID, set[int]]:
    """The hosts (keys) of moves that are not settled, by server: it has something on both.

    Where it was is what it goes back to when the move is reverted.
    """
    at_it = Q(vm_state=VmState.RESIZED) | Q(task_state__in=TASKS)
    rows = Migration.objects.filter(
        type__in=COLD,
        status__in=UNSETTLED,
        server_id__in=Server.objects.alive().filter(at_it).values("pk"),
    )
    found: dict[UUID, set[int]] = defaultdict(set)
    for server_id, *hosts in rows.values_list("server_id", "source", "destination"):
        found[server_id].update(host for host in hosts if host is not None)
    return found


def own(server_id: UUID) -> ServerQuerySet:
    """The server's row while a move is at it."""
    return Server.objects.alive().filter(pk=server_id, task_state__in=TASKS)


def as_moved(server: Server, migration: Migration, zone: str) -> Server:
    """The server, in memory alone, as it is to be on its destination."""
    server.flavor = migration.new_flavor
    server.request_spec = migration.before["new_request_spec"]
    server.hypervisor = migration.destination
    server.availability_zone = zone
    server.generation += 1
    return server


def as_before(server: Server, migration: Migration) -> Server:
    """The server, in memory alone, as it was on its source."""
    server.flavor = migration.before["flavor"]
    server.request_spec = migration.before["request_spec"]
    server.hypervisor = migration.source
    server.availability_zone = migration.before["availability_zone"]
    return server


def amounts_of(flavor: dict[str, Any]) -> dict[str, int]:
    """What of a flavor counts against the quota."""
    return {"cores": flavor["vcpus"], "ram": flavor["ram_mib"]}
