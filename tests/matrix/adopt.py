"""Domains that are adopted and released, as cases of the matrix."""

from __future__ import annotations

from uuid import UUID

from django.utils import timezone

from hypervisors.models import Hypervisor
from identity.models import Domain, Project
from operations.models import Operation, OperationState
from servers.adopt import AdoptWish, adopt_domain, release_server
from servers.models import Server, ServerAction
from servers.operations.adopt import UNMARK_NAME
from servers.states import PowerState, VmState
from tests.authorisation import OWN_PROJECT, actor_named
from tests.matrix.world import World, operation_of


def begin_adoption(world: World) -> Operation:
    domain = Domain.objects.get_or_create(pk="default", defaults={"name": "Default"})[0]
    Project.objects.get_or_create(pk=OWN_PROJECT, defaults={"name": "own", "domain": domain})
    with world.hosts.opened():
        uuid = world.hosts["host1"].make_foreign(ram_mib=300)
    server = adopt_domain(
        hypervisor=Hypervisor.objects.get(name="host1"),
        domain_id=uuid,
        wish=AdoptWish(project_id=OWN_PROJECT),
        actor=actor_named("admin"),
        now=timezone.now(),
    )
    return operation_of(server)


def begin_release(world: World) -> Operation:
    adoption = world.work(begin_adoption(world))
    server = Server.objects.get(pk=adoption.subject)
    release_server(server=server, actor=actor_named("admin"), now=timezone.now())
    return operation_of(server)


def begin_debt(world: World) -> Operation:
    """The host was away when its guest was released."""
    release = begin_release(world)
    world.hosts["host1"].be_down()
    world.work(release, wake_ups=20)
    world.hosts["host1"].be_down(False)
    return Operation.objects.get(kind=UNMARK_NAME, params__server=str(release.subject))


def is_adopted(world: World, operation: Operation) -> None:
    server = Server.objects.get(pk=operation.subject)
    assert operation.state == OperationState.DONE, operation.error
    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, None)
    assert server.power_state == PowerState.RUNNING
    action = ServerAction.objects.get(server_id=server.pk, action="adopt")
    assert [each.result for each in action.events.all()] == ["Success"]
    with world.hosts.opened():
        host = world.hosts["host1"]
        assert server.pk not in host.foreign
        assert host.guests[server.pk].power_state == "running"
        assert host.guests[server.pk].spec.metadata.adopted_name == "legacy"


def says_why_it_is_not(world: World, operation: Operation) -> None:
    """Its guest runs on; what it holds is given back by its release."""
    server = Server.objects.get(pk=operation.subject)
    assert operation.state == OperationState.FAILED
    assert (server.vm_state, server.task_state) == (VmState.ERROR, None)
    assert server.faults.exists()
    with world.hosts.opened():
        assert world.hosts["host1"].guests[server.pk].power_state == "running"


def is_released(world: World, operation: Operation) -> None:
    assert operation.state == OperationState.DONE, operation.error
    world.settle()
    _assert_let_go(world, operation.subject)


def debt_is_paid(world: World, operation: Operation) -> None:
    assert operation.state == OperationState.DONE, operation.error
    _assert_let_go(world, UUID(operation.params["server"]))


def _assert_let_go(world: World, server_id: UUID) -> None:
    server = Server.objects.select_related("adoption").get(pk=server_id)
    assert (server.vm_state, server.adoption.released_at is None) == (VmState.DELETED, False)
    with world.hosts.opened():
        host = world.hosts["host1"]
        assert server.pk in host.foreign
        guest = host.guests[server.pk]
        assert (guest.power_state, guest.xml) == ("running", server.adoption.definition)
