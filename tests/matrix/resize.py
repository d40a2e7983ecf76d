"""Servers that are resized, on another host and in place, and what ends that, in the matrix."""

from __future__ import annotations

from django.utils import timezone

from flavors.models import Flavor
from hypervisors.models import Hypervisor
from networks.models import Port
from operations.models import Operation, OperationState
from quotas.models import Reservation
from scheduling.models import Allocation
from servers.models import Migration, Server, ServerAction
from servers.resize import confirm_resize, resize_server, revert_resize
from servers.states import MigrationStatus, PowerState, VmState
from tests.matrix.world import World, operation_of

BIG = {"vcpus": 2, "ram_mib": 512, "disk_gib": 2}
# More memory than the second host has.
HUGE = {"vcpus": 2, "ram_mib": 9000, "disk_gib": 2}


def begin_resize(world: World) -> Operation:
    return _resize(world, world.make_active(), BIG)


def begin_in_place(world: World) -> Operation:
    return _resize(world, world.make_active(), HUGE)


def _resize(world: World, server: Server, size: dict[str, int]) -> Operation:
    fields = {"name": "m1.big", "extra_specs": {}, **size}
    Flavor.objects.update_or_create(flavorid="9", defaults=fields)
    resize_server(
        server=Server.objects.get(pk=server.pk),
        flavor_id="9",
        disk_config="",
        actor=world.actor,
        now=timezone.now(),
    )
    return operation_of(server)


def _resized(world: World, size: dict[str, int]) -> Server:
    server = world.make_active()
    done = world.work(_resize(world, server, size))
    assert done.state == OperationState.DONE, done.error
    return Server.objects.get(pk=server.pk)


def begin_confirm(world: World) -> Operation:
    return _confirm(world, _resized(world, BIG))


def begin_confirm_in_place(world: World) -> Operation:
    return _confirm(world, _resized(world, HUGE))


def _confirm(world: World, server: Server) -> Operation:
    confirm_resize(server=server, actor=world.actor, now=timezone.now())
    return operation_of(server)


def begin_revert(world: World) -> Operation:
    return _revert(world, _resized(world, BIG))


def begin_revert_in_place(world: World) -> Operation:
    return _revert(world, _resized(world, HUGE))


def _revert(world: World, server: Server) -> Operation:
    revert_resize(server=server, actor=world.actor, now=timezone.now())
    return operation_of(server)


def is_resized(world: World, operation: Operation) -> None:
    """It is what was asked for, where the record says, and can go back."""
    assert operation.state == OperationState.DONE, operation.error
    server = Server.objects.get(pk=operation.subject)
    migration = Migration.objects.latest("id")
    assert (server.vm_state, server.task_state) == (VmState.RESIZED, None)
    assert (server.power_state, server.flavor["name"]) == (PowerState.RUNNING, "m1.big")
    assert (server.hypervisor, migration.status) == (
        migration.destination,
        MigrationStatus.FINISHED,
    )
    stays = migration.source_id == migration.destination_id
    with world.hosts.opened():
        guest = world.hosts[migration.destination_name].guests[server.pk]
        assert (guest.power_state, guest.spec.vcpus) == ("running", 2)
        if stays:
            [pool] = world.hosts["host1"].pools.values()
            assert f"{server.pk}-before-root" in pool.volumes
        else:
            assert world.hosts["host1"].guests[server.pk].power_state == "shutdown"
    assert Allocation.objects.count() == (1 if stays else 2)
    assert _counted() == (2, server.flavor["ram_mib"])
    events = ServerAction.objects.get(server_id=server.pk, action="resize").events.all()
    assert [each.result for each in events] == ["Success"] * 5


def is_confirmed(world: World, operation: Operation) -> None:
    assert operation.state == OperationState.DONE, operation.error
    world.settle()
    server = Server.objects.get(pk=operation.subject)
    assert server.vm_state == VmState.ACTIVE
    assert Migration.objects.latest("id").status == MigrationStatus.CONFIRMED
    assert _counted() == (2, server.flavor["ram_mib"])
    _assert_whole(world, server, vcpus=2)


def is_as_it_was(world: World, operation: Operation) -> None:
    assert operation.state == OperationState.DONE, operation.error
    _assert_as_it_was(world, operation, MigrationStatus.REVERTED)


def stays_as_it_was(world: World, operation: Operation) -> None:
    """A resize that failed changed nothing, and left nothing anywhere."""
    assert operation.state == OperationState.FAILED
    assert ServerAction.objects.get(action="resize").message == "Error"
    _assert_as_it_was(world, operation, MigrationStatus.ERROR)


def _assert_as_it_was(world: World, operation: Operation, status: MigrationStatus) -> None:
    world.settle()
    server = Server.objects.get(pk=operation.subject)
    assert (server.vm_state, server.flavor["name"]) == (VmState.ACTIVE, "m1.tiny")
    assert server.hypervisor == Hypervisor.objects.get(name="host1")
    assert Migration.objects.latest("id").status == status
    assert _counted() == (1, 256)
    _assert_whole(world, server, vcpus=1)


def is_resized_or_back_in_error(world: World, operation: Operation) -> None:
    """A revert that failed: resized as before, or on its old host, where something went wrong."""
    assert operation.state == OperationState.FAILED
    world.settle()
    server = Server.objects.get(pk=operation.subject)
    assert server.task_state is None
    assert ServerAction.objects.get(action="revertResize").message == "Error"
    if server.vm_state == VmState.RESIZED:
        assert Migration.objects.latest("id").status == MigrationStatus.FINISHED
        return
    if server.vm_state == VmState.ACTIVE:
        # It was all done, and only that could not be said.
        _assert_as_it_was(world, operation, MigrationStatus.REVERTED)
        return
    assert server.vm_state == VmState.ERROR
    assert server.flavor["name"] == "m1.tiny"
    assert [each.hypervisor.name for each in Allocation.objects.all()] == ["host1"]
    assert world.left_on("host2") == []


def _counted() -> tuple[int, int]:
    held = dict(Reservation.objects.values_list("resource", "amount"))
    return held["cores"], held["ram"]


def _assert_whole(world: World, server: Server, *, vcpus: int) -> None:
    assert server.task_state is None
    assert server.hypervisor is not None
    [port] = Port.objects.all()
    [held] = Allocation.objects.all()
    assert (held.hypervisor, held.vcpus) == (server.hypervisor, vcpus)
    with world.hosts.opened():
        host = world.hosts[server.hypervisor.name]
        guest = host.guests[server.pk]
        assert (guest.power_state, guest.spec.vcpus) == ("running", vcpus)
        [pool] = host.pools.values()
        own = {f"{server.pk}{end}" for end in ("-root", "-config", "_console.log")}
        assert {name for name in pool.volumes if not name.startswith("base-")} == own
        assert sorted(host.filters) == [str(port.pk)]
    for other in Hypervisor.objects.exclude(pk=server.hypervisor.pk):
        assert world.left_on(other.name) == []
