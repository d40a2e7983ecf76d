"""Simulated hosts are started, repaired and removed by the lab's own command."""

import json
import os
import signal

import pytest

from tests.lab.conftest import PREFIX

pytestmark = pytest.mark.lab


def test_each_host_answers_as_itself_over_ssh(lab):
    hosts = lab.up()

    assert [lab.ask(host, "hostname") for host in hosts] == [f"{PREFIX}-host-{n}" for n in (1, 2)]


def test_a_second_start_reuses_every_process(lab):
    first = lab.up()

    assert lab.up() == first


def test_a_dead_daemon_is_started_again_and_the_others_stay(lab):
    before = lab.up()[0]
    os.kill(before["daemons"]["libvirtd"], signal.SIGKILL)

    after = lab.up()[0]

    assert after["pid"] == before["pid"]
    assert after["daemons"]["sshd"] == before["daemons"]["sshd"]
    assert after["daemons"]["libvirtd"] != before["daemons"]["libvirtd"]
    assert lab.ask(after, "hostname") == after["name"]


def test_a_host_without_power_comes_back_with_its_key_and_what_it_stored(lab):
    before, neighbour = lab.up()
    lab.ask(before, "pool-define-as", "kept", "dir", "--target", "/var/lib/libvirt/images")
    lab("exec", before["name"], "--", "ip", "link", "add", "made-by-libvirt", "type", "bridge")
    lab("kill-host", before["name"])
    dead = json.loads(lab("status"))[0]

    lab("start-host", before["name"])
    after, same = json.loads(lab("status"))

    assert dead["pid"] is None
    assert "made-by-libvirt" not in lab("exec", before["name"], "--", "ip", "-brief", "link")
    assert same == neighbour
    assert after["host_key_fingerprint"] == before["host_key_fingerprint"]
    assert "kept" in lab.ask(after, "pool-list", "--all", "--name")
    assert lab("exec", before["name"], "--", "hostname").strip() == before["name"]


def test_each_start_of_a_host_is_a_boot_of_its_own(lab):
    host, neighbour = lab.up()

    def boot(of):
        return lab("exec", of["name"], "--", "cat", "/proc/sys/kernel/random/boot_id")

    before = boot(host)
    assert before == boot(host) != boot(neighbour)
    lab("kill-host", host["name"])
    lab("start-host", host["name"])

    assert boot(host) != before
