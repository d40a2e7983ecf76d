"""Where a guest is after its way to another host broke off, and that it is on one host alone."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from uuid import UUID

import pytest

from hypervisors import guests
from hypervisors.errors import GuestNotFound, HostBusy, HostUnreachable, MoveRefused
from hypervisors.guests import DiskSpec
from hypervisors.models import Hypervisor
from hypervisors.move import Move, check_move, hosts_unfit, move_guest
from hypervisors.pools import POOL
from hypervisors.settle import Side, settle
from tests.hypervisors.factories import guest_spec
from tests.hypervisors.fake_guests import FakeGuest
from tests.hypervisors.fake_host import FakeHosts, installed, make_hypervisor

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene(monkeypatch) -> SimpleNamespace:
    """A guest that runs on the first of two hosts."""
    hosts: FakeHosts = installed(monkeypatch)
    here, there = make_hypervisor(hosts, "host1"), make_hypervisor(hosts, "host2")
    spec = guest_spec()
    hosts["host1"].create_blank(POOL.name, spec.disks[0].volume, 1024, "qcow2")
    guests.define_guest(here, spec)
    guests.start_guest(here, spec.uuid)
    move = Move(server_id=spec.uuid, source=here, destination=there, pool=POOL.name)
    return SimpleNamespace(hosts=hosts, move=move, uuid=spec.uuid, spec=spec)


def states(scene) -> list[str]:
    """How the guest is on either host; "" where it is not."""
    found = (host.guests.get(scene.uuid) for host in scene.hosts.values())
    return [guest.power_state if guest else "" for guest in found]


def half(scene, power_state: str = "paused", *, is_persistent: bool = False) -> None:
    """Put the destination's half of the guest there."""
    guest = FakeGuest(scene.spec, power_state=power_state, is_persistent=is_persistent)  # type: ignore[arg-type]  # a literal
    scene.hosts["host2"].guests[scene.uuid] = guest


def source_is(scene, power_state: str) -> None:
    scene.hosts["host1"].guests[scene.uuid].power_state = power_state


def test_a_guest_moves_and_is_off_on_its_source(scene):
    move_guest(scene.move, lambda progress: None)

    assert states(scene) == ["shutdown", "running"]
    assert settle(scene.move) is Side.DESTINATION


def test_one_that_runs_on_the_source_stays_and_its_other_half_goes(scene):
    half(scene)

    assert settle(scene.move) is Side.SOURCE
    assert states(scene) == ["running", ""]


def test_one_that_was_never_handed_over_runs_on_at_the_source(scene):
    half(scene)
    source_is(scene, "paused")

    assert settle(scene.move) is Side.SOURCE
    assert states(scene) == ["running", ""]


def test_one_that_runs_at_the_destination_has_arrived(scene):
    half(scene, "running", is_persistent=True)
    source_is(scene, "paused")

    assert settle(scene.move) is Side.DESTINATION
    assert states(scene) == ["paused", "running"]


def test_one_that_is_just_handed_over_is_asked_for_again(scene):
    half(scene, "paused", is_persistent=True)
    source_is(scene, "paused")

    with pytest.raises(HostBusy):
        settle(scene.move)

    assert states(scene) == ["paused", "paused"]


def test_a_halted_one_has_arrived_once_the_destination_keeps_it(scene):
    half(scene, "paused", is_persistent=True)
    source_is(scene, "paused")

    assert settle(dataclasses.replace(scene.move, is_paused=True)) is Side.DESTINATION


def test_a_halted_one_that_was_not_handed_over_stays_halted(scene):
    half(scene, "paused")
    source_is(scene, "paused")

    assert settle(dataclasses.replace(scene.move, is_paused=True)) is Side.SOURCE
    assert states(scene) == ["paused", ""]


def test_one_that_failed_at_the_destination_runs_on_at_the_source(scene):
    half(scene, "shutdown", is_persistent=True)
    source_is(scene, "paused")

    assert settle(scene.move) is Side.SOURCE
    assert states(scene) == ["running", ""]


def test_one_that_was_switched_off_after_its_arrival_belongs_to_the_destination(scene):
    half(scene, "shutdown", is_persistent=True)
    source_is(scene, "shutdown")

    assert settle(scene.move) is Side.DESTINATION


def test_with_the_source_away_only_a_guest_that_runs_has_arrived(scene):
    scene.hosts["host1"].be_down()
    with pytest.raises(HostUnreachable):
        settle(scene.move)

    half(scene, "running", is_persistent=True)

    assert settle(scene.move) is Side.DESTINATION


def test_with_the_destination_away_a_halted_guest_is_left_halted(scene):
    source_is(scene, "paused")
    scene.hosts["host2"].be_down()

    with pytest.raises(HostUnreachable):
        settle(scene.move)

    assert states(scene)[0] == "paused"


def test_a_migration_that_does_not_end_is_asked_for_again(scene, monkeypatch):
    monkeypatch.setattr("hypervisors.settle.ABORT_S", 0.0)
    scene.hosts["host1"].leaving.add(scene.uuid)

    with pytest.raises(HostBusy):
        settle(scene.move)


def test_a_disk_that_is_not_the_servers_own_keeps_it_where_it_is(scene):
    foreign = DiskSpec(POOL.name, "somebody-elses", "volume")
    scene.hosts["host1"].create_blank(POOL.name, foreign.volume, 1024, "qcow2")
    guest = scene.hosts["host1"].guests[scene.uuid]
    guest.spec = dataclasses.replace(guest.spec, disks=(*guest.spec.disks, foreign))

    with pytest.raises(MoveRefused, match="vdb"):
        check_move(scene.move)


def test_a_machine_type_that_the_destination_lacks_is_named(scene):
    scene.move.destination.capabilities = {"machines": {"q35": "pc-q35-6.0"}}

    with pytest.raises(MoveRefused, match=r"pc-q35-7\.2"):
        check_move(scene.move)


def test_disks_that_may_grow_beyond_the_pool_are_refused_where_that_counts(scene, monkeypatch):
    volume = scene.hosts["host1"].pools[POOL.name].volumes[scene.spec.disks[0].volume]
    volume.capacity = 10**18

    check_move(scene.move)
    with pytest.raises(MoveRefused, match="bytes free"):
        check_move(scene.move, may_overcommit=False)


def test_a_guest_that_is_nowhere_cannot_move(scene):
    move = dataclasses.replace(scene.move, server_id=UUID(int=1))

    with pytest.raises(GuestNotFound):
        check_move(move)


def test_unfit_hosts_are_those_with_an_obstacle(scene):
    Hypervisor.objects.filter(name="host2").update(arch="aarch64")

    assert hosts_unfit(scene.move.source) == ["host2"]


@pytest.mark.parametrize(
    ("features", "reason"),
    [
        ({"secure_boot": True}, "has no firmware with secure boot"),
        ({"tpm_model": "tpm-crb", "tpm_version": "2.0"}, "emulates no TPM tpm-crb:2.0"),
    ],
)
def test_a_guest_stays_where_its_firmware_and_tpm_are(scene, features, reason):
    guest = scene.hosts["host1"].guests[scene.uuid]
    guest.spec = dataclasses.replace(
        guest.spec, features=dataclasses.replace(guest.spec.features, **features)
    )

    with pytest.raises(MoveRefused, match=f"host2 {reason}"):
        check_move(scene.move)

    able = {"has_secure_boot": True, "tpms": ["tpm-crb:2.0"]}
    scene.move.destination.capabilities.update(able)
    check_move(scene.move)
