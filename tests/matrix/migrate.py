"""Live migrations and evacuations in the matrix."""

from __future__ import annotations

import dataclasses

from django.utils import timezone

from hypervisors.models import Hypervisor
from networks.models import Port
from operations.models import Operation, OperationState
from scheduling.models import Allocation
from servers.evacuation import Evacuation, evacuate_server
from servers.live_migration import LiveMove, live_migrate_server
from servers.models import Migration, Server
from servers.states import MigrationStatus, VmState
from tests.authorisation import actor_named
from tests.matrix.world import World, operation_of

OVER = (
    MigrationStatus.COMPLETED,
    MigrationStatus.CANCELLED,
    MigrationStatus.ERROR,
    MigrationStatus.FAILED,
)


def begin_live(world: World) -> Operation:
    """Ask for the move of the server that is there, or of a new one, from wherever it is."""
    server = Server.objects.filter(deleted_at=None).first() or world.make_active()
    actor = dataclasses.replace(actor_named("admin"), request_id=world.actor.request_id)
    live_migrate_server(
        server=Server.objects.get(pk=server.pk), move=LiveMove(), actor=actor, now=timezone.now()
    )
    return operation_of(server)


def begin_evacuation(world: World) -> Operation:
    """Ask for a server's way from a host that is said to be dead, and answers all the same."""
    Hypervisor.objects.update(is_forced_down=False)
    server = world.make_active()
    Hypervisor.objects.filter(name="host1").update(is_forced_down=True)
    actor = dataclasses.replace(actor_named("admin"), request_id=world.actor.request_id)
    fresh = Server.objects.get(pk=server.pk)
    evacuate_server(server=fresh, wanted=Evacuation(), actor=actor, now=timezone.now())
    return operation_of(server)


def has_left(world: World, operation: Operation) -> None:
    """The server runs on the other host with all it needs, and nothing of it on its old one."""
    assert operation.state == OperationState.DONE, operation.error
    world.settle()
    migration = Migration.objects.latest("id")
    assert migration.status == MigrationStatus.DONE
    server = Server.objects.get(pk=operation.subject)
    assert server.hypervisor == migration.destination
    _assert_whole(world, server)


def stays_or_is_new(world: World, operation: Operation) -> None:
    """As it was on its old host, or at its new one, where it is said that something went wrong."""
    assert operation.state == OperationState.FAILED
    world.settle()
    server = Server.objects.get(pk=operation.subject)
    assert server.task_state is None
    assert server.hypervisor is not None
    if server.hypervisor.name == "host1":
        _assert_whole(world, server)
        return
    assert server.vm_state in (VmState.ERROR, VmState.ACTIVE)
    assert [each.hypervisor for each in Allocation.objects.all()] == [server.hypervisor]
    assert world.left_on("host1") == []


def has_moved(world: World, operation: Operation) -> None:
    """The server runs on the other host with all it needs, and the first one is rid of it."""
    assert operation.state == OperationState.DONE, operation.error
    world.settle()
    migration = Migration.objects.latest("id")
    assert migration.status == MigrationStatus.COMPLETED
    server = Server.objects.get(pk=operation.subject)
    assert server.hypervisor == migration.destination
    _assert_whole(world, server)


def runs_somewhere(world: World, operation: Operation) -> None:
    """Where it was or, when that was found out too late, where it has gone; once, and whole."""
    assert operation.state == OperationState.FAILED
    world.settle()
    assert Migration.objects.latest("id").status in OVER
    _assert_whole(world, Server.objects.get(pk=operation.subject))


def _assert_whole(world: World, server: Server) -> None:
    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, None)
    assert server.hypervisor is not None
    [port] = Port.objects.all()
    assert [each.hypervisor for each in Allocation.objects.all()] == [server.hypervisor]
    with world.hosts.opened():
        host = world.hosts[server.hypervisor.name]
        assert host.guests[server.pk].power_state == "running"
        assert list(host.guests) == [server.pk]
        [pool] = host.pools.values()
        own = {f"{server.pk}{end}" for end in ("-root", "-config", "_console.log")}
        assert {name for name in pool.volumes if not name.startswith("base-")} == own
        assert sorted(host.filters) == [str(port.pk)]
        entries = [entry for network in host.networks.values() for entry in network.entries]
        assert [entry.mac for entry in entries] == [port.mac_address]
    for other in Hypervisor.objects.exclude(pk=server.hypervisor.pk):
        assert world.left_on(other.name) == []
