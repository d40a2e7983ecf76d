"""Building: on a host that works, that fails at any call, that dies, and on none."""

from __future__ import annotations

import pytest
from django.utils import timezone

from hypervisors.libvirt.errors import DriverError, HostUnreachable, PoolFull
from hypervisors.models import Hypervisor
from operations.models import Operation, OperationState
from scheduling.models import Allocation, Decision
from servers.delete import delete_server
from servers.models import Server, ServerAction
from servers.states import PowerState, TaskState, VmState
from tests.authorisation import actor_named
from tests.hypervisors.fake_host import make_hypervisor
from tests.servers.operations.conftest import assert_hosts_clean, assert_nothing_left, wake

pytestmark = pytest.mark.django_db(transaction=True)


def delete(server: Server) -> None:
    delete_server(server=server, actor=actor_named("member"), now=timezone.now())


def test_a_server_becomes_active_with_all_that_it_was_asked_for(one_host, hosts, create, work):
    server = create(config_drive=True, metadata={"purpose": "test"}, key_name=None)

    operation = work(server.pk)

    server.refresh_from_db()
    assert operation.state == OperationState.DONE, operation.error
    assert (server.vm_state, server.task_state) == (VmState.ACTIVE, None)
    assert server.power_state == PowerState.RUNNING
    assert server.hypervisor == one_host
    assert server.availability_zone == "nova"
    assert server.launched_at is not None
    guest = hosts["host1"].guests[server.pk]
    assert guest.power_state == "running"
    assert guest.spec.metadata.server_id == str(server.pk)
    assert guest.spec.metadata.user_metadata == {"purpose": "test"}
    assert [disk.role for disk in guest.spec.disks] == ["root", "config"]
    assert len(guest.spec.interfaces) == 1
    [entries] = [network.entries for network in hosts["host1"].networks.values()]
    assert len(entries) == 1
    assert Allocation.objects.get().hypervisor == one_host


def test_the_action_has_an_event_with_the_host(one_host, create, work):
    server = create()

    work(server.pk)

    event = ServerAction.objects.get(server_id=server.pk).events.get()
    assert (event.event, event.host, event.result) == (
        "compute__do_build_and_run_instance",
        "host1",
        "Success",
    )


def test_the_password_is_forgotten_once_the_guest_has_it(one_host, create, work):
    server = create(config_drive=True)
    assert server.sealed_admin_password

    work(server.pk)

    server.refresh_from_db()
    assert server.sealed_admin_password == ""


def test_the_image_is_brought_by_the_transfer_queue_once(one_host, hosts, create, work):
    first, second = create(), create(name="second")

    work(first.pk)
    work(second.pk)

    assert hosts["host1"].calls.count("upload_image") == 1
    assert Hypervisor.objects.get().pools.get().cached_images.get().is_ready


def test_a_delete_leaves_nothing(one_host, hosts, create, work):
    server = create(config_drive=True)
    work(server.pk)
    server.refresh_from_db()

    delete(server)
    work(server.pk)

    server.refresh_from_db()
    assert server.vm_state == VmState.DELETED
    assert server.deleted_at is not None
    assert_nothing_left(hosts)


def build_calls(hosts, create, work) -> list[str]:
    """The calls that an undisturbed build makes on its host."""
    hosts["host1"].calls.clear()
    server = create(config_drive=True)
    work(server.pk)
    calls = list(hosts["host1"].calls)
    delete(Server.objects.get(pk=server.pk))
    work(server.pk)
    return calls


CALLS = [
    "upload_image",
    "create_overlay",
    "put_content",
    "ensure_network",
    "ensure_filter",
    "prepare_console_log",
    "define_guest",
    "start_guest",
    "ensure_dhcp_host",
]


def test_the_calls_that_fail_below_are_all_that_a_build_makes(one_host, hosts, create, work):
    made = set(build_calls(hosts, create, work))

    assert made <= {*CALLS, "is_verified", "list_volumes", "remove_guest", "remove_console_log",
                    "delete_volume", "remove_dhcp_host", "remove_filter"}  # fmt: skip
    assert set(CALLS) <= made


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", CALLS)
def test_a_permanent_failure_at_any_call_leaves_nothing_and_says_why(
    one_host, hosts, create, work, call, is_after
):
    hosts["host1"].fail_on(call, DriverError("odd"), after=is_after)
    server = create(config_drive=True)

    operation = work(server.pk)

    server.refresh_from_db()
    assert operation.state == OperationState.FAILED
    assert server.vm_state == VmState.ERROR
    assert server.hypervisor is None
    assert server.faults.count() == 1
    assert_hosts_clean(hosts)
    delete(server)
    work(server.pk)
    assert_nothing_left(hosts)


@pytest.mark.parametrize("call", CALLS)
def test_a_permanent_failure_on_one_host_moves_the_build_to_the_next(
    one_host, hosts, create, work, call
):
    make_hypervisor(hosts, "host2", ram_mib=1024)
    hosts["host1"].fail_on(call, PoolFull("no room"))
    server = create()

    operation = work(server.pk)

    server.refresh_from_db()
    assert operation.state == OperationState.DONE, operation.error
    assert server.vm_state == VmState.ACTIVE
    assert server.hypervisor.name == "host2"
    assert [each["host"] for each in operation.rounds] == ["host1"]
    assert list(hosts["host1"].guests) == []
    assert Allocation.objects.get().hypervisor.name == "host2"


def test_three_hosts_are_tried_and_no_more(hosts, create, work):
    for number in range(1, 5):
        make_hypervisor(hosts, f"host{number}")
        hosts[f"host{number}"].fail_on("define_guest", DriverError("odd"))
    server = create()

    work(server.pk)

    server.refresh_from_db()
    fault = server.faults.get()
    assert fault.message.startswith("Exceeded maximum number of retries.")
    assert [line.split(":")[0] for line in fault.details.splitlines()] == [
        "host1",
        "host2",
        "host3",
    ]
    assert_hosts_clean(hosts)


@pytest.mark.parametrize("call", CALLS)
def test_a_passing_trouble_is_tried_again_on_the_same_host(one_host, hosts, create, work, call):
    hosts["host1"].fail_on(call, HostUnreachable("away"), after=True)
    server = create(config_drive=True)

    operation = work(server.pk)

    assert operation.state == OperationState.DONE, operation.error
    assert operation.rounds == []


def test_without_a_host_the_fault_says_which_filter_removed_how_many(one_host, create, work):
    Hypervisor.objects.update(is_enabled=False)
    server = create()

    work(server.pk)

    server.refresh_from_db()
    assert server.vm_state == VmState.ERROR
    assert server.launched_at is None
    assert "ready removed 1" in server.faults.get().message
    assert Decision.objects.get().chosen == ""
    action = ServerAction.objects.get(server_id=server.pk)
    assert action.message == "Error"
    assert action.events.get().event == "conductor_schedule_and_build_instances"


def test_builds_beyond_the_hosts_limit_wait_for_a_slot(one_host, hosts, create, work):
    Hypervisor.objects.update(max_concurrent_builds=1)
    first, second = create(), create(name="second")
    operation = Operation.objects.get(subject=first.pk)
    hosts["host1"].fail_on("define_guest", HostUnreachable("away"))
    wake(operation)
    operation.refresh_from_db()
    wake(operation)
    operation.refresh_from_db()
    wake(operation)

    work(second.pk, wake_ups=3)

    waiting = Operation.objects.get(subject=second.pk)
    assert waiting.state == OperationState.RUNNING
    assert waiting.attempt == 0
    work(first.pk)
    assert work(second.pk).state == OperationState.DONE


def test_a_delete_before_placement_leaves_nothing(one_host, hosts, create, work):
    server = create()

    delete(server)
    work(server.pk)

    server.refresh_from_db()
    assert server.vm_state == VmState.DELETED
    assert_nothing_left(hosts)


def test_task_states_are_shown_on_the_way(one_host, hosts, create, work):
    seen = []
    host = hosts["host1"]
    original = host.define_guest

    def define(spec):
        seen.append(Server.objects.get().task_state)
        return original(spec)

    host.define_guest = define
    server = create()
    assert server.task_state == TaskState.SCHEDULING

    work(server.pk)

    assert seen == [TaskState.SPAWNING]
