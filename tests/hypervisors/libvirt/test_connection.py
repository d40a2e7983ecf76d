import os
import threading
import time

import pytest

from hypervisors.libvirt import connection as room
from hypervisors.libvirt.cache import ConnectionCache
from hypervisors.libvirt.connection import Beat, open_connection, ssh_uri
from hypervisors.libvirt.errors import DriverError, HostUnreachable, NotThere, Unsupported

TEST = "test:///default"
NOBODY = "qemu+unix:///system?socket=/nonexistent/libvirt-sock"


def test_ssh_uri_runs_the_portals_own_ssh():
    uri = ssh_uri("qemu+ssh://root@10.0.0.1:2222/system?socket=/run/x", "/var/portal/ssh wrap")

    wrapped = "command=/var/portal/ssh%20wrap"
    assert uri == f"qemu+ssh://root@10.0.0.1:2222/system?socket=/run/x&{wrapped}"


def test_local_uri_stays_as_it_is():
    assert ssh_uri("qemu:///system", "/wrap") == "qemu:///system"


@pytest.mark.parametrize(
    "query",
    ["no_verify=1", "no_verify=0", "NO_VERIFY", "command=/bin/sh", "known_hosts_verify=ignore"],
)
def test_uri_that_weakens_the_check_of_the_host_is_refused(query):
    with pytest.raises(Unsupported):
        ssh_uri(f"qemu+ssh://root@host/system?{query}", "/wrap")


def test_libvirts_error_comes_out_as_the_drivers():
    connection = open_connection(TEST)

    with pytest.raises(NotThere) as caught:
        connection.call(lambda raw: raw.lookupByName("nobody"))

    assert caught.value.code is not None
    assert connection.is_alive()


def test_call_beyond_its_deadline_breaks_the_connection():
    connection = open_connection(TEST)
    release = threading.Event()
    begun = time.monotonic()

    with pytest.raises(HostUnreachable):
        connection.call(lambda raw: release.wait(60), deadline_s=0.2)

    release.set()
    assert time.monotonic() - begun < 5
    assert not connection.is_alive()
    with pytest.raises(HostUnreachable):
        connection.call(lambda raw: raw.getHostname())


def test_call_that_shows_signs_of_life_may_take_longer():
    connection = open_connection(TEST)
    beat = Beat()
    pause = threading.Event()

    def slow(raw):
        for _ in range(10):
            pause.wait(0.1)
            beat.touch()
        return raw.getHostname()

    assert connection.call(slow, deadline_s=0.6, beat=beat)


def test_cache_keeps_one_connection_and_replaces_a_broken_one():
    cache = ConnectionCache()
    first = cache.get(TEST)

    assert cache.get(TEST) is first
    first.close()
    second = cache.get(TEST)
    assert second is not first
    assert second.is_alive()


def test_dead_host_costs_its_time_out_once(monkeypatch):
    cache = ConnectionCache(negative_s=60)
    tries = []

    def fail(uri):
        tries.append(uri)
        raise HostUnreachable("No answer.")

    monkeypatch.setattr(room, "connect", fail)
    for _ in range(3):
        with pytest.raises(HostUnreachable):
            cache.get("qemu+ssh://root@dead/system")

    assert len(tries) == 1


def test_refused_connection_is_an_unreachable_host():
    with pytest.raises(HostUnreachable):
        open_connection(NOBODY)


def test_failed_host_is_tried_again_after_it_was_forgotten():
    cache = ConnectionCache(negative_s=60)
    with pytest.raises(HostUnreachable):
        cache.get(NOBODY)

    cache.forget(NOBODY)

    with pytest.raises(HostUnreachable):
        cache.get(NOBODY)


def test_loop_of_a_parent_process_is_not_used(monkeypatch):
    open_connection(TEST)
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)

    with pytest.raises(DriverError, match="forked"):
        open_connection(TEST)
