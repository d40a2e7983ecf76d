"""Every harm that the lab can do to a host shows from outside, and its mending undoes it."""

import json
import socket
import subprocess

import pytest

from tests.lab.conftest import PREFIX
from tests.portal import eventually

pytestmark = pytest.mark.lab


@pytest.fixture
def host(lab):
    return lab.up()[0]


def greeting(host) -> bytes | None:
    """What sshd says first; nothing when it is silent, None when nobody is there."""
    try:
        with socket.create_connection((host["address"], 22), timeout=1) as connection:
            connection.settimeout(1)
            return connection.recv(4)
    except TimeoutError:
        return b""
    except OSError:
        return None


def accepts(host) -> bool:
    try:
        with socket.create_connection((host["address"], 22), timeout=1):
            return True
    except OSError:
        return False


def free_bytes(lab, host) -> int:
    words = ["stat", "-f", "-c", "%a", "/var/lib/libvirt/images"]
    return int(lab("exec", host["name"], "--", *words))


def test_a_frozen_host_accepts_and_answers_nothing_until_it_is_thawed(lab, host):
    for _ in range(2):
        lab("freeze-host", host["name"])

    assert accepts(host)
    assert greeting(host) == b""
    for _ in range(2):
        lab("thaw-host", host["name"])
    assert greeting(host) == b"SSH-"
    assert lab.ask(host, "hostname") == host["name"]


def test_a_host_without_its_link_is_not_there_until_it_is_joined(lab, host):
    for _ in range(2):
        lab("cut-link", host["name"])

    assert not accepts(host)
    for _ in range(2):
        lab("join-link", host["name"])
    eventually(lambda: greeting(host) == b"SSH-", within_s=20, what="sshd answers")


@pytest.mark.parametrize("name", ["libvirtd", "sshd", "virtlogd"])
def test_a_killed_daemon_is_gone_until_the_host_is_started(lab, host, name):
    for _ in range(2):
        lab("kill-daemon", host["name"], name)

    assert json.loads(lab("status"))[0]["daemons"][name] is None
    lab("start-host", host["name"])
    assert lab.ask(host, "hostname") == host["name"]


def test_a_full_pool_takes_no_byte_until_it_is_emptied(lab, host):
    room = free_bytes(lab, host)
    for _ in range(2):
        lab("fill-pool", host["name"])

    assert room > 0
    assert free_bytes(lab, host) == 0
    for _ in range(2):
        lab("empty-pool", host["name"])
    assert free_bytes(lab, host) == room


@pytest.mark.long
def test_a_pool_of_its_own_keeps_its_files_without_power(lab, host):
    kept = "/var/lib/libvirt/images/kept"
    lab("exec", host["name"], "--", "touch", kept)
    lab("kill-host", host["name"])

    lab("start-host", host["name"])

    assert lab("exec", host["name"], "--", "ls", kept).strip() == kept
    lab("exec", host["name"], "--", "rm", kept)


def test_a_machine_reaches_the_hosts(host):
    words = ["ip", "netns", "exec", f"{PREFIX}-machine-1", "ping", "-c1", "-W2", host["address"]]

    assert subprocess.run(words, capture_output=True, check=False).returncode == 0
