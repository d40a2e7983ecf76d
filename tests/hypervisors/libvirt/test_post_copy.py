import inspect
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import libvirt
import pytest

from hypervisors.libvirt import kernel, migrate, post_copy
from hypervisors.libvirt.errors import DriverError, Unsupported
from hypervisors.libvirt.migrate import MoveRequest
from hypervisors.libvirt.shell import Ran

pytestmark = pytest.mark.once
HOST: Any = SimpleNamespace()

# `ss -Htnp state established` of a host that a guest with this pid comes to.
LISTED = """\
0      0               10.95.7.12:22              10.95.7.1:55996 users:(("sshd",pid=8544,fd=4))
0      0      [::ffff:10.95.7.12]:49152 [::ffff:10.95.7.11]:38232 users:(("qemu-system-x86",pid=77,fd=14))
0      12     [::ffff:10.95.7.12]:49153 [::ffff:10.95.7.11]:38240 users:(("qemu-system-x86",pid=770,fd=14))
0      0                127.0.0.1:5900             127.0.0.1:40000 users:(("qemu-system-x86",pid=77,fd=20))
0      0            [fd00::12]:49154             [fd00::11]:38250 users:(("qemu-system-x86",pid=77,fd=15))
"""  # noqa: E501 - the program's own lines


def test_the_streams_of_a_guest_are_its_own_connections_to_other_machines():
    assert post_copy.parse_streams(LISTED, 77) == [
        (49152, "10.95.7.11", 38232),
        (49154, "[fd00::11]", 38250),
    ]
    assert post_copy.parse_streams("", 77) == []


def test_a_dead_stream_is_ended_by_port_and_peer(monkeypatch):
    uuid, ran = uuid4(), []

    def run(connection, words):
        ran.append(words)
        return Ran("77" if words[0] == "cat" else LISTED, "", 0)

    monkeypatch.setattr(post_copy, "run_on_host", run)

    assert post_copy.end_dead_stream(HOST, uuid)

    assert ran[0] == ("cat", f"/run/libvirt/qemu/server-{uuid}.pid")
    assert ran[2] == (
        *("ss", "-K", "-tn", "sport", "=", ":49152"),
        *("dst", "10.95.7.11", "dport", "=", ":38232"),
    )
    assert len(ran) == 4


@pytest.mark.parametrize("answer", [Ran("", "No such file", 1), Unsupported("no machine")])
def test_without_a_process_there_is_no_stream(monkeypatch, answer):
    def run(connection, words):
        if isinstance(answer, DriverError):
            raise answer
        return answer

    monkeypatch.setattr(post_copy, "run_on_host", run)

    assert not post_copy.end_dead_stream(HOST, uuid4())


@pytest.mark.parametrize(
    ("text", "is_refused"), [("0", True), ("1", False), ("", False), (None, False)]
)
def test_only_a_kernel_that_says_so_is_in_the_way(monkeypatch, text, is_refused):
    monkeypatch.setattr(kernel, "_read", lambda connection, file, timeout_s: text)

    assert bool(post_copy.post_copy_obstacle(HOST)) == is_refused


class Domain:
    """A domain that is halted since it was switched."""

    def __init__(self, reason: int) -> None:
        self.reason = reason
        self.aborted = 0

    def lookupByUUID(self, uuid):  # noqa: N802 - libvirt's own name
        return self

    def state(self):
        return [libvirt.VIR_DOMAIN_PAUSED, self.reason]

    def jobStats(self):  # noqa: N802 - libvirt's own name
        return {"type": libvirt.VIR_DOMAIN_JOB_UNBOUNDED, "memory_iteration": 3}

    def abortJob(self):  # noqa: N802 - libvirt's own name
        self.aborted += 1

    def migrateStartPostCopy(self):  # noqa: N802 - libvirt's own name
        raise AssertionError("it was switched before")


@pytest.mark.parametrize("reason", migrate.SWITCHED)
def test_one_that_was_switched_is_neither_ended_nor_switched_again(reason):
    domain = Domain(reason)

    inspect.unwrap(migrate.abort_migration)(domain, uuid4())
    inspect.unwrap(post_copy.start_post_copy)(domain, uuid4())
    found = inspect.unwrap(migrate.migration_progress)(domain, uuid4())

    assert domain.aborted == 0
    assert found is not None
    assert (found.has_switched, found.memory_rounds) == (True, 3)


def test_one_that_is_halted_by_its_user_is_ended():
    domain = Domain(libvirt.VIR_DOMAIN_PAUSED_USER)

    inspect.unwrap(migrate.abort_migration)(domain, uuid4())

    assert domain.aborted == 1


@pytest.mark.parametrize("may_post_copy", [True, False])
def test_a_guest_is_slowed_down_or_may_be_switched(may_post_copy):
    given = []
    domain = SimpleNamespace(
        XMLDesc=lambda flags: "<domain><devices/></domain>",
        migrate3=lambda target, parameters, flags: given.append(flags),
    )
    raw = SimpleNamespace(lookupByUUID=lambda uuid: domain)

    request = MoveRequest(address="10.0.0.1", may_post_copy=may_post_copy)
    migrate._migrate(raw, None, uuid4(), request)

    assert bool(given[0] & libvirt.VIR_MIGRATE_POSTCOPY) == may_post_copy
    assert bool(given[0] & libvirt.VIR_MIGRATE_AUTO_CONVERGE) != may_post_copy
