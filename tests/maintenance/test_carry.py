"""Plans are carried on in bounded steps, whatever dies, races or gets in the way."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import close_old_connections, connection
from django.utils import timezone

from cloudportal.restored import settle
from hypervisors import move
from hypervisors.errors import HostCannot
from hypervisors.models import HostState, Hypervisor
from identity.actors import system_actor
from maintenance.carry import MAX_TRIES, PAUSE_S, carry_on_drains
from maintenance.drain import DrainWish, cancel_drain, pause_drain, plan_drain, resume_drain
from maintenance.drain import start_drain as begin_drain
from maintenance.errors import InvalidDrainState
from maintenance.models import Drain
from maintenance.states import DrainState, ItemState, Way
from operations.models import Operation
from scheduling.models import Allocation
from servers.delete import delete_server
from servers.live_migration import LiveMove, live_migrate_server
from servers.models import Migration, Server, ServerAction
from servers.states import MigrationStatus, TaskState, VmState
from tests.hypervisors.fake_host import make_hypervisor
from tests.maintenance.conftest import ADMIN, run_everything
from tests.maintenance.test_forecast import attach_volume, give_a_cell, give_nodes

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def broken_link(monkeypatch) -> list[str]:
    """No guest can be sent to another host until this is emptied."""
    words = ["The link broke."]
    send = move.move_guest

    def send_or_break(*args):
        if words:
            raise HostCannot(words[0])
        send(*args)

    monkeypatch.setattr(move, "move_guest", send_or_break)
    return words


def newest() -> Drain:
    return Drain.objects.select_related("hypervisor").latest("pk")


def test_a_host_is_emptied_and_then_in_maintenance(site, switched_off):
    switched_off(site.servers[2])

    site.start()
    assert not site.source.is_enabled
    assert site.source.disabled_reason == newest().reason
    site.run()

    assert set(site.states()) == {ItemState.MOVED}
    assert "host1" not in site.places()
    assert newest().state == DrainState.DONE
    host = site.source
    assert (host.condition, host.is_enabled, host.disabled_reason) == ("maintenance", True, "")
    assert not site.hosts["host1"].guests
    assert not Allocation.objects.filter(hypervisor=host).exists()
    # One that was off is off, and nobody is asked to confirm it.
    off = Server.objects.get(pk=site.servers[2].pk)
    assert (off.vm_state, off.task_state) == (VmState.STOPPED, None)
    action = ServerAction.objects.get(server_id=site.servers[0].pk, action="live-migration")
    assert action.user_id == ADMIN.user_id
    assert action.message == f"Host host1 is being drained (plan {newest().pk})."


def test_only_so_many_leave_at_a_time(site):
    site.start(max_at_once=2)

    site.turn()
    assert sorted(site.states()) == [ItemState.MOVING, ItemState.MOVING, ItemState.WAITING]
    assert len(site.moves()) == 2
    site.turn()
    assert len(site.moves()) == 2
    run_everything()
    site.turn()
    assert sorted(site.states()) == [ItemState.MOVED, ItemState.MOVED, ItemState.MOVING]


def test_so_many_as_asked_leave_together(site):
    site.start(max_at_once=2)
    site.turn()

    for each in site.moves():
        assert each.params["at_once"] == 2


def test_only_so_many_come_to_one_host_at_a_time_from_all_plans_together(site, create, work):
    # All that is on host1 and host4 can go to host2 alone.
    Hypervisor.objects.filter(name="host3").update(is_enabled=False)
    other = make_hypervisor(site.hosts, "host4", ram_mib=16384)
    Server.objects.filter(pk=site.servers[2].pk).update(hypervisor=other)
    Allocation.objects.filter(server_id=site.servers[2].pk).update(hypervisor=other)
    site.start()
    plan_drain(hypervisor=other, wish=DrainWish(), actor=ADMIN, now=site.clock)
    begin_drain(hypervisor=other, actor=ADMIN, now=site.clock)

    site.turn()

    assert len(site.moves()) == 1
    waiting = site.item(site.servers[2])
    assert waiting.state == ItemState.WAITING
    assert waiting.reason == "So many servers are coming to host2 already."


def test_a_paused_plan_begins_nothing_and_what_is_under_way_ends(site):
    site.start()
    site.turn()

    pause_drain(hypervisor=site.source, actor=ADMIN, now=site.clock)
    run_everything()
    site.turn()
    site.turn()

    assert sorted(site.states()) == [ItemState.MOVED, ItemState.WAITING, ItemState.WAITING]
    assert not site.moves()
    assert "paused" in newest().note
    resume_drain(hypervisor=site.source, actor=ADMIN, now=site.clock)
    site.run()
    assert newest().state == DrainState.DONE


def test_a_cancelled_plan_gives_the_host_back_and_settles_what_was_under_way(site, switched_off):
    for server in site.servers:
        switched_off(server)
    site.start()
    site.turn()

    cancel_drain(hypervisor=site.source, actor=ADMIN, now=site.clock)
    assert site.source.is_enabled
    site.run()

    assert sorted(site.states()) == [ItemState.MOVED, ItemState.WAITING, ItemState.WAITING]
    # The move that was under way is confirmed all the same.
    assert set(Server.objects.values_list("vm_state", flat=True)) == {VmState.STOPPED}
    assert newest().state == DrainState.CANCELLED


def test_a_host_that_was_disabled_before_stays_so_afterwards(site):
    Hypervisor.objects.filter(name="host1").update(is_enabled=False, disabled_reason="old")

    site.start()
    cancel_drain(hypervisor=site.source, actor=ADMIN, now=site.clock)

    assert (site.source.is_enabled, site.source.disabled_reason) == (False, "old")


def test_what_somebody_else_did_to_the_host_meanwhile_is_left(site):
    site.start()
    Hypervisor.objects.filter(name="host1").update(disabled_reason="smoke")

    cancel_drain(hypervisor=site.source, actor=ADMIN, now=site.clock)

    assert (site.source.is_enabled, site.source.disabled_reason) == (False, "smoke")


def test_a_server_in_another_task_is_waited_for(site):
    Server.objects.filter(pk=site.servers[0].pk).update(task_state=TaskState.REBOOTING)
    site.start()
    site.run()

    assert site.states() == [ItemState.WAITING, ItemState.MOVED, ItemState.MOVED]
    assert newest().state == DrainState.RUNNING
    Server.objects.filter(pk=site.servers[0].pk).update(task_state=None)
    site.run()
    assert newest().state == DrainState.DONE


def test_work_that_its_state_does_not_show_is_waited_for_as_well(site):
    server = site.servers[0]
    other = Operation.objects.create(kind="server.attach_interface", subject=server.pk)
    site.start(max_at_once=3)

    site.turn()

    item = site.item(server)
    assert (item.state, item.tries) == (ItemState.WAITING, 0)
    assert item.reason == "Another operation is still under way."
    assert not Migration.objects.filter(server_id=server.pk).exists()
    other.delete()
    site.run()
    assert newest().state == DrainState.DONE


def test_a_blocked_server_is_looked_at_again_and_goes_once_it_can(site):
    volume = attach_volume(site.servers[0], site.source)
    site.start()
    site.run()

    assert site.states() == [ItemState.BLOCKED, ItemState.MOVED, ItemState.MOVED]
    assert newest().note == "1 of its servers could not be moved yet."
    volume.attachments.all().delete()
    site.run()
    assert newest().state == DrainState.DONE


def test_a_server_with_nodes_leaves_once_it_is_off_for_cells_of_its_own(site, switched_off):
    server = site.servers[0]
    give_a_cell("host3")
    give_nodes(server, vcpus=1)
    site.start()
    site.run()
    assert site.states() == [ItemState.BLOCKED, ItemState.MOVED, ItemState.MOVED]
    assert not Migration.objects.filter(server_id=server.pk).exists()

    switched_off(server)
    site.run()

    assert newest().state == DrainState.DONE
    assert site.places()[0] == "host3"
    held = Allocation.objects.get(server_id=server.pk)
    assert [node["cpus"] for [placement] in [held.numa] for node in placement["nodes"]] == [[0]]


def test_no_server_is_stopped_that_was_started_since_the_plan(site, switched_off):
    server = site.servers[0]
    switched_off(server)
    site.start()
    assert site.item(server).way == Way.COLD
    site.hosts["host1"].guests[server.pk].power_state = "running"
    Server.objects.filter(pk=server.pk).update(vm_state=VmState.ACTIVE, power_state=1)

    site.run()

    assert site.item(server).way == Way.LIVE
    assert not Migration.objects.exclude(type="live-migration").exists()
    assert newest().state == DrainState.DONE


def test_a_host_that_refuses_the_guest_is_passed_over(site):
    site.hosts["host2"].lacks_cpu = True

    site.start()
    site.run()

    assert newest().state == DrainState.DONE
    assert set(site.places()) == {"host3"}
    assert site.item(site.servers[0]).tries == 0


def test_when_every_host_refuses_it_is_blocked_with_their_reasons(site):
    site.hosts["host2"].lacks_cpu = site.hosts["host3"].lacks_cpu = True

    site.start()
    site.run()

    assert set(site.states()) == {ItemState.BLOCKED}
    reason = site.item(site.servers[0]).reason
    assert "host2: Migration pre-check error: host2 has a CPU that lacks" in reason
    assert "host3: Migration pre-check error: host3 has a CPU that lacks" in reason
    # Told so, it asks them again.
    site.hosts["host2"].lacks_cpu = False
    resume_drain(hypervisor=site.source, actor=ADMIN, now=site.clock)
    site.run()
    assert newest().state == DrainState.DONE


def test_what_fails_is_tried_again_after_growing_pauses_and_then_blocked(site, broken_link):
    site.start(max_at_once=3)

    for tries in range(1, MAX_TRIES):
        site.turn()
        run_everything()
        site.turn()
        item = site.item(site.servers[0])
        assert (item.state, item.tries) == (ItemState.FAILED, tries)
        assert item.due_at == site.clock + timedelta(seconds=PAUSE_S * 2 ** (tries - 1))
        site.turn()
        assert not site.moves()
        site.clock = item.due_at
    site.turn()
    run_everything()
    site.turn()

    item = site.item(site.servers[0])
    assert item.state == ItemState.BLOCKED
    assert item.reason.startswith("It was tried 3 times; resume the plan to try again. ")
    assert set(site.places()) == {"host1"}
    broken_link.clear()
    site.run()
    assert site.item(site.servers[0]).state == ItemState.BLOCKED
    resume_drain(hypervisor=site.source, actor=ADMIN, now=site.clock)
    site.run()
    assert newest().state == DrainState.DONE


def test_servers_that_come_are_taken_in_and_those_that_are_deleted_are_over(site, create, work):
    site.start()
    deleted = site.servers[2]
    delete_server(server=deleted, actor=ADMIN, now=timezone.now())
    run_everything()
    Hypervisor.objects.filter(name="host1").update(is_enabled=True)
    for name in ("host2", "host3"):
        Hypervisor.objects.filter(name=name).update(is_enabled=False)
    late = create(name="late")
    work(late.pk)
    Hypervisor.objects.filter(name="host1").update(is_enabled=False)
    for name in ("host2", "host3"):
        Hypervisor.objects.filter(name=name).update(is_enabled=True)

    site.run()

    assert site.item(deleted).state == ItemState.GONE
    assert site.item(late).state == ItemState.MOVED
    assert newest().state == DrainState.DONE


def test_a_server_that_left_by_itself_is_over(site):
    site.plan()
    live_migrate_server(
        server=site.servers[0], move=LiveMove(host="host3"), actor=ADMIN, now=timezone.now()
    )
    run_everything()

    begin_drain(hypervisor=site.source, actor=ADMIN, now=site.clock)
    site.turn()

    item = site.item(site.servers[0])
    assert (item.state, item.reason) == (ItemState.GONE, "It left for host3 by itself.")


def test_a_server_that_is_deleted_on_its_way_is_over(site):
    site.start()
    site.turn()
    [moving] = [each for each in site.servers if site.item(each).state == ItemState.MOVING]

    delete_server(server=moving, actor=ADMIN, now=timezone.now())
    site.run()

    assert site.item(moving).state == ItemState.GONE
    assert newest().state == DrainState.DONE


def test_nothing_is_begun_while_the_host_is_down(site):
    site.start()
    Hypervisor.objects.filter(name="host1").update(state=HostState.DOWN)

    site.turn()

    assert not site.moves()
    assert newest().note == ("host1 is down: its servers cannot be moved until it is back.")


def test_two_keepers_at_once_begin_each_move_once(site):
    site.start(max_at_once=2)
    start = threading.Barrier(4)

    def keep():
        start.wait()
        try:
            carry_on_drains(site.clock)
        finally:
            connection.close()

    keepers = [threading.Thread(target=keep) for _ in range(4)]
    for each in keepers:
        each.start()
    for each in keepers:
        each.join()
    close_old_connections()

    assert sorted(site.states()) == [ItemState.MOVING, ItemState.MOVING, ItemState.WAITING]
    assert len(site.moves()) == Migration.objects.count() == 2


def test_a_keeper_that_dies_with_a_move_in_its_hands_leaves_nothing(site, monkeypatch):
    class Killed(BaseException):
        pass

    def die(**_):
        raise Killed

    site.start()
    with monkeypatch.context() as patch:
        patch.setattr("servers.history.explain_action", die)
        with pytest.raises(Killed):
            site.turn()
    assert not Operation.objects.filter(kind="server.live_migrate").exists()
    assert not Migration.objects.exists()
    assert ItemState.MOVING not in site.states()

    site.run()
    assert newest().state == DrainState.DONE


def test_a_keeper_that_was_away_finds_out_what_became_of_a_move(site):
    site.start()
    site.turn()
    run_everything()

    site.turn(later_s=3600)

    assert sorted(site.states())[0] == ItemState.MOVED
    assert Migration.objects.filter(status=MigrationStatus.COMPLETED).count() == 1


def test_a_plan_that_ran_in_a_restored_database_is_paused(site):
    site.start()

    settle(now=site.clock)

    assert newest().state == DrainState.PAUSED
    assert "restored from a backup" in newest().note


@pytest.mark.parametrize("change", [begin_drain, pause_drain, resume_drain, cancel_drain])
def test_a_plan_that_is_over_cannot_be_changed(site, change):
    site.plan()
    cancel_drain(hypervisor=site.source, actor=ADMIN, now=site.clock)

    with pytest.raises(InvalidDrainState, match="is cancelled and cannot be"):
        change(hypervisor=site.source, actor=ADMIN, now=site.clock)


def test_a_running_plan_is_not_planned_anew(site):
    site.start()

    with pytest.raises(InvalidDrainState, match="is running and cannot be planned"):
        site.plan()


def test_moves_are_in_the_name_of_who_started_or_resumed_it(site):
    site.plan()
    begin_drain(hypervisor=site.source, actor=system_actor(), now=site.clock)
    assert newest().user_id == ""

    resume_drain(hypervisor=site.source, actor=ADMIN, now=site.clock)

    assert newest().user_id == ADMIN.user_id
    assert [each["did"] for each in newest().log] == ["plan", "start", "resume"]
