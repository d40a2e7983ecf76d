"""Live migrations as rows and on the hosts: what goes well, what is refused, what breaks off."""

from __future__ import annotations

import dataclasses
import threading
from functools import partial

import libvirt
import pytest
from django.utils import timezone

from hypervisors.libvirt.errors import DriverError, HostUnreachable
from hypervisors.models import HostState, Hypervisor
from hypervisors.move import MoveProgress
from networks.models import Port
from operations.models import Operation, OperationState
from scheduling.models import Allocation
from servers.delete import delete_server
from servers.errors import InvalidState
from servers.live_migration import LiveMove, abort_migration, force_migration, live_migrate_server
from servers.models import Migration, Server, ServerAction
from servers.power import pause_server
from servers.states import MigrationStatus, PowerState, VmState
from tests.authorisation import actor_named
from tests.hypervisors.clean_slate import leftovers
from tests.hypervisors.fake_host import make_hypervisor
from tests.servers.operations.conftest import assert_nothing_left, wake

pytestmark = pytest.mark.django_db(transaction=True)

GIB = 1024**3
ADMIN = dataclasses.replace(actor_named("admin"), request_id="req-live")


@pytest.fixture
def server(one_host, create, work, hosts) -> Server:
    made = create(config_drive=True)
    work(made.pk)
    make_hypervisor(hosts, "host2", ram_mib=8192)
    return Server.objects.get(pk=made.pk)


@pytest.fixture
def settle(work):
    """Run the migration, then the debts that it left."""

    def run(server) -> Operation:
        ended = work(server.pk)
        for debt in Operation.objects.filter(kind="server.cleanup"):
            work(debt.subject)
        server.refresh_from_db()
        return ended

    return run


def ask(server, **options) -> Migration:
    live_migrate_server(server=server, move=LiveMove(**options), actor=ADMIN, now=timezone.now())
    return Migration.objects.get(server_id=server.pk)


def assert_is_on(hosts, server, name: str, *, power: str = "running") -> None:
    """The server is there alone, with its claim; nothing of it is on any other host."""
    server.refresh_from_db()
    assert (server.hypervisor.name, server.task_state) == (name, None)
    assert hosts[name].guests[server.pk].power_state == power
    assert [each.hypervisor.name for each in Allocation.objects.all()] == [name]
    for other, host in hosts.items():
        assert other == name or not leftovers(host)


def events_of(server, action: str) -> dict[str, str]:
    found = ServerAction.objects.get(server_id=server.pk, action=action)
    return {each.event: each.result for each in found.events.all()}


def test_a_server_goes_to_the_other_host_with_its_disks_and_addresses(hosts, server, settle):
    hosts["host1"].pools["cloudportal"].volumes[f"{server.pk}-root"].content = b"written"
    config = hosts["host1"].pools["cloudportal"].volumes[f"{server.pk}-config"].content
    hosts["host1"].console_text[server.pk] = b"said before\n"
    migration = ask(server)
    assert (server.status, migration.status) == ("MIGRATING", MigrationStatus.QUEUED)

    settle(server)

    assert_is_on(hosts, server, "host2")
    migration.refresh_from_db()
    assert migration.status == MigrationStatus.COMPLETED
    assert (migration.source_name, migration.destination_name) == ("host1", "host2")
    volumes = hosts["host2"].pools["cloudportal"].volumes
    assert volumes[f"{server.pk}-root"].content == b"written"
    assert volumes[f"{server.pk}-config"].content == config
    assert volumes[f"{server.pk}_console.log.0"].content == b"said before\n"
    assert Port.objects.get().host == "host2"
    assert set(events_of(server, "live-migration").values()) == {"Success"}
    assert ServerAction.objects.get(action="live-migration").message == ""


def test_a_paused_server_arrives_paused(hosts, server, settle):
    pause_server(server=server, actor=actor_named("member"), now=timezone.now())
    settle(server)

    ask(server)
    settle(server)

    assert (server.vm_state, server.power_state) == (VmState.PAUSED, PowerState.PAUSED)
    assert_is_on(hosts, server, "host2", power="paused")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"arch": "aarch64"}, "architecture"),
        ({"domain_type": "kvm"}, "kvm"),
        ({"qemu_version": 0}, "QEMU version"),
        ({"libvirt_version": 0}, "libvirt version"),
    ],
)
def test_a_host_that_cannot_run_the_guest_is_refused_by_name_of_the_cause(
    hosts, server, settle, change, reason
):
    Hypervisor.objects.filter(name="host1").update(qemu_version=7002000, libvirt_version=9000000)
    known = {"qemu_version": 7002000, "libvirt_version": 9000000}
    Hypervisor.objects.filter(name="host2").update(**{**known, **change})
    server.refresh_from_db()
    ask(server, host="host2")

    ended = settle(server)

    assert ended.state == OperationState.FAILED
    assert reason in server.faults.first().message
    assert Migration.objects.get().status == MigrationStatus.ERROR
    assert_is_on(hosts, server, "host1")


def test_a_cpu_that_lacks_something_sends_the_server_to_the_next_host(hosts, server, settle):
    make_hypervisor(hosts, "host3", ram_mib=4096)
    hosts["host2"].lacks_cpu = True

    ask(server)
    settle(server)

    assert_is_on(hosts, server, "host3")


def test_a_pool_without_room_is_named(hosts, server, settle, monkeypatch):
    monkeypatch.setattr("tests.hypervisors.fake_pools.FakePools.pool_info", full)

    ask(server, host="host2")
    settle(server)

    assert "bytes free in its pool" in server.faults.first().message
    assert_is_on(hosts, server, "host1")


def full(host, name):
    return dataclasses.replace(host._pool_info(name), available_bytes=-1)


def test_a_migration_without_block_migration_is_refused(hosts, server, settle):
    ask(server, copies_disks=False)

    settle(server)

    assert "block migration was not asked for" in server.faults.first().message
    assert_is_on(hosts, server, "host1")


def test_a_migration_that_breaks_off_leaves_the_server_where_it_is(hosts, server, settle):
    hosts["host1"].refuse("migrate_guest", DriverError("migration out failed"))
    ask(server)

    ended = settle(server)

    assert ended.state == OperationState.FAILED
    assert Migration.objects.get().status == MigrationStatus.FAILED
    assert ServerAction.objects.get(action="live-migration").message == "Error"
    assert server.vm_state == VmState.ACTIVE
    assert_is_on(hosts, server, "host1")


def test_an_answer_that_is_lost_after_the_handover_is_found_out(hosts, server, settle):
    hosts["host1"].fail_on("migrate_guest", HostUnreachable("gone"), after=True)
    ask(server)

    settle(server)

    assert_is_on(hosts, server, "host2")
    assert Migration.objects.get().status == MigrationStatus.COMPLETED


def test_a_guest_that_was_left_halted_runs_on(hosts, server, settle):
    hosts["host1"].refuse("migrate_guest", DriverError("finish failed"), after=False)
    ask(server)
    hosts["host1"].on_migrate = None
    guest = hosts["host1"].guests[server.pk]

    def halt():
        guest.power_state = "paused"
        raise DriverError("no answer of the destination")

    hosts["host1"].heal()
    hosts["host1"].on_migrate = halt

    settle(server)

    assert_is_on(hosts, server, "host1")


def while_it_moves(hosts, monkeypatch, act) -> None:
    """Do this once the guest is on its way, which lasts until that is heeded."""
    host = hosts["host1"]
    heeded = threading.Event()
    for name in ("abort_migration", "hasten_migration"):
        monkeypatch.setattr(host, name, partial(_heed, getattr(host, name), heeded))

    def look(move):
        act()
        return MoveProgress(2 * GIB, GIB, GIB, GIB, GIB // 2, GIB // 2)

    monkeypatch.setattr("hypervisors.under_way.PROGRESS_EVERY_S", 0.05)
    monkeypatch.setattr("hypervisors.under_way.progress_of", look)

    host.on_migrate = partial(_wait, heeded)


def _heed(call, heeded: threading.Event, uuid) -> None:
    call(uuid)
    heeded.set()


def _wait(heeded: threading.Event) -> None:
    assert heeded.wait(20)


def test_an_abort_ends_a_running_migration(hosts, server, settle, monkeypatch):
    migration = ask(server)
    asked = Migration.objects.filter(pk=migration.pk)
    while_it_moves(
        hosts, monkeypatch, lambda: asked.update(asked="abort", asked_request_id="req-abort")
    )
    # Found out where the guest is by the hosts again, once that is over.
    monkeypatch.setattr("hypervisors.settle._end_migration", lambda move: None)

    settle(server)

    assert_is_on(hosts, server, "host1")
    assert Migration.objects.get().status == MigrationStatus.CANCELLED


def test_an_abort_before_it_begins_is_heeded_at_once(hosts, server, settle):
    migration = ask(server)
    server.refresh_from_db()
    actor = dataclasses.replace(ADMIN, request_id="req-abort")

    abort_migration(
        server=server, migration_id=str(migration.pk), before_it_runs=True, actor=actor,
        now=timezone.now(),
    )  # fmt: skip
    settle(server)

    assert_is_on(hosts, server, "host1")
    assert Migration.objects.get().status == MigrationStatus.CANCELLED
    assert events_of(server, "live_migration_cancel") == {"compute_live_migration_abort": "Success"}


def test_a_forced_one_comes_to_its_end_and_tells_how_far_it_is(hosts, server, settle, monkeypatch):
    migration = ask(server)
    server.refresh_from_db()
    Migration.objects.update(status=MigrationStatus.RUNNING)
    actor = dataclasses.replace(ADMIN, request_id="req-force")
    force_migration(server=server, migration_id=str(migration.pk), actor=actor, now=timezone.now())
    Migration.objects.update(status=MigrationStatus.QUEUED)
    monkeypatch.setattr("hypervisors.settle._end_migration", lambda move: None)
    while_it_moves(hosts, monkeypatch, lambda: None)

    settle(server)

    assert_is_on(hosts, server, "host2")
    migration.refresh_from_db()
    assert (migration.memory_total_bytes, migration.disk_remaining_bytes) == (2 * GIB, GIB // 2)
    assert events_of(server, "live_migration_force_complete") == {
        "compute_live_migration_force_complete": "Success"
    }


def test_one_server_at_a_time_leaves_a_host(hosts, server, create, work, settle):
    other = create()
    Hypervisor.objects.filter(name="host2").update(is_enabled=False)
    work(other.pk)
    Hypervisor.objects.filter(name="host2").update(is_enabled=True)
    other.refresh_from_db()
    assert other.hypervisor.name == "host1"
    ask(server)
    live_migrate_server(server=other, move=LiveMove(), actor=ADMIN, now=timezone.now())
    first, second = Operation.objects.filter(kind="server.live_migrate").order_by("created_at")
    for _ in range(2):
        first.refresh_from_db()
        wake(first)
    Migration.objects.filter(server_id=server.pk).update(status=MigrationStatus.RUNNING)
    for _ in range(3):
        second.refresh_from_db()
        wake(second)

    assert Migration.objects.get(server_id=other.pk).status == MigrationStatus.QUEUED

    settle(server)
    settle(other)
    assert Migration.objects.get(server_id=other.pk).status == MigrationStatus.COMPLETED


def test_a_source_that_is_away_ends_it_before_it_begins(hosts, server, settle):
    Hypervisor.objects.filter(name="host1").update(state=HostState.DOWN)
    ask(server)

    ended = settle(server)

    assert ended.state == OperationState.FAILED
    assert server.task_state is None


def test_a_delete_ends_a_migration_and_cleans_both_hosts(hosts, server, work):
    ask(server)
    operation = Operation.objects.get(kind="server.live_migrate")
    for _ in range(3):
        operation.refresh_from_db()
        wake(operation)
    assert Allocation.objects.count() == 2

    delete_server(server=server, actor=actor_named("member"), now=timezone.now())
    work(server.pk)
    for debt in Operation.objects.filter(kind="server.cleanup"):
        work(debt.subject)

    assert_nothing_left(hosts)
    assert Migration.objects.get().status == MigrationStatus.CANCELLED


@pytest.fixture
def switching(settings):
    """Guests are let run at their destination as soon as they may be."""
    settings.LIVE_MIGRATION_POSTCOPY = True
    settings.LIVE_MIGRATION_POSTCOPY_AFTER_S = 0.0


def until_switched(hosts, monkeypatch, act=lambda: None) -> None:
    """Let memory be sent until the guest is switched."""
    host = hosts["host1"]
    switched = threading.Event()
    for name in ("abort_migration", "start_post_copy"):
        monkeypatch.setattr(host, name, partial(_heed, getattr(host, name), switched))

    def look(move):
        act()
        moved = MoveProgress(2 * GIB, GIB, GIB, memory_rounds=2)
        return dataclasses.replace(moved, has_switched=move.server_id in host.switched)

    monkeypatch.setattr("hypervisors.under_way.PROGRESS_EVERY_S", 0.05)
    monkeypatch.setattr("hypervisors.under_way.progress_of", look)
    monkeypatch.setattr("hypervisors.settle._end_migration", lambda move: None)
    host.on_migrate = partial(_wait, switched)


def test_one_that_does_not_come_to_its_end_is_switched(
    hosts, server, settle, monkeypatch, switching
):
    ask(server)
    until_switched(hosts, monkeypatch)

    settle(server)

    assert_is_on(hosts, server, "host2")
    assert hosts["host1"].calls.count("start_post_copy") == 1
    assert "hasten_migration" not in hosts["host1"].calls
    assert Migration.objects.get().status == MigrationStatus.COMPLETED


def test_an_abort_that_was_asked_for_first_comes_before_the_switch(
    hosts, server, settle, monkeypatch, switching
):
    migration = ask(server)
    asked = Migration.objects.filter(pk=migration.pk)
    # Between the look at what is asked and the switch.
    monkeypatch.setattr(
        "servers.operations.live_watch.LiveWatch._note",
        lambda watch, progress: asked.update(asked="abort", asked_request_id="req-abort"),
    )
    until_switched(hosts, monkeypatch)

    settle(server)

    assert_is_on(hosts, server, "host1")
    assert hosts["host1"].calls.count("start_post_copy") == 0
    assert Migration.objects.get().status == MigrationStatus.CANCELLED


def test_a_stream_that_breaks_after_the_switch_is_mended_by_the_next_worker(
    hosts, server, settle, monkeypatch, switching
):
    ask(server)
    source, destination = hosts["host1"], hosts["host2"]

    def break_off():
        """Both halves stay as QEMU leaves them."""
        Migration.objects.update(status=MigrationStatus.POST_MIGRATING)
        guest = source.guests[server.pk]
        destination.guests[server.pk] = dataclasses.replace(
            guest, power_state="running", reason=libvirt.VIR_DOMAIN_RUNNING_POSTCOPY_FAILED
        )
        guest.power_state = "paused"
        guest.reason = libvirt.VIR_DOMAIN_PAUSED_POSTCOPY_FAILED
        source.on_migrate = None
        raise HostUnreachable("The link is cut.")

    source.on_migrate = break_off
    source.fail_on("resume_post_copy", HostUnreachable("It is cut still."), times=7)

    settle(server)

    assert source.calls.count("migrate_guest") == 1
    assert source.calls.count("resume_post_copy") == 8
    assert_is_on(hosts, server, "host2")
    assert Migration.objects.get().status == MigrationStatus.COMPLETED
    assert ServerAction.objects.get(action="live-migration").message == ""


def test_a_switched_one_is_not_aborted_and_says_why(server):
    migration = ask(server)
    Migration.objects.update(status=MigrationStatus.POST_MIGRATING)
    server.refresh_from_db()

    with pytest.raises(InvalidState, match="runs at its destination already"):
        abort_migration(
            server=server, migration_id=str(migration.pk), before_it_runs=True, actor=ADMIN,
            now=timezone.now(),
        )  # fmt: skip

    assert not Migration.objects.get().asked
