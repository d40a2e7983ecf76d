"""A guest that was switched to its destination before all of its memory was there."""

from __future__ import annotations

import dataclasses

import libvirt
import pytest

from hypervisors.errors import HostBusy, HostUnreachable, MoveRefused
from hypervisors.libvirt.errors import DriverError
from hypervisors.libvirt.migrate import MoveProgress
from hypervisors.move import check_move, move_guest
from hypervisors.settle import Side, finish_switched, settle
from tests.hypervisors.test_move import half, scene, source_is, states

__all__ = ["scene"]

pytestmark = pytest.mark.django_db
LEFT = libvirt.VIR_DOMAIN_PAUSED_POSTCOPY
BROKEN = libvirt.VIR_DOMAIN_PAUSED_POSTCOPY_FAILED
ARRIVING = libvirt.VIR_DOMAIN_RUNNING_POSTCOPY
ARRIVING_BROKEN = libvirt.VIR_DOMAIN_RUNNING_POSTCOPY_FAILED


@pytest.fixture
def switched(scene, monkeypatch):
    """Its count goes on at the destination, and its memory is on both hosts."""
    half(scene, "running", is_persistent=True)
    scene.hosts["host2"].guests[scene.uuid].reason = ARRIVING
    source_is(scene, "paused")
    scene.hosts["host1"].guests[scene.uuid].reason = LEFT
    monkeypatch.setattr("hypervisors.settle.LOST_S", 0.1)
    monkeypatch.setattr("hypervisors.settle.STILL_S", 0.0)
    return scene


def watch(progress: MoveProgress | None) -> None:
    """Nobody looks."""


@pytest.mark.parametrize("reason", [LEFT, BROKEN])
def test_a_switched_guest_is_between_both_hosts_and_neither_is_touched(switched, reason):
    switched.hosts["host1"].guests[switched.uuid].reason = reason
    for host in switched.hosts.values():
        host.calls.clear()

    assert settle(switched.move) is Side.BETWEEN

    assert states(switched) == ["paused", "running"]
    for host in switched.hosts.values():
        assert set(host.calls) == {"guest_info"}


def test_it_is_brought_to_its_end(switched):
    finish_switched(switched.move, watch)

    assert settle(switched.move) is Side.DESTINATION
    assert states(switched) == ["shutdown", "running"]


def test_a_stream_that_is_dead_at_one_end_is_ended_there_and_then_mended(switched):
    switched.hosts["host2"].dead_streams.add(switched.uuid)
    switched.hosts["host1"].leaving.add(switched.uuid)

    with pytest.raises(HostBusy):
        finish_switched(switched.move, watch)
    finish_switched(switched.move, watch)

    assert states(switched) == ["shutdown", "running"]


def test_with_the_source_away_it_is_not_taken_for_arrived(switched):
    switched.hosts["host1"].be_down()

    with pytest.raises(HostUnreachable):
        settle(switched.move)

    assert states(switched)[1] == "running"


def test_with_the_destination_away_nothing_is_started_on_the_source(switched):
    switched.hosts["host2"].be_down()

    with pytest.raises(HostUnreachable):
        settle(switched.move)

    assert states(switched)[0] == "paused"


def test_memory_that_was_lost_with_the_source_makes_it_start_anew_where_its_disks_are(switched):
    source_is(switched, "shutdown")
    switched.hosts["host1"].guests[switched.uuid].reason = libvirt.VIR_DOMAIN_SHUTOFF_CRASHED
    switched.hosts["host2"].guests[switched.uuid].reason = ARRIVING_BROKEN

    assert settle(switched.move) is Side.DESTINATION

    assert "reboot_hard" in switched.hosts["host2"].calls
    assert states(switched) == ["shutdown", "running"]


def test_one_whose_last_memory_has_just_been_sent_is_asked_for_again(switched):
    source_is(switched, "shutdown")
    switched.hosts["host1"].guests[switched.uuid].reason = libvirt.VIR_DOMAIN_SHUTOFF_MIGRATED

    with pytest.raises(HostBusy):
        settle(switched.move)

    assert "reboot_hard" not in switched.hosts["host2"].calls


def test_one_that_went_off_at_its_destination_never_runs_on_the_source_again(switched):
    guest = switched.hosts["host2"].guests[switched.uuid]
    guest.power_state, guest.reason = "shutdown", libvirt.VIR_DOMAIN_SHUTOFF_CRASHED

    assert settle(switched.move) is Side.DESTINATION

    assert states(switched) == ["paused", "shutdown"]


def test_a_destination_whose_kernel_does_not_let_it_is_refused_by_name_of_the_switch(scene):
    move = dataclasses.replace(scene.move, may_post_copy=True)
    scene.hosts["host2"].lacks_page_faults = True

    check_move(scene.move)
    with pytest.raises(MoveRefused, match=r"host2 .* vm\.unprivileged_userfaultfd to 1"):
        check_move(move)


def test_a_destination_that_is_found_out_late_is_refused_so_too(scene):
    said = "unable to execute QEMU command 'migrate-set-capabilities': Postcopy is not supported"
    scene.hosts["host1"].refuse("migrate_guest", DriverError(said, code=1))

    with pytest.raises(MoveRefused, match=r"vm\.unprivileged_userfaultfd"):
        move_guest(dataclasses.replace(scene.move, may_post_copy=True), watch)
