"""Half of an image that nobody goes on with does not stay on a host."""

from __future__ import annotations

import pytest

from hypervisors.libvirt.errors import HostUnreachable, PoolFull
from hypervisors.models import CachedImage, Hypervisor
from operations.models import OperationState
from servers.models import Server
from servers.states import VmState
from tests.matrix.processes import Watch, is_killed
from tests.matrix.world import World, operation_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_upload_that_was_killed_goes_with_its_deleted_server(world: World):
    server = world.create()
    assert is_killed(world, Watch(("inside upload_image", 1)))
    assert world.left_on("host1")

    world.delete(server)
    world.settle()

    assert world.left() == []


def test_an_upload_that_was_killed_on_a_host_that_is_away_goes_when_it_is_back(world: World):
    server = world.create()
    assert is_killed(world, Watch(("inside upload_image", 1)))
    world.hosts["host1"].be_down()

    world.delete(server)
    world.work(operation_of(server))
    gone = world.work(operation_of(server))
    world.hosts["host1"].be_down(False)
    world.settle()

    assert (gone.kind, gone.state) == ("server.delete", OperationState.DONE)
    assert world.left() == []


def test_an_upload_for_which_there_was_no_room_is_undone(world: World):
    for host in world.hosts.values():
        host.refuse("upload_image", PoolFull("no room"), after=True)
    server = world.create()

    world.settle()

    assert Server.objects.get(pk=server.pk).vm_state == VmState.ERROR
    for name in world.hosts:
        assert world.left_on(name) == []
    assert not CachedImage.objects.exists()


def test_half_an_upload_that_another_build_goes_on_with_is_its_own(world: World):
    Hypervisor.objects.filter(name="host2").update(is_enabled=False)
    first, second = world.create(), world.create()
    world.hosts["host1"].fail_on("upload_image", HostUnreachable("away"), after=True)
    world.work(operation_of(first), wake_ups=3)
    world.work(operation_of(second))

    world.delete(first)
    world.settle()

    assert CachedImage.objects.get().is_ready
    assert Server.objects.get(pk=second.pk).vm_state == VmState.ACTIVE
