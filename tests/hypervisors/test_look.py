from datetime import timedelta

import pytest
from django.utils import timezone

from hypervisors import guests
from hypervisors.libvirt import errors as driver
from hypervisors.look import INVENTORY_EVERY, look_at_host
from hypervisors.models import HostState, Hypervisor
from hypervisors.pools import POOL, default_pool
from tests.hypervisors.factories import guest_spec


def test_look_fills_in_what_the_host_is_and_has(hosts, hypervisor, host):
    Hypervisor.objects.update(vcpus=0, disk_gib=0, state=HostState.UNKNOWN, capabilities={})
    hypervisor.refresh_from_db()
    now = timezone.now()

    look = look_at_host(hypervisor, now)

    hypervisor.refresh_from_db()
    assert look.is_up
    assert (hypervisor.state, hypervisor.last_seen_at) == (HostState.UP, now)
    assert (hypervisor.vcpus, hypervisor.ram_mib, hypervisor.disk_gib) == (8, 16384, 200)
    assert (hypervisor.libvirt_version, hypervisor.domain_type) == (9000000, "qemu")
    assert hypervisor.capabilities["machines"]["q35"] == "pc-q35-7.2"
    assert default_pool(hypervisor).available == 200 * 1024**3


def test_look_hands_back_the_guests_and_counts_those_that_run(hypervisor, host):
    spec = guest_spec()
    host.create_blank(POOL.name, spec.disks[0].volume, 1024, "qcow2")
    guests.define_guest(hypervisor, spec)
    guests.define_guest(hypervisor, guest_spec())
    guests.start_guest(hypervisor, spec.uuid)

    look = look_at_host(hypervisor, timezone.now())

    assert {guest.uuid: guest.power_state for guest in look.guests}[spec.uuid] == "running"
    hypervisor.refresh_from_db()
    assert hypervisor.running_servers == 1


def test_host_that_does_not_answer_is_down_with_a_reason_and_up_again_later(hypervisor, host):
    before = hypervisor.last_seen_at
    host.is_down = True

    look = look_at_host(hypervisor, timezone.now())

    hypervisor.refresh_from_db()
    assert (look.is_up, look.guests) == (False, ())
    assert (hypervisor.state, hypervisor.state_reason) == (
        HostState.DOWN,
        "The host does not answer.",
    )
    assert hypervisor.last_seen_at == before
    host.is_down = False
    look_at_host(hypervisor, timezone.now())
    hypervisor.refresh_from_db()
    assert (hypervisor.state, hypervisor.state_reason) == (HostState.UP, "")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("Host key for h has changed and you have requested strict checking.", "not the accepted"),
        ("No ED25519 host key is known for h and you have requested strict checking.",
         "has not been accepted"),
    ],
)  # fmt: skip
def test_host_key_that_is_not_right_is_named(hypervisor, host, words, reason):
    host.fail_on("stats", driver.HostUnreachable(words))

    look = look_at_host(hypervisor, timezone.now())

    assert reason in look.reason


def test_host_without_its_default_pool_takes_no_servers(hypervisor, host):
    host.pools[POOL.name].is_active = False

    look = look_at_host(hypervisor, timezone.now())

    assert look.reason == "The host's storage pool cloudportal is not active."
    hypervisor.refresh_from_db()
    assert hypervisor.state == HostState.DOWN


def test_pool_that_is_gone_and_not_the_default_is_no_reason(hypervisor):
    hypervisor.pools.create(name="old")

    assert look_at_host(hypervisor, timezone.now()).is_up


def test_inventory_is_asked_for_now_and_then_only(hypervisor, host):
    now = timezone.now()

    for seconds in (0, 10, 20, INVENTORY_EVERY.total_seconds() + 1):
        look_at_host(hypervisor, now + timedelta(seconds=seconds))

    assert host.calls.count("inventory") == 2


def test_look_leaves_what_an_administrator_changed_meanwhile(hypervisor):
    stale = Hypervisor.objects.get()
    Hypervisor.objects.update(is_enabled=False)

    look_at_host(stale, timezone.now())

    assert not Hypervisor.objects.get().is_enabled


def test_look_that_ends_after_a_later_one_changes_nothing(hypervisor, host):
    now = timezone.now()
    late = Hypervisor.objects.get()
    look_at_host(hypervisor, now)
    host.is_down = True

    look_at_host(late, now - timedelta(seconds=1))

    assert Hypervisor.objects.get().state == HostState.UP


def test_connection_that_was_lost_is_no_reason_when_the_host_answers_anew(hypervisor, host):
    host.fail_on("stats", driver.HostUnreachable("Connection reset"))

    assert look_at_host(hypervisor, timezone.now()).is_up


def test_it_is_known_since_when_a_host_is_up_or_down(hypervisor, host):
    begun = timezone.now()
    times = [begun + timedelta(seconds=seconds) for seconds in range(4)]

    for now, is_down in zip(times, (True, True, False, False), strict=True):
        host.is_down = is_down
        look_at_host(Hypervisor.objects.get(), now)
        assert Hypervisor.objects.get().state_since == (times[0] if is_down else times[2])


def test_look_for_guests_asks_for_nothing_else_and_writes_only_what_is_new(hypervisor, host):
    look_at_host(hypervisor, timezone.now())
    before = Hypervisor.objects.get().looked_at
    host.calls.clear()

    look = look_at_host(Hypervisor.objects.get(), timezone.now(), guests_only=True)

    assert look.is_up
    assert host.calls == ["stats"]
    assert Hypervisor.objects.get().looked_at == before


def test_look_for_guests_at_a_host_that_was_down_is_a_whole_one(hypervisor, host):
    host.is_down = True
    look_at_host(hypervisor, timezone.now())
    host.is_down = False

    look_at_host(Hypervisor.objects.get(), timezone.now(), guests_only=True)

    assert Hypervisor.objects.get().state == HostState.UP
    assert "list_pools" in host.calls


def test_another_boot_than_before_is_noted_with_its_time(hypervisor, host):
    host.boot = "one"
    look_at_host(hypervisor, timezone.now())
    hypervisor.refresh_from_db()
    first = (hypervisor.boot_id, hypervisor.booted_at)

    host.boot = "two"
    now = timezone.now()
    look_at_host(hypervisor, now)

    hypervisor.refresh_from_db()
    assert first == ("one", None)
    assert (hypervisor.boot_id, hypervisor.booted_at) == ("two", now)


def test_a_boot_that_cannot_be_read_changes_nothing(hypervisor, host):
    host.boot = "one"
    look_at_host(hypervisor, timezone.now())

    host.boot = ""
    look_at_host(hypervisor, timezone.now())

    hypervisor.refresh_from_db()
    assert (hypervisor.boot_id, hypervisor.booted_at) == ("one", None)
