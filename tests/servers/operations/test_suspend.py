"""Pause, suspend and dump, as rows and on the host; and who takes over from whom."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from hypervisors.libvirt.errors import DriverError, HostUnreachable
from hypervisors.look import look_at_host
from operations.models import Operation, OperationState
from servers.models import Server, ServerAction
from servers.power import (
    pause_server,
    reboot_server,
    resume_server,
    suspend_server,
    trigger_crash_dump,
    unpause_server,
)
from servers.power_sync import note_power_states
from servers.states import PowerState, TaskState, VmState
from tests.authorisation import actor_named

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ask(server, work):
    """Ask for a change and have it done."""

    def change(use_case, *, later: bool = False, **options) -> Server:
        server.refresh_from_db()
        use_case(server=server, actor=actor_named("member"), now=timezone.now(), **options)
        if not later:
            work(server.pk)
        server.refresh_from_db()
        return server

    return change


def looked_at(server: Server) -> Server:
    """The server after the portal has looked at its host."""
    Server.objects.update(updated_at=timezone.now() - timedelta(minutes=1))
    assert server.hypervisor is not None
    note_power_states(look_at_host(server.hypervisor, timezone.now()))
    server.refresh_from_db()
    return server


def test_pause_and_unpause(server, hosts, ask):
    ask(pause_server)
    assert (server.vm_state, server.task_state) == (VmState.PAUSED, None)
    assert (server.power_state, server.status) == (PowerState.PAUSED, "PAUSED")
    assert hosts["host1"].guests[server.pk].power_state == "paused"
    assert looked_at(server).vm_state == VmState.PAUSED

    ask(unpause_server)

    assert (server.vm_state, server.power_state) == (VmState.ACTIVE, PowerState.RUNNING)
    assert hosts["host1"].guests[server.pk].power_state == "running"


def test_suspend_and_resume(server, hosts, ask):
    ask(suspend_server)
    assert (server.vm_state, server.power_state) == (VmState.SUSPENDED, PowerState.SHUTDOWN)
    assert hosts["host1"].guests[server.pk].is_saved
    assert looked_at(server).vm_state == VmState.SUSPENDED

    ask(resume_server)

    assert (server.vm_state, server.power_state) == (VmState.ACTIVE, PowerState.RUNNING)
    assert not hosts["host1"].guests[server.pk].is_saved


@pytest.mark.parametrize("use_case", [pause_server, suspend_server])
def test_a_guest_that_is_let_run_on_by_hand_makes_its_server_active(server, hosts, ask, use_case):
    ask(use_case)
    guest = hosts["host1"].guests[server.pk]
    guest.power_state, guest.is_saved = "running", False

    assert looked_at(server).vm_state == VmState.ACTIVE


@pytest.mark.parametrize(
    ("use_case", "vm_state"),
    [(pause_server, VmState.STOPPED), (suspend_server, VmState.SUSPENDED)],
)
def test_a_host_that_lost_its_power_takes_what_was_in_memory_alone(
    server, hosts, ask, use_case, vm_state
):
    ask(use_case)
    guest = hosts["host1"].guests[server.pk]
    guest.power_state, guest.off_reason = "shutdown", "unknown"

    assert looked_at(server).vm_state == vm_state
    assert not Operation.objects.filter(kind="server.start").exists()


@pytest.mark.parametrize("use_case", [pause_server, suspend_server])
def test_a_hard_reboot_boots_what_stands_still(server, hosts, ask, use_case):
    ask(use_case)

    ask(reboot_server, hard=True)

    guest = hosts["host1"].guests[server.pk]
    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, None)
    assert (guest.power_state, guest.is_saved) == ("running", False)


def test_a_suspension_that_fails_is_undone(server, hosts, ask):
    hosts["host1"].fail_on("suspend_guest", DriverError("disk full"))

    ask(suspend_server)

    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, None)
    assert hosts["host1"].guests[server.pk].power_state == "running"
    action = ServerAction.objects.get(action="suspend")
    assert (action.message, action.events.get().result) == ("Error", "Error")


def test_a_suspension_on_a_host_that_went_away_ends_in_error(server, hosts, ask):
    hosts["host1"].refuse("suspend_guest", HostUnreachable("away"), after=True)
    hosts["host1"].refuse("resume_guest", HostUnreachable("away"))

    ask(suspend_server)

    assert (server.vm_state, server.task_state) == (VmState.ERROR, None)
    hosts["host1"].heal()
    ask(reboot_server, hard=True)
    assert server.vm_state == VmState.ACTIVE


def test_a_resumption_that_fails_ends_in_error_and_a_hard_reboot_mends_it(server, hosts, ask):
    ask(suspend_server)
    hosts["host1"].fail_on("resume_guest", DriverError("damaged"))

    ask(resume_server)
    assert (server.vm_state, server.task_state) == (VmState.ERROR, None)

    ask(reboot_server, hard=True)
    assert server.vm_state == VmState.ACTIVE


def test_a_crash_dump_interrupts_the_guest_and_changes_no_state(server, hosts, ask):
    before = server.updated_at

    ask(trigger_crash_dump)

    assert hosts["host1"].guests[server.pk].interrupts == 1
    assert (server.vm_state, server.task_state, server.updated_at) == (VmState.ACTIVE, None, before)
    action = ServerAction.objects.get(action="trigger_crash_dump")
    assert action.events.get().event == "compute_trigger_crash_dump"


@pytest.mark.parametrize(
    "hanging", [pause_server, suspend_server, lambda **words: reboot_server(hard=False, **words)]
)
def test_a_hard_reboot_takes_the_place_of_what_hangs(server, ask, hanging):
    ask(hanging, later=True)

    ask(reboot_server, hard=True)

    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, None)
    states = dict(Operation.objects.values_list("kind", "state"))
    assert states.pop("server.reboot_hard") == OperationState.DONE
    assert OperationState.CANCELLED in states.values()


def test_a_second_hard_reboot_during_the_first_changes_nothing(server, ask):
    ask(reboot_server, hard=True, later=True)
    ask(reboot_server, hard=True, later=True)

    assert server.task_state == TaskState.REBOOTING_HARD
    assert Operation.objects.filter(kind="server.reboot_hard").count() == 1
    assert ServerAction.objects.filter(action="reboot").count() == 1


def test_an_operation_leaves_the_state_to_whoever_has_taken_over(server, ask, work):
    ask(pause_server, later=True)
    Server.objects.update(task_state=TaskState.DELETING)

    work(server.pk)

    server.refresh_from_db()
    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, TaskState.DELETING)
