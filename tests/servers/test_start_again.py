"""Servers that went down with their host start again; those that were switched off stay off."""

from datetime import timedelta

import pytest
from django.utils import timezone

from hypervisors.guests import GuestUsage
from hypervisors.look import HostLook
from operations.models import UNFINISHED, Operation
from servers.models import Server, ServerAction
from servers.power_sync import note_power_states
from servers.states import PowerState, TaskState, VmState
from tests.scheduling.hosts import make_host

pytestmark = pytest.mark.django_db
# Ahead of the clock by which rows are stamped, so that whatever was written is older than a look.
NOW = timezone.now() + timedelta(days=1)


@pytest.fixture
def host():
    return make_host(max_concurrent_builds=4)


@pytest.fixture
def make_server(host):
    def make(**fields) -> Server:
        return Server.objects.create(
            **{
                "project_id": "p",
                "user_id": "u",
                "name": "one",
                "hostname": "one",
                "flavor": {},
                "reservation_id": "r-1",
                "vm_state": VmState.ACTIVE,
                "power_state": PowerState.RUNNING,
                "hypervisor": host,
                "launched_at": NOW - timedelta(hours=1),
                "updated_at": NOW - timedelta(minutes=1),
                **fields,
            }
        )

    return make


def off(server: Server, reason) -> GuestUsage:
    return GuestUsage(
        uuid=server.pk, name="", power_state="shutdown", cpu_time_ns=1, vcpus=1, ram_mib=1,
        ram_used_mib=None, ram_rss_mib=None, off_reason=reason,
    )  # fmt: skip


def look(host, *guests, seconds=0):
    note_power_states(HostLook(host, True, "", NOW + timedelta(seconds=seconds), tuple(guests)))


def started() -> set:
    return set(
        Operation.objects.filter(kind="server.start", state__in=UNFINISHED).values_list(
            "subject", flat=True
        )
    )


def test_a_server_that_went_down_with_its_host_is_started_by_the_portal_itself(host, make_server):
    server = make_server()

    look(host, off(server, "unknown"))

    server.refresh_from_db()
    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, TaskState.POWERING_ON)
    assert started() == {server.pk}
    action = ServerAction.objects.get()
    assert (action.action, action.user_id) == ("start", "")
    assert action.request_id == Operation.objects.get().request_id


@pytest.mark.parametrize("reason", ["shutdown", "destroyed", "failed", "crashed", "saved"])
def test_a_guest_that_was_switched_off_makes_its_server_stopped(host, make_server, reason):
    server = make_server()

    look(host, off(server, reason))

    server.refresh_from_db()
    assert (server.vm_state, server.power_state) == (VmState.STOPPED, PowerState.SHUTDOWN)
    assert not started()


@pytest.mark.parametrize(
    ("reason", "is_started"),
    [("crashed", True), ("daemon", True), ("shutdown", False), ("destroyed", False)],
)
def test_a_guest_found_off_when_its_host_is_back(host, make_server, reason, is_started):
    server = make_server(power_state=PowerState.NOSTATE)

    look(host, off(server, reason))

    server.refresh_from_db()
    assert (server.vm_state == VmState.ACTIVE) == is_started
    assert started() == ({server.pk} if is_started else set())


def test_a_stopped_server_is_not_started(host, make_server):
    server = make_server(vm_state=VmState.STOPPED, power_state=PowerState.NOSTATE)

    look(host, off(server, "unknown"))

    server.refresh_from_db()
    assert (server.vm_state, server.power_state) == (VmState.STOPPED, PowerState.SHUTDOWN)
    assert not started()


def test_no_more_are_started_at_a_time_than_the_host_may_build(host, make_server):
    servers = [make_server() for _ in range(6)]

    look(host, *[off(server, "unknown") for server in servers])

    assert len(started()) == 4
    waiting = Server.objects.filter(task_state=None)
    assert {(each.vm_state, each.power_state) for each in waiting} == {("active", 0)}
    Server.objects.filter(pk__in=list(started())[:1]).update(task_state=None)
    look(host, *[off(server, "unknown") for server in waiting], seconds=60)
    assert len(started()) == 5


def test_one_that_fails_to_start_is_stopped_and_not_tried_for_ever(host, make_server):
    host.state_since = NOW - timedelta(seconds=30)
    server = make_server()
    look(host, off(server, "unknown"))
    ServerAction.objects.update(message="Error")
    Operation.objects.update(state="failed")
    Server.objects.update(task_state=None)

    look(host, off(server, "unknown"), seconds=60)

    server.refresh_from_db()
    assert (server.vm_state, server.power_state) == (VmState.STOPPED, PowerState.SHUTDOWN)


def test_a_failure_from_before_the_host_was_back_does_not_count(host, make_server):
    server = make_server()
    look(host, off(server, "unknown"))
    ServerAction.objects.update(message="Error")
    Operation.objects.update(state="failed")
    Server.objects.update(task_state=None, updated_at=NOW)
    host.state_since = NOW + timedelta(seconds=30)

    look(host, off(server, "unknown"), seconds=60)

    assert started() == {server.pk}


def test_a_server_with_an_operation_under_way_is_left_to_it(host, make_server):
    server = make_server()
    Operation.objects.create(kind="server.reboot", subject=server.pk)

    look(host, off(server, "unknown"))

    server.refresh_from_db()
    assert server.task_state is None
    assert not ServerAction.objects.exists()


def test_nothing_is_started_on_a_host_that_is_declared_dead(host, make_server):
    host.is_forced_down = True
    server = make_server()

    look(host, off(server, "unknown"))

    server.refresh_from_db()
    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, None)
