"""Real worker processes, and what becomes of the queue when one of them is killed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.portal import Portal, eventually

ENQUEUE = """
import uuid
from django.utils import timezone
from operations.enqueue import enqueue
params = {"hypervisor": 0, "network": str(uuid.uuid4())}
operation = enqueue(
    "network.remove", subject=uuid.uuid4(), params=params, request_id="", now=timezone.now()
)
print(operation.pk)
"""
STATE = """
from operations.models import Operation
print(Operation.objects.get(pk="{}").state)
"""


@pytest.fixture(scope="module")
def portal(tmp_path_factory) -> Iterator[Portal]:
    """An empty database; no process runs."""
    var = tmp_path_factory.mktemp("cluster")
    (var / "secret_key").write_text("a-key-for-tests-only-" + "x" * 40)
    (var / "secret_key").chmod(0o600)
    made = Portal(var, database_url=os.environ.get("DATABASE_URL", ""))
    made.manage("migrate", "-v", "0")
    yield made
    made.stop()


@pytest.fixture
def cluster(portal) -> Iterator[subprocess.Popen[bytes]]:
    """A worker's processes, ready for jobs."""
    portal.start("worker")
    process = portal.processes["worker"]
    eventually(lambda: len(workers_of(process.pid)) == 5, what="the cluster is complete")
    yield process
    portal.stop()


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(each) for each in found.read_text().split()] if found.exists() else []


def workers_of(pid: int) -> list[int]:
    """Sentinel, workers, monitor and pusher, in the order of their start."""
    sentinels = children(pid)
    return sentinels + [each for sentinel in sentinels for each in children(sentinel)]


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def shell(portal: Portal, program: str) -> str:
    return portal.manage("shell", "-v", "0", "-c", program).strip().splitlines()[-1]


def work_is_done(portal: Portal) -> bool:
    operation = shell(portal, ENQUEUE)
    return bool(
        eventually(lambda: shell(portal, STATE.format(operation)) == "done", what="it is done")
    )


def test_the_queue_goes_on_when_one_of_its_processes_is_killed(portal, cluster):
    # By their place: the two workers, the monitor, the pusher.
    for victim in (1, 2, 3, 4):
        before = workers_of(cluster.pid)

        os.kill(before[victim], signal.SIGKILL)
        eventually(partial(is_renewed, cluster.pid, before), what="all have been replaced")

        assert work_is_done(portal)
    assert cluster.poll() is None


def is_renewed(pid: int, before: list[int]) -> bool:
    now = workers_of(pid)
    return len(now) == len(before) and not set(before[1:]) & set(now)


@pytest.mark.parametrize("victim", ["cluster", "sentinel"])
def test_no_process_outlives_its_parent(cluster, victim):
    everything = [cluster.pid, *workers_of(cluster.pid)]

    os.kill(everything[0 if victim == "cluster" else 1], signal.SIGKILL)

    assert cluster.wait(timeout=60) != 0
    eventually(lambda: not any(is_alive(pid) for pid in everything), what="all have ended")


def test_a_cluster_told_to_stop_ends_well(cluster):
    everything = [cluster.pid, *workers_of(cluster.pid)]

    cluster.terminate()

    assert cluster.wait(timeout=60) == 0
    eventually(lambda: not any(is_alive(pid) for pid in everything), what="all have ended")


def test_a_stuck_sentinel_ends_the_cluster(cluster):
    everything = [cluster.pid, *workers_of(cluster.pid)]

    os.kill(everything[1], signal.SIGSTOP)

    assert cluster.wait(timeout=120) != 0
    eventually(lambda: not any(is_alive(pid) for pid in everything), what="all have ended")
