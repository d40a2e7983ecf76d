"""Images and backups of servers, and servers on the shelf, as cases of the matrix."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from uuid import UUID

from django.utils import timezone

from hypervisors.models import CachedImage, Hypervisor
from identity.actors import Actor
from images.models import Image, ImageStatus
from images.storage import image_path
from networks.models import Port
from operations.models import UNFINISHED, Operation, OperationState
from quotas.models import Reservation
from scheduling.models import Allocation
from servers.models import Server, ServerAction
from servers.power import pause_server, reboot_server, stop_server
from servers.shelve import offload_server, shelve_server, unshelve_server
from servers.snapshot import WantedImage, back_up_server, snapshot_server
from servers.states import PowerState, VmState
from tests.authorisation import actor_named
from tests.matrix.world import World, operation_of

_INTO = {VmState.STOPPED: stop_server, VmState.PAUSED: pause_server}


def _server_that_is(world: World, vm_state: VmState) -> Server:
    """One on the first host in this state: the one that is there, or a new one."""
    server = Server.objects.filter(deleted_at=None).first() or world.make_active()
    if server.vm_state in (VmState.SHELVED, VmState.SHELVED_OFFLOADED):
        world.delete(server)
        world.settle()
        CachedImage.objects.all().delete()
        server = world.make_active()
    if server.vm_state not in (vm_state, VmState.ACTIVE):
        reboot_server(server=server, hard=True, actor=world.actor, now=timezone.now())
        world.work(operation_of(server))
        server.refresh_from_db()
    if server.vm_state != vm_state:
        _INTO[vm_state](server=server, actor=world.actor, now=timezone.now())
        world.work(operation_of(server))
        server.refresh_from_db()
    return server


# Images and backups


def begin_image_of(vm_state: VmState) -> Callable[[World], Operation]:
    def begin(world: World) -> Operation:
        server = _server_that_is(world, vm_state)
        wanted = WantedImage(name="picture")
        snapshot_server(server=server, wanted=wanted, actor=world.actor, now=timezone.now())
        return operation_of(server)

    return begin


def begin_backup(world: World) -> Operation:
    server = _server_that_is(world, VmState.ACTIVE)
    back_up_server(
        server=server,
        wanted=WantedImage(name="backup"),
        backup_type="daily",
        rotation=1,
        actor=world.actor,
        now=timezone.now(),
    )
    return operation_of(server)


def image_is_there(world: World, operation: Operation) -> None:
    """The image has the disk's content, the server is as before, and no copy is left."""
    server = Server.objects.get(pk=operation.subject)
    assert operation.state == OperationState.DONE, operation.error
    assert server.task_state is None
    image = Image.objects.get(pk=UUID(operation.params["image"]))
    assert image.status == ImageStatus.ACTIVE
    assert image_path(image).read_bytes().endswith(b"the bytes of an image")
    assert image.properties["instance_uuid"] == str(server.pk)
    made = Image.objects.exclude(pk=world.image.pk).filter(status=ImageStatus.ACTIVE)
    if operation.params["rotation"] is not None:
        assert list(made.filter(properties__image_type="backup")) == [image]
    _assert_no_copy(world)
    assert [each.result for each in _newest_action(server).events.all()] == ["Success"]


def no_image(world: World, operation: Operation) -> None:
    """There is no image, and the server is as before and free."""
    server = Server.objects.get(pk=operation.subject)
    assert operation.state == OperationState.FAILED
    assert server.task_state is None
    assert server.vm_state in (VmState.ACTIVE, VmState.STOPPED)
    _assert_no_copy(world)
    if "fetch_image" not in operation.outputs:
        _assert_image_gone(operation)
    assert _newest_action(server).message == "Error"


def _assert_image_gone(operation: Operation) -> None:
    image = Image.objects.get(pk=UUID(operation.params["image"]))
    if image.status != ImageStatus.ACTIVE:
        assert image.status == ImageStatus.DELETED
        assert not Reservation.objects.filter(subject=image.pk).exists()
        assert not image_path(image).exists()


def _assert_no_copy(world: World) -> None:
    if Operation.objects.filter(kind="server.drop_copy", state__in=UNFINISHED).exists():
        world.settle()
    with world.hosts.opened():
        for host in world.hosts.values():
            assert not host.copying
            names = [name for pool in host.pools.values() for name in pool.volumes]
            assert not [name for name in names if "-copy-" in name]


def begin_debt(world: World) -> Operation:
    """A copy that its host was away for, when it was to be deleted."""
    operation = begin_image_of(VmState.ACTIVE)(world)
    host = world.hosts["host1"]
    host.refuse("drop_copy")
    world.work(operation)
    host.heal()
    return Operation.objects.get(kind="server.drop_copy", state=OperationState.PENDING)


def copy_is_gone(world: World, operation: Operation) -> None:
    assert operation.state == OperationState.DONE, operation.error
    _assert_no_copy(world)


# The shelf


def begin_shelve(world: World) -> Operation:
    server = _server_that_is(world, VmState.ACTIVE)
    shelve_server(server=server, actor=world.actor, now=timezone.now())
    return operation_of(server)


def begin_shelve_on_host(world: World) -> Operation:
    operation = begin_shelve(world)
    # As with the setting by which servers wait there.
    Operation.objects.filter(pk=operation.pk).update(params={**operation.params, "offload": False})
    return Operation.objects.get(pk=operation.pk)


def is_offloaded(world: World, operation: Operation) -> None:
    """The server is on no host, and has its ports, its quota and its image."""
    server = Server.objects.get(pk=operation.subject)
    if operation.kind != "server.shelve_offload" and operation.state != OperationState.DONE:
        assert "mark_shelved" in operation.outputs, operation.error
    assert (server.vm_state, server.task_state) == (VmState.SHELVED_OFFLOADED, None)
    assert (server.hypervisor, server.power_state) == (None, PowerState.NOSTATE)
    world.settle()
    assert not Allocation.objects.exists()
    for name in world.hosts:
        assert world.left_on(name) == []
    assert _image_state(server) == ImageStatus.ACTIVE
    assert Port.objects.count() == 1
    held = dict(Reservation.objects.values_list("resource", "amount"))
    of_image = {"images": 1, "image_size_total": 1}
    assert held == {"instances": 1, "cores": 1, "ram": 256, "ports": 1, **of_image}


def _image_state(server: Server) -> str:
    assert server.shelved_image_id is not None
    return Image.objects.get(pk=server.shelved_image_id).status


def is_shelved(world: World, operation: Operation) -> None:
    server = Server.objects.get(pk=operation.subject)
    assert operation.state == OperationState.DONE, operation.error
    assert (server.vm_state, server.task_state) == (VmState.SHELVED, None)
    assert server.power_state == PowerState.SHUTDOWN
    assert server.hypervisor is not None
    with world.hosts.opened():
        assert world.hosts["host1"].guests[server.pk].power_state == "shutdown"
    assert _image_state(server) == ImageStatus.ACTIVE
    _assert_no_copy(world)


def is_not_shelved(world: World, operation: Operation) -> None:
    """As before, unless its image was whole: then it goes on to be shelved.

    What a host did not do then is put off, and the shelving is done all the same.
    """
    server = Server.objects.get(pk=operation.subject)
    if operation.state == OperationState.DONE:
        is_offloaded(world, operation)
        return
    assert operation.state == OperationState.FAILED
    assert _newest_action(server).message == "Error"
    if server.vm_state == VmState.SHELVED:
        assert server.task_state is None
        assert _image_state(server) == ImageStatus.ACTIVE
        return
    if server.vm_state == VmState.SHELVED_OFFLOADED:
        is_offloaded(world, operation)
        return
    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, None)
    assert server.shelved_image_id is None
    with world.hosts.opened():
        guest = world.hosts["host1"].guests[server.pk]
    # One whose host was away then is followed by its state, as any guest that is off.
    assert guest.power_state in ("running", "shutdown")
    assert Image.objects.get(pk=UUID(operation.params["image"])).status == ImageStatus.DELETED
    _assert_no_copy(world)


def begin_offload(world: World) -> Operation:
    world.work(begin_shelve_on_host(world))
    server = Server.objects.get(deleted_at=None)
    offload_server(server=server, actor=_admin(world), now=timezone.now())
    return operation_of(server)


def begin_start(world: World) -> Operation:
    world.work(begin_shelve_on_host(world))
    return _unshelve(world)


def begin_unshelve(world: World) -> Operation:
    world.work(begin_shelve(world))
    return _unshelve(world)


def _unshelve(world: World) -> Operation:
    server = Server.objects.get(deleted_at=None)
    unshelve_server(server=server, actor=world.actor, now=timezone.now())
    return operation_of(server)


def is_back(world: World, operation: Operation) -> None:
    """The server runs, once, with what it had, and its image is gone."""
    assert operation.state == OperationState.DONE, operation.error
    _assert_back(world, Server.objects.get(pk=operation.subject))


def _assert_back(world: World, server: Server) -> None:
    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, None)
    assert server.power_state == PowerState.RUNNING
    assert (server.shelved_image_id, server.shelved_at) == (None, None)
    assert server.hypervisor is not None
    assert server.image_id == world.image.pk
    with world.hosts.opened():
        assert world.hosts[server.hypervisor.name].guests[server.pk].power_state == "running"
    for other in Hypervisor.objects.exclude(pk=server.hypervisor.pk):
        assert world.left_on(other.name) == []
    assert [each.hypervisor for each in Allocation.objects.all()] == [server.hypervisor]
    held = dict(Reservation.objects.values_list("resource", "amount"))
    assert held == {"instances": 1, "cores": 1, "ram": 256, "ports": 1}
    assert not Image.objects.filter(name__endswith="-shelved", status=ImageStatus.ACTIVE).exists()


def stays_offloaded(world: World, operation: Operation) -> None:
    """As before; one that was back already when it failed stays back."""
    assert operation.state == OperationState.FAILED
    server = Server.objects.get(pk=operation.subject)
    if server.vm_state == VmState.ACTIVE:
        _assert_back(world, server)
        return
    assert (server.vm_state, server.task_state) == (VmState.SHELVED_OFFLOADED, None)
    assert server.hypervisor is None
    assert _newest_action(server).message == "Error"
    assert not Allocation.objects.exists()
    for name in world.hosts:
        assert world.left_on(name) == []


def stays_shelved(world: World, operation: Operation) -> None:
    """As before; one that was back already when it failed stays back."""
    assert operation.state == OperationState.FAILED
    server = Server.objects.get(pk=operation.subject)
    if server.vm_state == VmState.ACTIVE:
        _assert_back(world, server)
        return
    assert (server.vm_state, server.task_state) == (VmState.SHELVED, None)
    assert _newest_action(server).message == "Error"


def _admin(world: World) -> Actor:
    return dataclasses.replace(actor_named("admin"), request_id=world.actor.request_id)


def _newest_action(server: Server) -> ServerAction:
    return ServerAction.objects.filter(server_id=server.pk).latest("started_at")
