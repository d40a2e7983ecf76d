"""Evacuations: from a host that is down, to one that is up, and never two guests of one server."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from django.utils import timezone

from hypervisors.libvirt.errors import DriverError
from hypervisors.look import look_at_host
from hypervisors.models import HostState, Hypervisor
from networks.models import FixedIP
from operations.models import UNFINISHED, Operation, OperationState
from scheduling.models import Allocation
from servers.errors import HostInUse, InvalidServerRequest
from servers.evacuation import Evacuation, evacuate_server
from servers.live_migration import LiveMove, live_migrate_server
from servers.models import Migration, Server
from servers.power import stop_server
from servers.power_sync import note_power_states
from servers.states import MigrationStatus, PowerState, VmState
from tests.authorisation import actor_named
from tests.hypervisors.clean_slate import leftovers
from tests.hypervisors.fake_host import make_hypervisor
from tests.servers.operations.conftest import wake

pytestmark = pytest.mark.django_db(transaction=True)

ADMIN = dataclasses.replace(actor_named("admin"), request_id="req-evacuate")


@pytest.fixture
def server(one_host, create, work, hosts) -> Server:
    made = create()
    work(made.pk)
    make_hypervisor(hosts, "host2", ram_mib=8192)
    return Server.objects.select_related("hypervisor").get(pk=made.pk)


@pytest.fixture
def lost(hosts, server) -> Server:
    """A server whose host has lost its power."""
    hosts["host1"].be_down()
    Hypervisor.objects.filter(name="host1").update(state=HostState.DOWN)
    return Server.objects.select_related("hypervisor").get(pk=server.pk)


def evacuate(server, **options) -> str:
    return evacuate_server(
        server=server, wanted=Evacuation(**options), actor=ADMIN, now=timezone.now()
    )


def debts() -> list[Operation]:
    return list(Operation.objects.filter(kind="server.cleanup", state__in=UNFINISHED))


def test_it_runs_on_another_host_with_its_addresses_and_owes_the_old_one(hosts, lost, work):
    address = FixedIP.objects.get().address

    evacuate(lost)
    ended = work(lost.pk)

    lost.refresh_from_db()
    assert ended.state == OperationState.DONE, ended.error
    assert (lost.hypervisor.name, lost.vm_state, lost.task_state) == ("host2", "active", None)
    assert lost.power_state == PowerState.RUNNING
    assert hosts["host2"].guests[lost.pk].power_state == "running"
    assert FixedIP.objects.get().address == address
    record = Migration.objects.get()
    assert (record.type, record.status) == ("evacuation", MigrationStatus.DONE)
    assert {each.hypervisor.name for each in Allocation.objects.all()} == {"host1", "host2"}
    [debt] = debts()
    assert debt.params["server"] == str(lost.pk)


def test_the_old_guest_never_runs_beside_the_new_one_when_its_host_is_back(hosts, lost, work):
    evacuate(lost)
    work(lost.pk)
    # It was only out of reach, and its guest still runs.
    hosts["host1"].be_down(False)
    old = Hypervisor.objects.get(name="host1")
    hosts["host1"].guests[lost.pk].power_state = "shutdown"
    Server.objects.update(updated_at=timezone.now() - timedelta(minutes=1))

    note_power_states(look_at_host(old, timezone.now()))
    assert not Operation.objects.filter(kind="server.start").exists()
    [debt] = debts()
    work(debt.subject)

    assert not leftovers(hosts["host1"])
    assert [each.hypervisor.name for each in Allocation.objects.all()] == ["host2"]
    lost.refresh_from_db()
    assert lost.hypervisor.name == "host2"


def test_a_host_that_answers_though_it_is_said_to_be_dead_loses_its_guest_first(
    hosts, server, work
):
    Hypervisor.objects.filter(name="host1").update(is_forced_down=True)
    server.hypervisor.refresh_from_db()
    seen = []
    original = type(hosts["host2"]).start_guest

    def start(uuid):
        seen.append(uuid in hosts["host1"].guests)
        original(hosts["host2"], uuid)

    hosts["host2"].start_guest = start

    evacuate(server)
    work(server.pk)

    assert seen == [False]


def test_a_host_that_comes_back_before_it_is_left_keeps_its_server(hosts, lost, work):
    evacuate(lost)
    operation = Operation.objects.get(kind="server.evacuate")
    while operation.cursor < 5:
        wake(operation)
        operation.refresh_from_db()
        if operation.cursor >= 2:
            Hypervisor.objects.filter(name="host1").update(state=HostState.UP)
            hosts["host1"].be_down(False)
        if operation.state not in UNFINISHED:
            break
    ended = work(lost.pk)
    for debt in debts():
        work(debt.subject)

    lost.refresh_from_db()
    assert ended.state == OperationState.FAILED
    assert (lost.hypervisor.name, lost.vm_state, lost.task_state) == ("host1", "active", None)
    assert Migration.objects.get().status == MigrationStatus.ERROR
    assert not leftovers(hosts["host2"])
    assert [each.hypervisor.name for each in Allocation.objects.all()] == ["host1"]


def test_a_stopped_server_stays_off_and_so_does_every_one_from_2_95_on(hosts, server, work):
    stop_server(server=server, actor=actor_named("member"), now=timezone.now())
    work(server.pk)
    hosts["host1"].be_down()
    Hypervisor.objects.filter(name="host1").update(state=HostState.DOWN)
    fresh = Server.objects.select_related("hypervisor").get(pk=server.pk)

    evacuate(fresh)
    work(server.pk)

    server.refresh_from_db()
    assert (server.vm_state, server.power_state) == (VmState.STOPPED, PowerState.SHUTDOWN)
    assert hosts["host2"].guests[server.pk].power_state == "shutdown"


def test_it_ends_stopped_when_that_is_asked_for(hosts, lost, work):
    evacuate(lost, ends_stopped=True)
    work(lost.pk)

    lost.refresh_from_db()
    assert lost.vm_state == VmState.STOPPED
    assert hosts["host2"].guests[lost.pk].power_state == "shutdown"
    [network] = hosts["host2"].networks.values()
    assert [each.ip for each in network.entries] == [FixedIP.objects.get().address]


def test_a_server_on_a_host_that_is_up_is_not_evacuated(server):
    with pytest.raises(HostInUse, match="host1 is still in use"):
        evacuate(server)
    with pytest.raises(InvalidServerRequest, match="can't be the same one"):
        evacuate(server, host="host1")


def test_without_another_host_the_server_is_as_before(lost, work):
    Hypervisor.objects.filter(name="host2").update(is_enabled=False)

    evacuate(lost)
    ended = work(lost.pk)

    lost.refresh_from_db()
    assert ended.state == OperationState.FAILED
    assert (lost.hypervisor.name, lost.vm_state, lost.task_state) == ("host1", "active", None)
    assert "No valid host" in lost.faults.first().message
    assert not debts()


def test_a_guest_that_does_not_start_at_the_new_host_is_an_error_there(hosts, lost, work):
    hosts["host2"].refuse("start_guest", DriverError("odd"))

    evacuate(lost)
    work(lost.pk)

    lost.refresh_from_db()
    assert (lost.hypervisor.name, lost.vm_state, lost.task_state) == ("host2", "error", None)
    assert len(debts()) == 1


def test_it_takes_the_place_of_a_migration_that_hangs_with_its_host(hosts, server, work):
    live_migrate_server(server=server, move=LiveMove(), actor=ADMIN, now=timezone.now())
    operation = Operation.objects.get(kind="server.live_migrate")
    for _ in range(3):
        operation.refresh_from_db()
        wake(operation)
    make_hypervisor(hosts, "host3", ram_mib=4096)
    hosts["host1"].be_down()
    Hypervisor.objects.filter(name="host1").update(state=HostState.DOWN)
    fresh = Server.objects.select_related("hypervisor").get(pk=server.pk)
    actor = dataclasses.replace(ADMIN, request_id="req-second")

    evacuate_server(server=fresh, wanted=Evacuation(), actor=actor, now=timezone.now())
    for _ in range(3):
        work(server.pk, 20)
        for debt in debts():
            if Hypervisor.objects.get(pk=debt.params["hypervisor"]).name != "host1":
                work(debt.subject)

    server.refresh_from_db()
    assert server.vm_state == VmState.ACTIVE
    running = [name for name, host in hosts.items() if name != "host1" and server.pk in host.guests]
    assert running == [server.hypervisor.name]
    live = Migration.objects.get(type="live-migration")
    assert live.status == MigrationStatus.CANCELLED
