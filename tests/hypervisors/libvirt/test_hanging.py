"""A host that takes calls and answers none is told from one that is busy, and keeps nobody long."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from hypervisors.libvirt import cache as cache_room
from hypervisors.libvirt import calls
from hypervisors.libvirt import connection as room
from hypervisors.libvirt.cache import ConnectionCache
from hypervisors.libvirt.calls import giving_up_after
from hypervisors.libvirt.connection import PARALLEL, Connection
from hypervisors.libvirt.errors import Hanging, HostUnreachable

URI = "qemu+ssh://root@frozen/system"
LONG_S = 30.0


class Raw:
    """What libvirt would give: a host that can be frozen."""

    def __init__(self):
        self.answers = threading.Event()
        self.answers.set()
        self.lock = threading.Lock()
        self.pings = self.under_way = self.most = 0
        self.is_closed = False

    def getLibVersion(self):  # noqa: N802 - libvirt's name
        self.pings += 1
        assert self.answers.wait(LONG_S)
        return 9000000

    def isAlive(self):  # noqa: N802 - libvirt's name
        return not self.is_closed

    def close(self):
        assert not self.under_way
        self.is_closed = True

    def work(self, until: threading.Event | None = None):
        with self.lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        assert self.answers.wait(LONG_S)
        if until is not None:
            assert until.wait(LONG_S)
        with self.lock:
            self.under_way -= 1
        return "done"


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    monkeypatch.setattr(calls, "SILENCE_S", 0.1)
    monkeypatch.setattr(calls, "PING_S", 0.2)
    monkeypatch.setattr(calls, "_LOOK_S", 0.05)
    monkeypatch.setattr(room, "_LOOK_S", 0.05)
    monkeypatch.setattr(cache_room, "JOIN_S", 0.2)


@pytest.fixture
def raw():
    raw = Raw()
    yield raw
    raw.answers.set()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(20) as pool:
        yield pool


def eventually(condition):
    ends_at = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def test_long_call_is_borne_while_pings_are_answered(raw, pool):
    connection = Connection(raw, URI)
    until = threading.Event()

    with giving_up_after(0.4):
        ends_at = time.monotonic() + 1.5
        long = pool.submit(connection.call, lambda raw: raw.work(until))
        eventually(lambda: raw.pings >= 3 and time.monotonic() > ends_at)
        assert connection.call(lambda raw: raw.work()) == "done"

    until.set()
    assert long.result(LONG_S) == "done"
    assert connection.is_alive()


def test_who_comes_while_the_host_hangs_is_refused_at_once_and_served_when_it_is_back(raw, pool):
    connection = Connection(raw, URI)
    raw.answers.clear()
    stuck = pool.submit(connection.call, lambda raw: raw.work())
    eventually(lambda: raw.pings == 1)
    with pytest.raises(Hanging):
        connection.call(lambda raw: raw.work())

    begun = time.monotonic()
    for _ in range(50):
        with pytest.raises(Hanging):
            connection.call(lambda raw: raw.work())
    assert time.monotonic() - begun < 0.2

    assert (raw.under_way, raw.pings) == (1, 1)
    raw.answers.set()
    assert stuck.result(LONG_S) == "done"
    assert connection.call(lambda raw: raw.work()) == "done"


def test_silent_host_is_given_up_long_before_the_deadline(raw):
    connection = Connection(raw, URI)
    raw.answers.clear()
    begun = time.monotonic()

    with giving_up_after(0.5), pytest.raises(HostUnreachable, match="answered nothing"):
        connection.call(lambda raw: raw.work(), deadline_s=LONG_S)

    assert time.monotonic() - begun < 5
    assert not connection.is_alive()
    # libvirt would free what the call's thread still uses.
    assert not raw.is_closed
    raw.answers.set()
    eventually(lambda: raw.is_closed)


def test_no_more_calls_are_under_way_than_a_host_takes(raw, pool):
    connection = Connection(raw, URI)

    done = [pool.submit(connection.call, lambda raw: raw.work()) for _ in range(200)]

    assert all(each.result(LONG_S) == "done" for each in done)
    assert raw.most <= PARALLEL


def test_crowd_on_a_hanging_host_holds_no_more_threads_than_places(raw, pool):
    connection = Connection(raw, URI)
    raw.answers.clear()

    def ask():
        with giving_up_after(1), pytest.raises(HostUnreachable):
            connection.call(lambda raw: raw.work())

    for each in [pool.submit(ask) for _ in range(20)]:
        each.result(LONG_S)

    assert raw.most <= PARALLEL
    assert raw.pings == 1


def test_call_that_takes_too_long_leaves_the_others_on_its_connection_alone(raw, pool):
    connection = Connection(raw, URI)
    until = threading.Event()
    other = pool.submit(connection.call, lambda raw: raw.work(until))
    eventually(lambda: raw.under_way == 1)

    with pytest.raises(HostUnreachable):
        connection.call(lambda raw: raw.work(until), deadline_s=0.1)

    assert not raw.is_closed
    until.set()
    assert other.result(LONG_S) == "done"
    eventually(lambda: raw.is_closed)


class TestConnecting:
    """One attempt at a time, which outlives those who waited for it."""

    @pytest.fixture
    def tries(self, monkeypatch, raw):
        tries = []

        def connect(uri):
            tries.append(uri)
            raw.answers.wait(LONG_S)
            return Connection(raw, uri)

        monkeypatch.setattr(room, "connect", connect)
        raw.answers.clear()
        return tries

    def test_who_comes_during_a_hanging_attempt_is_refused_and_makes_no_other(self, tries):
        cache = ConnectionCache(timeout_s=0.3)
        with pytest.raises(HostUnreachable):
            cache.get(URI)

        begun = time.monotonic()
        for _ in range(50):
            with pytest.raises(HostUnreachable):
                cache.get(URI)

        assert time.monotonic() - begun < 0.2
        assert len(tries) == 1

    def test_attempt_that_succeeds_late_is_used(self, tries, raw):
        cache = ConnectionCache(timeout_s=0.1)
        with pytest.raises(HostUnreachable):
            cache.get(URI)
        opening = next(iter(cache._slots.values())).opening
        assert opening is not None

        raw.answers.set()
        assert opening.wait(LONG_S)

        assert cache.get(URI).is_alive()
        assert len(tries) == 1

    def test_attempt_that_failed_long_ago_keeps_nobody_from_the_next(self, raw, monkeypatch):
        fails = [HostUnreachable("No answer.")]

        def connect(uri):
            raw.answers.wait(LONG_S)
            if fails:
                raise fails.pop()
            return Connection(raw, uri)

        monkeypatch.setattr(room, "connect", connect)
        raw.answers.clear()
        cache = ConnectionCache(timeout_s=0.1, negative_s=60)
        with pytest.raises(HostUnreachable):
            cache.get(URI)
        opening = next(iter(cache._slots.values())).opening
        assert opening is not None
        raw.answers.set()
        assert opening.wait(LONG_S)
        # A minute goes by in which nobody wants anything of the host.
        monkeypatch.setattr(opening, "ended_at", opening.ended_at - 61)

        assert cache.get(URI).is_alive()

    def test_crowd_that_comes_together_shares_one_attempt(self, tries, raw, pool, monkeypatch):
        monkeypatch.setattr(cache_room, "JOIN_S", LONG_S)
        cache = ConnectionCache()
        crowd = [pool.submit(cache.get, URI) for _ in range(10)]
        eventually(lambda: tries)

        raw.answers.set()

        assert len({id(each.result(LONG_S)) for each in crowd}) == 1
        assert len(tries) == 1

    def test_attempt_for_a_host_that_was_forgotten_is_closed(self, tries, raw):
        cache = ConnectionCache(timeout_s=0.1)
        with pytest.raises(HostUnreachable):
            cache.get(URI)

        cache.forget(URI)
        raw.answers.set()

        eventually(lambda: raw.is_closed)
