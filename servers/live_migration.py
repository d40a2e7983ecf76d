"""Move a running server to another host, end that, or force it to its end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from cloudportal.errors import Invalid
from hypervisors.models import Hypervisor
from hypervisors.move import hosts_unfit, obstacle
from hypervisors.pools import is_one_store
from identity import policy
from identity.actors import Actor
from scheduling.choose import choose_hosts
from scheduling.groups import with_group
from scheduling.network_needs import with_networks
from servers import history
from servers.action_log import record_action
from servers.attached_volumes import refuse_if_attached
from servers.begin import begin_action, check_legal, require
from servers.destination import spec_of_move
from servers.errors import (
    InvalidMigrationState,
    InvalidServerRequest,
    InvalidState,
    MigrationNotFound,
)
from servers.legal import LEGAL
from servers.models import Migration, Server
from servers.moves import new_departure
from servers.options import is_on_shared_store, pool_of, refuse_bound_disks
from servers.states import MigrationStatus, MigrationType, TaskState

ACTION = "os-migrateLive"
# What counts as under way, as the wire has it.
UNDER_WAY = (
    MigrationStatus.QUEUED,
    MigrationStatus.PREPARING,
    MigrationStatus.RUNNING,
    MigrationStatus.POST_MIGRATING,
)
NOT_BEGUN = (MigrationStatus.QUEUED, MigrationStatus.PREPARING)
ABORT = "abort"
FORCE_COMPLETE = "force_complete"
EVENTS = {
    ABORT: ("live_migration_cancel", "compute_live_migration_abort"),
    FORCE_COMPLETE: ("live_migration_force_complete", "compute_live_migration_force_complete"),
}


@dataclass(frozen=True)
class LiveMove:
    """How a server is to be moved.

    `host` "" lets the scheduler choose; a forced one is not asked whether it fits. `copies_disks`:
    None leaves it to the portal. `may_overcommit`: what the disks take counts, not what they may
    grow to. `checks_first`: what can be known beforehand is refused at once. `at_once`: so many
    may leave the host at a time, this one among them; 0 leaves it to the portal.
    """

    host: str = ""
    is_forced: bool = False
    copies_disks: bool | None = None
    may_overcommit: bool = True
    checks_first: bool = False
    at_once: int = 0


def live_migrate_server(*, server: Server, move: LiveMove, actor: Actor, now: datetime) -> None:
    """Move a running server to another host.

    Raises:
        InvalidServerRequest: there is no such host, or one to check first cannot take it; or the
            server has NUMA nodes or PCI devices.
        InvalidState: the server does not run, or a task is under way.
        VolumesAttached: it has volumes, which are on its host alone.
        DisksBound: its disks are block devices of its host.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor may not, or may not choose the host.
    """
    require(actor, LEGAL[ACTION], server)
    if move.host:
        rule = f"{LEGAL[ACTION].policy}:host"
        policy.require(actor, rule, project_id=server.project_id, user_id=server.user_id)
    check_legal(server, ACTION, actor)
    if move.host and not Hypervisor.objects.filter(name=move.host).exists():
        raise InvalidServerRequest(f"Compute host {move.host} could not be found.")
    _refuse_bound(server)
    refuse_bound_disks(server, server.hypervisor)
    if move.checks_first:
        _check(server, move)
    with transaction.atomic():
        migration = new_departure(
            server,
            MigrationType.LIVE,
            status=MigrationStatus.QUEUED,
            to=move.host,
            actor=actor,
            now=now,
        )
        begin_action(
            server,
            ACTION,
            kind="server.live_migrate",
            actor=actor,
            now=now,
            params={
                "migration": migration.pk,
                "host": move.host,
                "is_forced": move.is_forced,
                "copies_disks": move.copies_disks,
                "may_overcommit": move.may_overcommit,
                "at_once": move.at_once,
            },
        )
        # Its row is held now: none comes to it any more.
        refuse_if_attached(server)


def _refuse_bound(server: Server) -> None:
    """A running guest would keep the first host's cells, CPUs and devices on the second one."""
    if server.request_spec.get("numa"):
        raise InvalidServerRequest(
            "Migration pre-check error: Instance has an associated NUMA topology. Instance NUMA "
            "topologies, including related attributes such as CPU pinning, huge page and emulator "
            "thread pinning information, are not currently recalculated on live migration."
        )
    if server.request_spec.get("pci"):
        raise InvalidServerRequest(
            "Migration pre-check error: Instance has PCI devices of its host, which cannot go "
            "along while it runs."
        )


def _check(server: Server, move: LiveMove) -> None:
    """What the database alone knows to stand in the way."""
    source = server.hypervisor
    if source is None:
        raise InvalidState(f"Instance {server.pk} is not ready")
    refusal = disks_stay(server, source, move.copies_disks)
    if move.host and not refusal:
        refusal = obstacle(source, Hypervisor.objects.get(name=move.host))
    if refusal:
        raise InvalidServerRequest(f"Migration pre-check error: {refusal}.")
    spec = spec_of_move(server, host=move.host, is_forced=move.is_forced)
    spec = with_networks(with_group(spec, server.pk, lock=False), server.pk)
    choice = choose_hosts(spec, without=[source.name, *hosts_unfit(source)])
    if not choice.candidates:
        raise InvalidServerRequest(choice.refusal())


def disks_stay(
    server: Server, source: Hypervisor, copies_disks: bool | None, to: Hypervisor | None = None
) -> str:
    """Why a migration that copies no disks, or does, is refused; "": it is not.

    Without a destination it is asked whether any has the disks.
    """
    if copies_disks is None or (copies_disks and to is None):
        return ""
    if to is None:
        is_shared = is_on_shared_store(server, source)
    else:
        is_shared = is_one_store(source, to, pool_of(server, source).name)
    if copies_disks == (not is_shared):
        return ""
    if copies_disks:
        return "the server's disks are on shared storage, and block migration was asked for"
    return "the server's disks are on its host alone, and block migration was not asked for"


def under_way(server: Server) -> list[Migration]:
    """The server's live migrations under way; one at most."""
    rows = Migration.objects.filter(
        server_id=server.pk, type=MigrationType.LIVE, status__in=UNDER_WAY
    )
    return list(rows)


def find_under_way(server: Server, migration_id: str) -> Migration:
    """The server's live migration of this number.

    Raises:
        MigrationNotFound: there is none, or it is over.
    """
    found = _of_server(server, migration_id)
    if found is None or found.type != MigrationType.LIVE or found.status not in UNDER_WAY:
        raise MigrationNotFound(
            f"In-progress live migration {migration_id} is not found for server {server.pk}."
        )
    return found


def _of_server(server: Server, migration_id: str) -> Migration | None:
    if not migration_id.isascii() or not migration_id.isdigit() or len(migration_id) > 18:
        return None
    return Migration.objects.filter(server_id=server.pk, pk=int(migration_id)).first()


def abort_migration(
    *, server: Server, migration_id: str, before_it_runs: bool, actor: Actor, now: datetime
) -> None:
    """End a live migration; the server stays where it is.

    Args:
        server: the server.
        migration_id: the migration's number.
        before_it_runs: also one that only waits or prepares may be ended.
        actor: who asks.
        now: when.

    Raises:
        InvalidState: the server is not being migrated.
        MigrationNotFound: it has no such migration.
        InvalidState: the server runs at its destination already.
        InvalidMigrationState: that one is over, or has not begun.
    """
    statuses = (MigrationStatus.RUNNING, *(NOT_BEGUN if before_it_runs else ()))
    _ask(server, migration_id, ABORT, statuses, actor=actor, now=now)


def force_migration(*, server: Server, migration_id: str, actor: Actor, now: datetime) -> None:
    """Let a running live migration come to its end, though the guest halts meanwhile.

    Raises:
        InvalidState: the server is not being migrated.
        MigrationNotFound: it has no such migration.
        InvalidMigrationState: it does not run.
    """
    _ask(server, migration_id, FORCE_COMPLETE, (MigrationStatus.RUNNING,), actor=actor, now=now)


def _ask(
    server: Server,
    migration_id: str,
    asked: str,
    statuses: tuple[MigrationStatus, ...],
    *,
    actor: Actor,
    now: datetime,
) -> None:
    names = {ABORT: "abort live migration", FORCE_COMPLETE: FORCE_COMPLETE}
    if server.task_state != TaskState.MIGRATING:
        raise InvalidState(
            f"Cannot '{names[asked]}' instance {server.pk} while it is in task_state "
            f"{server.task_state}"
        )
    found = _of_server(server, migration_id)
    if found is None:
        raise MigrationNotFound(f"Migration {migration_id} not found for instance {server.pk}")
    action, event = EVENTS[asked]
    mine = Migration.objects.filter(pk=found.pk, type=MigrationType.LIVE, status__in=statuses)
    with transaction.atomic():
        if not mine.update(asked=asked, asked_request_id=actor.request_id):
            found.refresh_from_db()
            if asked == ABORT and found.status == MigrationStatus.POST_MIGRATING:
                raise InvalidState(
                    f"Cannot abort live migration {found.pk} of instance {server.pk}: it runs at "
                    "its destination already, and the rest of its memory is sent after it "
                    "(post-copy)."
                )
            raise InvalidMigrationState(
                f"Migration {found.pk} state of instance {server.pk} is {found.status}. Cannot "
                f"{names[asked]} while the migration is in this state."
            )
        record_action([server.pk], action, actor=actor, now=now)
        history.begin_event(
            server_id=server.pk,
            request_id=actor.request_id,
            event=event,
            host=found.source_name,
            now=now,
        )


def end_moves(server_id: UUID, *, now: datetime) -> None:
    """Note that whatever moved the server was given up for something else."""
    ends = (
        MigrationStatus.COMPLETED,
        MigrationStatus.CANCELLED,
        MigrationStatus.ERROR,
        MigrationStatus.FAILED,
        MigrationStatus.DONE,
    )
    types = (MigrationType.LIVE, MigrationType.EVACUATION)
    Migration.objects.filter(server_id=server_id, type__in=types).exclude(status__in=ends).update(
        status=MigrationStatus.CANCELLED, updated_at=now
    )


def refuse_force_without_host(*, is_forced: bool, host: str) -> None:
    """What is forced needs a host.

    Raises:
        Invalid: there is none.
    """
    if is_forced and not host:
        raise Invalid("Can't force to a non-provided destination")
