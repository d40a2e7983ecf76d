"""Servers marked `enable_ha`: elsewhere once their host is proven dead, and never without proof."""

from __future__ import annotations

import sys
from datetime import timedelta

import pytest
from django.utils import timezone

from cloudportal.restored import settle
from hypervisors import fencing, ssh
from hypervisors.enable import ServiceChange, change_service
from hypervisors.fence_command import Fencing, set_fencing
from hypervisors.look import look_at_host
from hypervisors.models import HostState, Hypervisor
from networks.models import FixedIP
from operations.models import UNFINISHED, Operation, OperationState
from scheduling.models import Allocation
from servers import high_availability
from servers.high_availability import FENCE, fate_of, see_to_hosts
from servers.models import Server, ServerAction
from servers.power_sync import note_power_states
from servers.states import VmState
from tests.authorisation import actor_named
from tests.hypervisors.clean_slate import leftovers
from tests.hypervisors.fake_host import make_hypervisor
from tests.servers.operations.conftest import wake

pytestmark = pytest.mark.django_db(transaction=True)

FENCES = "import pathlib,sys; pathlib.Path(sys.argv[1]).open('a').write('x')"
FAILS_FIRST = (
    "import pathlib,sys; p=pathlib.Path(sys.argv[1]); n=p.exists(); p.open('a').write('x'); "
    "print('no answer from the BMC'); sys.exit(0 if n else 3)"
)


@pytest.fixture(autouse=True)
def silent(monkeypatch):
    """No host's SSH server answers, unless a test says so."""
    answering: set[str] = set()
    monkeypatch.setattr(ssh, "greets", lambda address: address.host in answering)
    return answering


@pytest.fixture
def runs(tmp_path):
    """The file in which each run of the fence command leaves a letter."""
    return tmp_path / "runs"


@pytest.fixture
def server(one_host, create, work, hosts, runs) -> Server:
    made = create(options={"enable_ha": True})
    work(made.pk)
    make_hypervisor(hosts, "host2", ram_mib=8192)
    hosts["host1"].boot = "boot-one"
    look("host1")
    set_command(FENCES, runs)
    return Server.objects.select_related("hypervisor").get(pk=made.pk)


@pytest.fixture
def lost(hosts, server) -> Server:
    """A server whose host has been down for long."""
    lose(hosts)
    return Server.objects.select_related("hypervisor").get(pk=server.pk)


def host1() -> Hypervisor:
    return Hypervisor.objects.get(name="host1")


def set_command(program: str, runs) -> None:
    set_fencing(host1(), Fencing((sys.executable, "-c", program, str(runs))))


def lose(hosts) -> None:
    hosts["host1"].be_down()
    now = timezone.now()
    Hypervisor.objects.filter(name="host1").update(
        state=HostState.DOWN, state_since=now - timedelta(seconds=200), looked_at=now
    )


def come_back(hosts, *, boot: str) -> None:
    host = hosts["host1"]
    host.be_down(False)
    host.boot = boot
    for guest in host.guests.values():
        guest.power_state, guest.off_reason = "shutdown", "unknown"
    look("host1")


def look(name: str) -> None:
    Server.objects.update(updated_at=timezone.now() - timedelta(minutes=1))
    note_power_states(look_at_host(Hypervisor.objects.get(name=name), timezone.now()))


def turn() -> None:
    see_to_hosts(timezone.now())


def unfinished(kind: str) -> list[Operation]:
    return list(Operation.objects.filter(kind=kind, state__in=UNFINISHED))


def fence(work) -> Operation:
    turn()
    return work(host1().uuid)


def test_it_is_evacuated_once_its_host_is_fenced_and_its_history_says_why(hosts, lost, work, runs):
    address = FixedIP.objects.get().address

    ended = fence(work)
    turn()
    work(lost.pk)
    turn()

    lost.refresh_from_db()
    assert ended.outputs["fence"]["outcome"] == "Fenced."
    assert runs.read_text() == "x"
    assert (lost.hypervisor.name, lost.vm_state, lost.task_state) == ("host2", "active", None)
    assert FixedIP.objects.get().address == address
    # It is marked as before, also in what its new guest keeps.
    assert lost.options == {"enable_ha": True}
    assert hosts["host2"].guests[lost.pk].spec.metadata.options == '{"enable_ha": true}'
    action = ServerAction.objects.get(action="evacuate")
    assert action.user_id == ""
    assert action.message.startswith("Host host1 is dead: its fence command succeeded at ")
    host = host1()
    assert (host.is_forced_down, host.condition) == (True, "fenced")
    assert "has been restarted elsewhere" in host.reasons


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sealed_fence_command": ""}, "no fence command"),
        ({"in_maintenance": True}, "maintenance"),
        ({"is_forced_down": True}, "declared it dead"),
        ({"fence_after_s": 3600}, "if it is still down at"),
        ({"looked_at": None}, "no keeper"),
    ],
)
def test_without_proof_it_stays_and_what_it_waits_for_is_shown(lost, runs, change, words):
    Hypervisor.objects.filter(name="host1").update(**change)

    turn()

    assert not Operation.objects.filter(kind__in=[FENCE, "server.evacuate"]).exists()
    assert words in host1().fence_note
    assert words in fate_of(Server.objects.select_related("hypervisor").get(pk=lost.pk))
    assert not runs.exists()


def test_a_portal_that_is_cut_off_fences_nobody(hosts, lost):
    Hypervisor.objects.filter(name="host2").update(state=HostState.DOWN)

    turn()

    assert not unfinished(FENCE)
    assert "the portal may be cut off" in host1().fence_note


def test_a_host_without_marked_servers_is_not_fenced(lost, runs):
    Server.objects.update(options={})

    turn()

    assert not Operation.objects.filter(kind=FENCE).exists()
    assert host1().fence_note == ""


def test_a_host_whose_ssh_server_answers_is_not_fenced(lost, silent, work, runs):
    silent.add("host1")
    turn()
    [operation] = unfinished(FENCE)

    wake(operation)

    assert not runs.exists()
    assert "its SSH server answers" in host1().fence_note
    silent.clear()
    work(host1().uuid)
    assert host1().fenced_at is not None


def test_a_fence_that_fails_proves_nothing_and_is_tried_again(lost, work, runs):
    set_command(FAILS_FIRST, runs)
    turn()
    [operation] = unfinished(FENCE)

    wake(operation)
    turn()

    host = host1()
    assert not host.is_forced_down
    assert "ended with status 3: no answer from the BMC. It is tried again." in host.fence_note
    assert not unfinished("server.evacuate")
    work(host.uuid)
    turn()
    assert runs.read_text() == "xx"
    assert len(unfinished("server.evacuate")) == 1


def test_there_is_one_fence_at_a_time_and_a_second_job_of_it_runs_nothing(lost, work, runs):
    turn()
    turn()
    [operation] = unfinished(FENCE)

    work(host1().uuid)
    wake(operation)
    turn()

    assert runs.read_text() == "x"
    assert Operation.objects.filter(kind=FENCE).count() == 1


def test_a_host_that_is_back_before_it_is_fenced_is_left_alone(hosts, lost, work, runs):
    turn()
    come_back(hosts, boot="boot-one")

    ended = work(host1().uuid)

    assert ended.outputs["fence"]["outcome"] == "The host is not down any more."
    assert not runs.exists()


def test_a_host_that_answers_while_it_is_fenced_is_not_proven_dead(
    hosts, lost, work, runs, monkeypatch
):
    def seen_meanwhile(host):
        come_back(hosts, boot="boot-one")
        return ""

    monkeypatch.setattr(fencing, "fence", seen_meanwhile)

    fence(work)
    note = host1().fence_note
    turn()

    assert "nothing is proven" in note
    assert (host1().is_forced_down, host1().fenced_at) == (False, None)
    assert not unfinished("server.evacuate")


def test_a_fenced_host_that_is_back_is_rid_of_old_guests_before_it_is_used(hosts, lost, work):
    fence(work)
    turn()
    work(lost.pk)
    come_back(hosts, boot="boot-two")

    turn()

    assert host1().is_forced_down
    assert "is being taken off first" in host1().fence_note
    assert not unfinished("server.start")
    [debt] = unfinished("server.cleanup")
    work(debt.subject)
    turn()
    assert not leftovers(hosts["host1"])
    assert (host1().condition, host1().fence_note) == ("up", "")
    assert [each.hypervisor.name for each in Allocation.objects.all()] == ["host2"]


def test_a_fence_that_switched_nothing_off_is_found_out_when_the_host_is_back(hosts, lost, work):
    fence(work)
    turn()
    work(lost.pk)
    hosts["host1"].be_down(False)
    look("host1")
    [debt] = unfinished("server.cleanup")
    work(debt.subject)

    turn()

    assert host1().condition == "fenced"
    assert "not seen to have booted" in host1().fence_note
    assert not unfinished("server.cleanup")
    assert lost.pk not in hosts["host1"].guests
    change_service(
        hypervisor=host1(), change=ServiceChange(is_forced_down=False), actor=actor_named("admin")
    )
    assert (host1().condition, host1().fenced_at, host1().fence_note) == ("up", None, "")


def test_a_fence_in_doubt_is_no_proof_any_more(hosts, lost, work):
    fence(work)
    hosts["host1"].be_down(False)
    look("host1")
    lose(hosts)

    turn()

    assert not unfinished("server.evacuate")
    assert "not seen to have booted" in host1().fence_note


def test_the_fence_of_a_restored_database_is_no_proof_any_more(lost, work):
    fence(work)

    settle(now=timezone.now())
    Hypervisor.objects.filter(name="host1").update(state=HostState.DOWN)
    turn()

    assert (host1().fenced_at, host1().condition) == (None, "forced down")
    assert not unfinished("server.evacuate")


def test_what_did_not_leave_before_its_host_was_back_starts_there(hosts, lost, work):
    Hypervisor.objects.filter(name="host2").update(is_enabled=False)
    fence(work)
    turn()
    work(lost.pk)
    come_back(hosts, boot="boot-two")
    for debt in unfinished("server.cleanup"):
        work(debt.subject)

    turn()
    look("host1")
    work(lost.pk)

    lost.refresh_from_db()
    assert (lost.hypervisor.name, lost.vm_state) == ("host1", VmState.ACTIVE)
    assert hosts["host1"].guests[lost.pk].power_state == "running"


def test_a_server_that_finds_no_room_is_tried_again_after_a_pause(lost, work):
    Hypervisor.objects.filter(name="host2").update(is_enabled=False)
    fence(work)
    turn()
    work(lost.pk)

    turn()

    assert not unfinished("server.evacuate")
    assert "tried again: No valid host was found" in host1().fence_note
    later = timezone.now() + timedelta(seconds=high_availability.PAUSE_S + 1)
    Hypervisor.objects.filter(name="host2").update(is_enabled=True)
    see_to_hosts(later)
    work(lost.pk)
    lost.refresh_from_db()
    assert lost.hypervisor.name == "host2"


def test_few_leave_at_a_time(lost, work, create, monkeypatch):
    monkeypatch.setattr(high_availability, "EVACUATED_AT_ONCE", 1)
    Hypervisor.objects.filter(name="host1").update(state=HostState.UP)
    other = create(options={"enable_ha": True})
    Server.objects.filter(pk=other.pk).update(
        hypervisor=host1(), vm_state=VmState.ACTIVE, task_state=None, launched_at=timezone.now()
    )
    Operation.objects.filter(subject=other.pk).delete()
    Hypervisor.objects.filter(name="host1").update(state=HostState.DOWN)

    fence(work)
    turn()
    turn()

    assert [each.subject for each in unfinished("server.evacuate")] == [lost.pk]


@pytest.mark.parametrize(
    "fields",
    [
        {"vm_state": VmState.STOPPED},
        {"vm_state": VmState.PAUSED},
        {"task_state": "deleting"},
        {"options": {}},
    ],
)
def test_others_stay_where_they_are(lost, work, fields):
    fence(work)
    Server.objects.update(**fields)

    turn()

    assert not unfinished("server.evacuate")


def test_what_cannot_leave_says_so(lost, work, monkeypatch):
    from servers import evacuation
    from servers.errors import VolumesAttached

    def refuse(server):
        raise VolumesAttached("It has volumes, which lie on its host.")

    monkeypatch.setattr(evacuation, "refuse_if_attached", refuse)
    fence(work)

    turn()
    turn()

    assert "1 of them could not be" in host1().fence_note
    assert "which lie on its host" in host1().fence_note
    [action] = ServerAction.objects.filter(action="evacuate")
    [event] = action.events.all()
    assert (action.message, event.result) == ("Error", "Error")
    assert event.details == "It has volumes, which lie on its host."


def test_a_host_that_booted_starts_its_server_again_with_the_reason(hosts, server, work):
    lose(hosts)

    come_back(hosts, boot="boot-two")
    work(server.pk)

    action = ServerAction.objects.get(action="start")
    assert action.message == "Host host1 has booted: the guest did not run any more."
    assert hosts["host1"].guests[server.pk].power_state == "running"


def test_a_host_that_booted_and_is_disabled_is_left_with_the_disks(hosts, server, work):
    lose(hosts)
    Hypervisor.objects.filter(name="host1").update(is_enabled=False)

    come_back(hosts, boot="boot-two")
    work(server.pk)
    turn()
    work(server.pk)

    server.refresh_from_db()
    assert (server.hypervisor.name, server.vm_state) == ("host2", VmState.ACTIVE)
    assert server.options == {"enable_ha": True}
    action = ServerAction.objects.get(action="migrate")
    assert action.message == (
        "Host host1 has booted: the guest did not run any more. That host is disabled."
    )
    assert not leftovers(hosts["host1"])


def test_without_another_host_it_starts_on_the_disabled_one(hosts, server, work):
    lose(hosts)
    Hypervisor.objects.update(is_enabled=False)

    come_back(hosts, boot="boot-two")
    work(server.pk)
    look("host1")
    work(server.pk)

    server.refresh_from_db()
    assert (server.hypervisor.name, server.vm_state) == ("host1", VmState.ACTIVE)
    assert hosts["host1"].guests[server.pk].power_state == "running"


def test_a_host_that_is_removed_meanwhile_needs_no_fence(lost, work, runs):
    turn()
    [operation] = unfinished(FENCE)
    Operation.objects.filter(pk=operation.pk).update(params={"hypervisor": 0})

    ended = work(operation.subject)

    assert (ended.state, runs.exists()) == (OperationState.DONE, False)
