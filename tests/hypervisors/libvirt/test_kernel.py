"""What is read from a host's kernel, by the program that libvirt connects by."""

from typing import Any
from urllib.parse import quote

import pytest

from hypervisors.libvirt import kernel


class _Connection:
    def __init__(self, uri):
        self.uri = uri


def connection_to(uri) -> Any:
    return _Connection(uri)


@pytest.fixture
def over_ssh(tmp_path):
    """A connection whose program writes its words down and says what `answer` has."""
    (tmp_path / "answer").write_text("boot-one\n")
    program = tmp_path / "ssh"
    program.write_text(
        f'#!/bin/sh\necho "$@" >>"{tmp_path}/asked"\ncat "{tmp_path}/answer"\n'
        f'exit "$(cat "{tmp_path}/status" 2>/dev/null || echo 0)"\n'
    )
    program.chmod(0o700)
    return connection_to(f"qemu+ssh://root@h.lab:2222/system?command={quote(str(program))}")


def asked(tmp_path):
    return (tmp_path / "asked").read_text().splitlines()


def test_the_boot_is_asked_for_once_a_connection_by_one_cat(over_ssh, tmp_path):
    assert [kernel.boot_id(over_ssh) for _ in range(3)] == ["boot-one"] * 3

    assert asked(tmp_path) == ["-l root -p 2222 -- h.lab cat /proc/sys/kernel/random/boot_id"]


def test_a_boot_that_cannot_be_read_is_unknown_and_not_asked_for_at_every_look(
    over_ssh, tmp_path, monkeypatch
):
    (tmp_path / "status").write_text("255")

    assert [kernel.boot_id(over_ssh) for _ in range(3)] == [""] * 3

    assert len(asked(tmp_path)) == 1
    (tmp_path / "status").write_text("0")
    monkeypatch.setattr(kernel, "BOOT_ID_AGAIN_S", 0.0)
    assert kernel.boot_id(over_ssh) == "boot-one"


def test_this_machine_says_its_own():
    assert kernel.boot_id(connection_to("qemu:///system")) == kernel.BOOT_ID.read_text().strip()


def test_another_kind_of_host_has_none():
    assert kernel.boot_id(connection_to("test:///default")) == ""
    assert kernel.passes_bridged_packets(connection_to("test:///default")) is None


@pytest.mark.parametrize(("said", "passes"), [("1\n", True), ("0\n", False), ("", False)])
def test_whether_bridged_packets_are_filtered_is_read_likewise(over_ssh, tmp_path, said, passes):
    (tmp_path / "answer").write_text(said)

    assert kernel.passes_bridged_packets(over_ssh) is passes
