"""A lab of the tests' own, driven by its command."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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
        words = ["--hosts", "2", "--machines", "1", "--pool-size", "64"]
        answer = self("up", *words, "--authorized-key", f"{self.key}.pub")
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
