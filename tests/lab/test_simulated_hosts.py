"""Simulated hosts are started, repaired and removed by the lab's own command."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.lab

PROGRAM = Path(__file__).resolve().parents[2] / "lab/lab.py"
PREFIX = f"t{os.getpid() % 100000}"
SUBNET = f"10.{64 + os.getpid() // 250 % 32}.{os.getpid() % 250}.0/24"


class Lab:
    def __init__(self, var: Path) -> None:
        self.var = var
        self.key = var / "key"
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)], check=True
        )

    def __call__(self, verb: str, *words: str) -> str:
        where = ["--prefix", PREFIX, "--subnet", SUBNET, "--var", str(self.var)]
        command = [sys.executable, str(PROGRAM), verb, *where, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def up(self) -> list[dict[str, Any]]:
        answer = self("up", "--hosts", "2", "--authorized-key", f"{self.key}.pub")
        hosts: list[dict[str, Any]] = json.loads(answer)
        return hosts

    def ask(self, host: dict[str, Any], *words: str) -> str:
        wrapper = self.var / "ssh"
        wrapper.write_text(f'#!/bin/sh\nexec ssh -o UserKnownHostsFile={self.var}/known "$@"\n')
        wrapper.chmod(0o700)
        scan = ["ssh-keyscan", "-t", "ed25519", host["address"]]
        known = subprocess.run(scan, capture_output=True, check=True).stdout
        (self.var / "known").write_bytes(known)
        uri = f"{host['uri']}?keyfile={self.key}&command={wrapper}"
        command = ["virsh", "-q", "-c", uri, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    lab = Lab(tmp_path_factory.mktemp("lab"))
    yield lab
    lab("down")
    left = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    assert f"{PREFIX}-" not in left
    assert not list(Path("/run/netns").glob(f"{PREFIX}-*"))
    assert not (lab.var / "lab" / PREFIX).exists()


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
    lab("kill-host", before["name"])
    dead = json.loads(lab("status"))[0]

    lab("start-host", before["name"])
    after, same = json.loads(lab("status"))

    assert dead["pid"] is None
    assert same == neighbour
    assert after["host_key_fingerprint"] == before["host_key_fingerprint"]
    assert "kept" in lab.ask(after, "pool-list", "--all", "--name")
    assert lab("exec", before["name"], "--", "hostname").strip() == before["name"]
