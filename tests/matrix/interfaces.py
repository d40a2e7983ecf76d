"""Interfaces that are plugged into servers and taken out again, as cases of the matrix."""

from __future__ import annotations

from uuid import UUID

from django.utils import timezone

from hypervisors.models import Hypervisor
from networks.models import Port, PortStatus
from networks.server_ports import RequestedNetwork, release_server_port
from networks.wiring import port_fact
from operations.models import Operation, OperationState
from servers.interfaces import attach_interface, detach_interface
from servers.models import Server, ServerAction
from servers.operations.interfaces import enqueue_unplug
from servers.rewire import add_fixed_ip
from tests.matrix.world import World, operation_of


def _server(world: World) -> Server:
    return Server.objects.filter(deleted_at=None).first() or world.make_active()


def begin_attach(world: World) -> Operation:
    server = _server(world)
    attachment = attach_interface(
        server=server,
        wanted=RequestedNetwork(network_id=str(world.network.pk)),
        actor=world.actor,
        now=timezone.now(),
    )
    return Operation.objects.get(pk=attachment.operation_id)


def begin_detach(world: World) -> Operation:
    attached = world.work(begin_attach(world))
    server = _server(world)
    detach_interface(
        server=server, port_id=attached.params["port"], actor=world.actor, now=timezone.now()
    )
    return operation_of(server)


def begin_debt(world: World) -> Operation:
    """The port was given back while the host still has all of it."""
    attached = world.work(begin_attach(world))
    server, port = _server(world), Port.objects.get(pk=attached.params["port"])
    host = Hypervisor.objects.get(name="host1")
    fact = port_fact(port)
    release_server_port(server_id=server.pk, port_id=port.pk, now=timezone.now())
    enqueue_unplug(server_id=server.pk, hypervisor=host, port=fact, request_id="req-debt")
    return Operation.objects.get(kind="server.unplug_interface", state=OperationState.PENDING)


def is_plugged(world: World, operation: Operation) -> None:
    """The server has the port, and its guest the card, once."""
    assert operation.state == OperationState.DONE, operation.error
    port = Port.objects.get(pk=operation.params["port"])
    assert (port.device_id, port.status) == (str(operation.subject), PortStatus.ACTIVE)
    assert port.host == "host1"
    _assert_agreed(world, operation.subject)
    _assert_action(operation, "")


def is_given_back(world: World, operation: Operation) -> None:
    """Neither the server nor its host have anything of it."""
    assert operation.state == OperationState.FAILED
    assert not Port.objects.filter(pk=operation.params["port"]).exists()
    _assert_agreed(world, operation.subject)
    _assert_action(operation, "Error")


def is_unplugged(world: World, operation: Operation) -> None:
    assert operation.state == OperationState.DONE, operation.error
    assert not Port.objects.filter(pk=operation.params["port"]).exists()
    _assert_agreed(world, operation.subject)
    _assert_action(operation, "")


def may_be_taken_again(world: World, operation: Operation) -> None:
    """What the host refuses is a debt; else it failed, and may be asked for once more."""
    if operation.state == OperationState.DONE:
        is_unplugged(world, operation)
        return
    assert operation.state == OperationState.FAILED
    _assert_action(operation, "Error")
    server = _server(world)
    if Port.objects.filter(pk=operation.params["port"]).exists():
        port_id = operation.params["port"]
        detach_interface(server=server, port_id=port_id, actor=world.actor, now=timezone.now())
        world.work(operation_of(server))
    _assert_agreed(world, server.pk)


def debt_is_paid(world: World, operation: Operation) -> None:
    assert operation.state == OperationState.DONE, operation.error
    _assert_agreed(world, UUID(operation.params["server"]))


def _assert_agreed(world: World, server_id: UUID) -> None:
    """The rows, the guest's cards, the DHCP entries and the filters are of the same ports."""
    ports = list(Port.objects.filter(device_id=str(server_id)))
    macs = sorted(port.mac_address for port in ports)
    with world.hosts.opened():
        host = world.hosts["host1"]
        assert sorted(card.mac for card in host.guests[server_id].spec.interfaces) == macs
        assert sorted(host.filters) == sorted(str(port.pk) for port in ports)
        entries = [entry.mac for network in host.networks.values() for entry in network.entries]
        assert sorted(entries) == macs
    assert Server.objects.get(pk=server_id).task_state is None


def _assert_action(operation: Operation, message: str) -> None:
    action = ServerAction.objects.get(server_id=operation.subject, request_id=operation.request_id)
    assert action.message == message
    assert [each.result for each in action.events.all()] == ["Error" if message else "Success"]


def begin_rewire(world: World) -> Operation:
    """Another address for the server's first interface."""
    server = _server(world)
    add_fixed_ip(
        server=server,
        network_id=str(world.network.pk),
        actor=world.actor,
        now=timezone.now(),
    )
    return operation_of(server)


def has_its_addresses(world: World, operation: Operation) -> None:
    """The filter lets all of them through, and DHCP gives the first."""
    assert operation.state == OperationState.DONE, operation.error
    _assert_agreed(world, operation.subject)
    _assert_action(operation, "")
    for port in Port.objects.filter(device_id=str(operation.subject)):
        with world.hosts.opened():
            known = world.hosts["host1"].filters[str(port.pk)].addresses
        assert set(known) == set(port.fixed_ips.values_list("address", flat=True))


def addresses_stay(world: World, operation: Operation) -> None:
    """The rows are what is wanted; the next try brings the host there."""
    assert operation.state == OperationState.FAILED
    action = ServerAction.objects.get(server_id=operation.subject, request_id=operation.request_id)
    assert action.message == "Error"
