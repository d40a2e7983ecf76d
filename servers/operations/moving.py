"""What resizes, their confirmations and their reverts share: the move, its notes, its guest."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from django.utils import timezone

from hypervisors import guests
from hypervisors.guests import DiskSpec
from hypervisors.models import Hypervisor
from hypervisors.platforms import wish_within_reach
from hypervisors.pools import is_one_store
from networks import wiring
from operations.kinds import Context
from scheduling.errors import NoValidHost
from servers.config_drive import config_drive
from servers.guest_spec import guest_facts, guest_spec
from servers.models import Migration, Server
from servers.moves import as_moved, own
from servers.operations.build import zone_of
from servers.operations.facts import server_of
from servers.options import pool_of
from servers.states import MigrationStatus, TaskState, VmState

SCHEDULE, MIGRATE = "conductor_migrate_server", "cold_migrate"
PREPARE, SEND, FINISH = "compute_prep_resize", "compute_resize_instance", "compute_finish_resize"


@dataclass(frozen=True)
class Move:
    """A move and what it is of; `server` as its row says, on `source`."""

    server: Server
    migration: Migration
    source: Hypervisor
    destination: Hypervisor

    @property
    def stays(self) -> bool:
        """Whether the server stays on its host."""
        return self.source.pk == self.destination.pk

    @property
    def keeps_beside(self) -> bool:
        """Whether its disks are where they are to be, and are kept as they were beside."""
        return self.stays or is_one_store(
            self.source, self.destination, pool_of(self.server, self.destination).name
        )

    @property
    def is_to_run(self) -> bool:
        """Whether the guest ran when it began."""
        return bool(self.migration.before["vm_state"] == VmState.ACTIVE)

    def moved(self) -> Server:
        """The server, in memory alone, as it is to be."""
        return as_moved(self.server, self.migration, zone_of(self.destination))


def migration_of(context: Context) -> Migration:
    """The move's record, with its hosts."""
    rows = Migration.objects.select_related("source", "destination")
    return rows.get(pk=context.params["migration"])


def move_of(context: Context) -> Move:
    """The move once it has a destination.

    Raises:
        NoValidHost: one of its hosts was removed.
    """
    migration = migration_of(context)
    if migration.source is None or migration.destination is None:
        raise NoValidHost("A host of this move has been removed.")
    return Move(server_of(context), migration, migration.source, migration.destination)


def task(context: Context, state: TaskState) -> None:
    """The server's row says what is being done."""
    own(context.subject).update(task_state=state, updated_at=timezone.now())


def note(context: Context, status: MigrationStatus) -> None:
    """The record of the move says how far it is."""
    Migration.objects.filter(pk=context.params["migration"]).update(
        status=status, updated_at=timezone.now()
    )


def drive(server: Server) -> bytes | None:
    """The content of the server's config drive; None where it has none."""
    return config_drive(guest_facts(server)) if server.has_config_drive else None


def define_at(server: Server, host: Hypervisor, made: Sequence[DiskSpec]) -> None:
    """Have the guest of a server, as it is in memory, defined on a host, off."""
    wired = wiring.wire_ports(hypervisor=host, server_id=server.pk)
    wish = wish_within_reach(host)
    guests.define_guest(host, guest_spec(server, host, disks=made, wired=wired, wish=wish))


def start_with_leases(server: Server, host: Hypervisor, *, is_to_run: bool) -> None:
    """Have a server's addresses given by DHCP, also for a start later on, and start its guest."""
    leases = wiring.leases_of(server.pk)
    with ThreadPoolExecutor(1) as beside:
        leasing = beside.submit(
            wiring.lease_addresses, hypervisor=host, leases=leases, hostname=server.hostname
        )
        if is_to_run:
            guests.start_guest(host, server.pk)
        leasing.result()
