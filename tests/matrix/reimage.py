"""Servers that are rebuilt, as cases of the matrix."""

from __future__ import annotations

from django.utils import timezone

from hypervisors.models import Hypervisor
from operations.models import Operation, OperationState
from servers.models import Server, ServerAction
from servers.reimage import WantedRebuild, rebuild_server
from servers.states import PowerState, VmState
from tests.matrix.world import World, operation_of


def begin_rebuild(world: World) -> Operation:
    return _rebuild(world, Server.objects.filter(deleted_at=None).first() or world.make_active())


def _rebuild(world: World, server: Server) -> Operation:
    rebuild_server(
        server=Server.objects.get(pk=server.pk),
        wanted=WantedRebuild(image_id=world.image.pk, changes={"name": "new"}),
        actor=world.actor,
        now=timezone.now(),
    )
    return operation_of(server)


def is_rebuilt(world: World, operation: Operation) -> None:
    server = Server.objects.get(pk=operation.subject)
    assert operation.state == OperationState.DONE, operation.error
    assert (server.name, server.vm_state, server.task_state) == ("new", VmState.ACTIVE, None)
    assert (server.power_state, server.sealed_admin_password) == (PowerState.RUNNING, "")
    with world.hosts.opened():
        host = world.hosts["host1"]
        guest = host.guests[server.pk]
        assert (guest.power_state, guest.spec.title) == ("running", "new")
        [pool] = host.pools.values()
        assert {disk.volume for disk in guest.spec.disks} <= set(pool.volumes)
    events = ServerAction.objects.get(server_id=server.pk, action="rebuild").events.order_by("id")
    assert [(each.event, each.result) for each in events] == [
        ("rebuild_server", "Success"),
        ("compute_rebuild_instance", "Success"),
    ]


def is_as_before_or_in_error(world: World, operation: Operation) -> None:
    """Before anything was destroyed it is the old server; afterwards it can be rebuilt again."""
    server = Server.objects.get(pk=operation.subject)
    assert operation.state == OperationState.FAILED
    assert (server.task_state, server.sealed_admin_password) == (None, "")
    assert ServerAction.objects.get(action="rebuild").message == "Error"
    if server.vm_state == VmState.ACTIVE:
        with world.hosts.opened():
            assert world.hosts["host1"].guests[server.pk].spec.title == server.name
        return
    assert server.vm_state == VmState.ERROR
    for host in world.hosts.values():
        host.heal()
    ServerAction.objects.filter(action="rebuild").delete()
    is_rebuilt(world, world.work(_rebuild(world, server)))
    assert server.hypervisor == Hypervisor.objects.get(name="host1")
