"""Start, stop and reboot, as rows and on the host."""

from __future__ import annotations

import dataclasses

import pytest
from django.utils import timezone

from hypervisors.libvirt.errors import Busy, DriverError, HostUnreachable
from hypervisors.models import Aggregate
from hypervisors.platforms import CPU_MODEL
from operations.models import OperationState
from servers.models import ServerAction
from servers.power import reboot_server, start_server, stop_server
from servers.states import PowerState, VmState
from tests.authorisation import actor_named

pytestmark = pytest.mark.django_db(transaction=True)


def ask(change, server, **options) -> None:
    change(server=server, actor=actor_named("member"), now=timezone.now(), **options)


def test_stop_and_start(server, hosts, work):
    ask(stop_server, server)
    work(server.pk)
    server.refresh_from_db()
    assert (server.vm_state, server.task_state) == (VmState.STOPPED, None)
    assert server.power_state == PowerState.SHUTDOWN
    assert hosts["host1"].guests[server.pk].power_state == "shutdown"

    ask(start_server, server)
    work(server.pk)

    server.refresh_from_db()
    assert (server.vm_state, server.power_state) == (VmState.ACTIVE, PowerState.RUNNING)
    assert hosts["host1"].guests[server.pk].power_state == "running"


@pytest.mark.parametrize(("hard", "call"), [(False, "reboot_soft"), (True, "reboot_hard")])
def test_reboot(server, hosts, work, hard, call):
    ask(reboot_server, server, hard=hard)
    work(server.pk)

    server.refresh_from_db()
    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, None)
    assert call in hosts["host1"].calls


def test_a_guest_that_does_not_heed_a_soft_reboot_is_rebooted_hard(server, hosts, work):
    hosts["host1"].heeds_power_button = False

    ask(reboot_server, server, hard=False)
    work(server.pk)

    assert "reboot_hard" in hosts["host1"].calls


def test_a_hard_reboot_that_meets_a_guest_just_going_off_looks_again(server, hosts, work):
    host = hosts["host1"]
    host.fail_on("reboot_hard", Busy("operation failed: domain is not running", code=9))
    host.guests[server.pk].power_state = "shutdown"

    ask(reboot_server, server, hard=True)
    work(server.pk)

    server.refresh_from_db()
    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, None)
    assert host.guests[server.pk].power_state == "running"
    assert host.calls.count("reboot_hard") == 2


def test_a_hard_reboot_starts_a_stopped_server(server, hosts, work):
    ask(stop_server, server)
    work(server.pk)
    server.refresh_from_db()

    ask(reboot_server, server, hard=True)
    work(server.pk)

    server.refresh_from_db()
    assert server.vm_state == VmState.ACTIVE


def test_a_hard_reboot_leaves_the_guest_the_cpu_it_was_made_with(server, hosts, work):
    group = Aggregate.objects.create(name="old ones", metadata={CPU_MODEL: "Nehalem"})
    group.hypervisors.add(server.hypervisor)

    def reboot():
        ask(reboot_server, server, hard=True)
        work(server.pk)
        server.refresh_from_db()
        return hosts["host1"].guests[server.pk].spec.cpu_model

    assert reboot() == "qemu64"

    # With a model that its host can give no guest any more it gets the one of today.
    guest = hosts["host1"].guests[server.pk]
    guest.spec = dataclasses.replace(guest.spec, cpu_model="EPYC")
    assert reboot() == "Nehalem"

    group.delete()
    assert reboot() == "Nehalem"


def test_a_passing_trouble_is_tried_again(server, hosts, work):
    hosts["host1"].fail_on("shutdown_guest", HostUnreachable("away"))

    ask(stop_server, server)
    operation = work(server.pk)

    server.refresh_from_db()
    assert operation.state == OperationState.DONE
    assert server.vm_state == VmState.STOPPED


def test_a_failure_leaves_the_state_and_marks_the_action(server, hosts, work):
    hosts["host1"].fail_on("shutdown_guest", DriverError("odd"))

    ask(stop_server, server)
    operation = work(server.pk)

    server.refresh_from_db()
    assert operation.state == OperationState.FAILED
    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, None)
    action = ServerAction.objects.get(server_id=server.pk, action="stop")
    assert action.message == "Error"
    assert action.events.get().result == "Error"
