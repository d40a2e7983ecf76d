"""Power states follow what hosts say, and never overtake an operation."""

from datetime import timedelta

import pytest
from django.utils import timezone

from hypervisors.guests import GuestUsage
from hypervisors.look import HostLook
from servers.models import Server
from servers.power_sync import note_power_states
from servers.states import PowerState, TaskState, VmState
from tests.scheduling.hosts import make_host

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def host():
    return make_host()


@pytest.fixture
def server(host):
    return Server.objects.create(
        project_id="p",
        user_id="u",
        name="one",
        hostname="one",
        flavor={},
        reservation_id="r-1",
        vm_state=VmState.ACTIVE,
        power_state=PowerState.RUNNING,
        hypervisor=host,
        updated_at=NOW - timedelta(minutes=1),
    )


def look(host, **guests) -> HostLook:
    usages = tuple(
        GuestUsage(uuid=server.pk, name="", power_state=state, cpu_time_ns=1, vcpus=1, ram_mib=1,
                   ram_used_mib=None, ram_rss_mib=None)
        for server, state in guests.get("states", [])
    )  # fmt: skip
    return HostLook(host, guests.get("is_up", True), "", NOW, usages)


def after(server, host, state) -> Server:
    note_power_states(look(host, states=[(server, state)]))
    server.refresh_from_db()
    return server


def test_a_guest_that_switched_itself_off_makes_its_server_stopped(server, host):
    after(server, host, "shutdown")

    assert (server.vm_state, server.power_state) == (VmState.STOPPED, PowerState.SHUTDOWN)


def test_a_stopped_server_whose_guest_runs_is_active(server, host):
    Server.objects.update(vm_state=VmState.STOPPED, power_state=PowerState.SHUTDOWN)

    after(server, host, "running")

    assert (server.vm_state, server.power_state) == (VmState.ACTIVE, PowerState.RUNNING)


def test_a_paused_guest_changes_the_power_state_only(server, host):
    after(server, host, "paused")

    assert (server.vm_state, server.power_state) == (VmState.ACTIVE, PowerState.PAUSED)


def test_a_host_that_does_not_answer_makes_the_power_state_unknown_never_off(server, host):
    note_power_states(look(host, is_up=False))

    server.refresh_from_db()
    assert (server.vm_state, server.power_state) == (VmState.ACTIVE, PowerState.NOSTATE)


def test_a_missing_guest_has_no_power_state(server, host):
    note_power_states(look(host))

    server.refresh_from_db()
    assert (server.vm_state, server.power_state) == (VmState.ACTIVE, PowerState.NOSTATE)


def test_a_server_with_a_task_is_left_to_its_operation(server, host):
    Server.objects.update(task_state=TaskState.REBOOTING)

    after(server, host, "shutdown")

    assert server.power_state == PowerState.RUNNING


def test_a_server_that_changed_after_the_host_was_asked_is_left_alone(server, host):
    Server.objects.update(updated_at=NOW + timedelta(seconds=1))

    after(server, host, "shutdown")

    assert server.vm_state == VmState.ACTIVE
