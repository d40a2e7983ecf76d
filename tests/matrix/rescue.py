"""Servers that are rescued and brought back, and passwords, as cases of the matrix."""

from __future__ import annotations

from django.utils import timezone

from images.models import Image
from operations.models import Operation, OperationState
from servers.guest_password import change_password
from servers.models import Server, ServerAction
from servers.rescue import rescue_server, unrescue_server
from servers.states import PowerState, VmState
from tests.matrix.world import World, operation_of


def _there(world: World) -> Server:
    made = Server.objects.filter(deleted_at=None).first() or world.make_active()
    return Server.objects.get(pk=made.pk)


def begin_rescue(world: World) -> Operation:
    server = _there(world)
    if server.vm_state == VmState.RESCUED:
        _ask_unrescue(world, server)
        server.refresh_from_db()
    rescue_server(server=server, actor=world.actor, now=timezone.now())
    return operation_of(server)


def begin_unrescue(world: World) -> Operation:
    server = _there(world)
    if server.vm_state != VmState.RESCUED:
        world.work(begin_rescue(world))
        server.refresh_from_db()
    unrescue_server(server=server, actor=world.actor, now=timezone.now())
    return operation_of(server)


def _ask_unrescue(world: World, server: Server) -> None:
    unrescue_server(server=server, actor=world.actor, now=timezone.now())
    world.work(operation_of(server))


def begin_password(world: World) -> Operation:
    Image.objects.filter(pk=world.image.pk).update(properties={"hw_qemu_guest_agent": "yes"})
    server = _there(world)
    change_password(server=server, password="secret", actor=world.actor, now=timezone.now())
    return operation_of(server)


def is_rescued(world: World, operation: Operation) -> None:
    server = _assert_done(operation, "rescue", VmState.RESCUED)
    _assert_boots_from(world, server, "rescue", beside=["root"])


def is_back(world: World, operation: Operation) -> None:
    server = _assert_done(operation, "unrescue", VmState.ACTIVE)
    _assert_boots_from(world, server, "root", beside=[])


def has_password(world: World, operation: Operation) -> None:
    server = _assert_done(operation, "changePassword", VmState.ACTIVE)
    with world.hosts.opened():
        assert world.hosts["host1"].passwords[server.pk] == ("root", "secret")


def stays_as_it_was(world: World, operation: Operation) -> None:
    """Its guest boots from its own disk again, and nothing else of it is on the host."""
    server = Server.objects.get(pk=operation.subject)
    assert operation.state == OperationState.FAILED
    assert (server.task_state, server.sealed_admin_password) == (None, "")
    action = ServerAction.objects.filter(server_id=server.pk).latest("started_at")
    assert action.message == "Error"
    if server.vm_state == VmState.ACTIVE:
        _assert_boots_from(world, server, "root", beside=[])
    else:
        # Already over, or its host kept it from being undone.
        assert server.vm_state in (VmState.RESCUED, VmState.ERROR)


def is_rescued_or_lost(world: World, operation: Operation) -> None:
    server = Server.objects.get(pk=operation.subject)
    assert operation.state == OperationState.FAILED
    assert (server.vm_state, server.task_state) in {
        (VmState.RESCUED, None),
        (VmState.ERROR, None),
        (VmState.ACTIVE, None),
    }


def keeps_password(world: World, operation: Operation) -> None:
    server = Server.objects.get(pk=operation.subject)
    assert operation.state == OperationState.FAILED
    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, None)
    assert server.sealed_admin_password == ""


def _assert_done(operation: Operation, action: str, vm_state: VmState) -> Server:
    server = Server.objects.get(pk=operation.subject)
    assert operation.state == OperationState.DONE, operation.error
    assert (server.vm_state, server.task_state) == (vm_state, None)
    assert (server.power_state, server.sealed_admin_password) == (PowerState.RUNNING, "")
    newest = ServerAction.objects.filter(server_id=server.pk, action=action).latest("started_at")
    assert [each.result for each in newest.events.all()] == ["Success"]
    return server


def _assert_boots_from(world: World, server: Server, role: str, *, beside: list[str]) -> None:
    with world.hosts.opened():
        host = world.hosts["host1"]
        guest = host.guests[server.pk]
        first = [disk.role for disk in guest.spec.disks if disk.boot_order == 1]
        others = [disk.role for disk in guest.spec.disks if disk.boot_order != 1]
        [pool] = host.pools.values()
    assert guest.power_state == "running"
    assert (first, sorted(others)) == ([role], sorted([*beside, "config"]))
    left = {name for name in pool.volumes if name.startswith(f"{server.pk}-rescue")}
    assert bool(left) == (role == "rescue")
