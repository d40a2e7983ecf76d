"""Hosts are watched by one keeper each, at their own pace, and looked at at once when they call."""

import subprocess
import threading
import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.utils import timezone

from hypervisors import look as look_room
from hypervisors import watch as room
from hypervisors.libvirt.events import GuestEvent
from hypervisors.libvirt.host import OFF_REASONS
from hypervisors.models import HostState, Hypervisor
from hypervisors.watch import Watch, machine, on_guest_change, on_look
from tests.hypervisors.factories import guest_spec
from tests.hypervisors.fake_host import FakeGuest, make_hypervisor

pytestmark = pytest.mark.django_db(transaction=True)
WITHIN_S = 30
NEVER_S = 3600.0


@pytest.fixture(autouse=True)
def _no_other_consumers(monkeypatch):
    monkeypatch.setattr(room, "_look_consumers", [])
    monkeypatch.setattr(room, "_guest_consumers", [])


@pytest.fixture
def looks():
    """Every look that was handed over."""
    looks = []
    on_look(looks.append)
    return looks


@pytest.fixture
def run():
    """Run a watch in a thread until the end of the test, or until the event that it returns."""
    running = []

    def run(watch: Watch) -> threading.Event:
        stop = threading.Event()
        thread = threading.Thread(target=watch.run, args=(stop,))
        thread.start()
        running.append((stop, thread))
        return stop

    yield run
    for stop, thread in running:
        stop.set()
        thread.join(WITHIN_S)


def eventually(condition, within_s=WITHIN_S):
    ends_at = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def test_of_several_keepers_one_watches_a_host(hosts):
    for number in range(3):
        make_hypervisor(hosts, f"host{number}")
    first, second = Watch(), Watch()

    assert len(first.take_hosts()) == 3
    assert second.take_hosts() == []
    assert len(first.take_hosts()) == 3


def test_hosts_of_a_dead_keeper_are_taken_over_when_its_time_is_up(hypervisor):
    dead, other = Watch(heartbeat_s=10), Watch(heartbeat_s=10)
    dead.take_hosts()
    said = Hypervisor.objects.get().watched_until
    assert said is not None
    assert said - timezone.now() < timedelta(seconds=30)

    Hypervisor.objects.update(watched_until=timezone.now() - timedelta(seconds=1))

    assert other.take_hosts() == [hypervisor.pk]
    assert dead.take_hosts() == []


def test_hosts_of_a_keeper_killed_on_this_machine_are_free_at_once(hypervisor):
    killed = subprocess.Popen(["/bin/true"])
    killed.wait()
    alive, other = Watch(), Watch()
    for name, is_free in [
        (f"{machine()}:{killed.pid}:abc", True),
        (alive.name, False),
        (f"elsewhere-{machine()}:{killed.pid}:abc", False),
    ]:
        later = timezone.now() + timedelta(seconds=60)
        Hypervisor.objects.update(watcher=name, watched_until=later)

        other.free_hosts_of_the_dead()

        assert (Hypervisor.objects.get().watcher == "") is is_free


def test_database_that_does_not_answer_costs_no_host(hypervisor, looks, run, monkeypatch):
    watch = Watch(heartbeat_s=0.1)
    run(watch)
    eventually(lambda: looks)
    take, failed = watch.take_hosts, threading.Event()

    def fail():
        failed.set()
        monkeypatch.setattr(watch, "take_hosts", take)
        raise OperationalError("gone away")

    monkeypatch.setattr(watch, "take_hosts", fail)
    assert failed.wait(WITHIN_S)

    before = len(looks)
    eventually(lambda: len(looks) > before + 2)
    assert Hypervisor.objects.get().watcher == watch.name


def test_keeper_that_ends_in_order_leaves_its_hosts_to_others_at_once(hypervisor, looks, run):
    stop = run(Watch())
    eventually(lambda: looks)

    stop.set()

    eventually(lambda: Hypervisor.objects.get().watcher == "")
    assert Watch().take_hosts() == [hypervisor.pk]


def test_host_that_is_added_later_is_watched_too(hosts, hypervisor, looks, run):
    run(Watch(heartbeat_s=NEVER_S))
    eventually(lambda: looks)

    make_hypervisor(hosts, "host2")

    eventually(lambda: {look.hypervisor.name for look in looks} == {"host1", "host2"})


def test_host_is_looked_at_every_heartbeat(hypervisor, looks, run):
    run(Watch(heartbeat_s=0.1))

    eventually(lambda: len(looks) >= 5)


def test_event_makes_a_host_looked_at_at_once_and_a_swarm_of_them_not_often(host, looks, run):
    run(Watch(heartbeat_s=NEVER_S))
    eventually(lambda: looks and host.listener)
    begun = time.monotonic()

    for _ in range(100):
        host.listener.guest_changed(GuestEvent(uuid4(), "stopped"))
    eventually(lambda: len(looks) == 2)

    assert time.monotonic() - begun < 5
    host.listener.connection_lost()
    eventually(lambda: len(looks) == 3)


def test_changes_are_told_after_the_look_and_also_those_without_an_event(host, looks, run):
    told = []
    on_guest_change(lambda hypervisor, guest, what: told.append((guest, what)))
    gone, come = uuid4(), uuid4()
    host.guests[gone] = FakeGuest(guest_spec())
    run(Watch(heartbeat_s=NEVER_S))
    eventually(lambda: looks and host.listener)

    changed = uuid4()
    host.guests[come] = host.guests.pop(gone)
    host.listener.guest_changed(GuestEvent(changed, "defined"))

    eventually(lambda: len(told) == 3)
    assert set(told) == {(changed, "defined"), (come, "defined"), (gone, "undefined")}


def test_dozens_of_hanging_hosts_hold_up_no_other(hosts, looks, run, monkeypatch):
    for number in range(40):
        make_hypervisor(hosts, f"host{number}")
    release = threading.Event()
    look_at_host = look_room.look_at_host

    def hang(hypervisor, now, **options):
        if hypervisor.name != "host7":
            release.wait(0.5)
            hosts[hypervisor.name].is_down = True
        return look_at_host(hypervisor, now, **options)

    monkeypatch.setattr(room, "look_at_host", hang)
    run(Watch(heartbeat_s=0.5))

    eventually(lambda: sum(look.hypervisor.name == "host7" for look in looks) >= 8)

    release.set()
    assert Hypervisor.objects.get(name="host7").state == HostState.UP
    seen = [look for look in looks if not look.is_up]
    # They are asked less and less often.
    assert len(seen) < 40 * 8


def test_consumer_that_fails_costs_one_look(hypervisor, looks, run, caplog):
    def fail(look):
        raise RuntimeError("odd")

    on_look(fail)
    run(Watch(heartbeat_s=0.05))

    eventually(lambda: len(looks) >= 3)
    assert "A look at the hypervisor host1 failed." in caplog.text


def test_host_that_is_back_is_noticed_by_its_next_look(hypervisor, host, looks, run):
    host.is_down = True
    run(Watch(heartbeat_s=0.2))
    eventually(lambda: Hypervisor.objects.get().state == HostState.DOWN)

    host.is_down = False

    eventually(lambda: Hypervisor.objects.get().state == HostState.UP)


def test_every_reason_of_libvirt_for_a_guest_that_is_off_has_a_word():
    assert len(OFF_REASONS) == len(set(OFF_REASONS.values())) == 9
