"""How long a job waits for an idle worker, from the commit that asks for it to its start."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figures import emit, p95
from bench.proc import cpu_s, tree
from tests.portal import ROOT, Portal, eventually
from tests.postgres import cluster

JOBS = 60
IDLE_S = 6.0
# django-q2's default, and what the portal's first version had.
POLLS_S = (0.2, 0.05)


def measure_queue() -> None:
    """On both databases: woken, and polling as django-q2 does, one after the other."""
    with cluster() as url:
        _measure("postgresql", url, goal_ms=20)
    _measure("sqlite", "", goal_ms=30)


def _measure(database: str, url: str, *, goal_ms: float) -> None:
    with tempfile.TemporaryDirectory(prefix="cpq-", ignore_cleanup_errors=True) as folder:
        portal = Portal(Path(folder), database_url=url)
        portal.manage("setup", "--no-hypervisor")
        portal.environment["DJANGO_SETTINGS_MODULE"] = "bench.queue_settings"
        woken, idle = _waits(portal, "")
        polled = {poll: _waits(portal, str(poll)) for poll in POLLS_S}
    median = statistics.median(woken)
    emit(
        f"queue_wait_{database}",
        median * 1000,
        "ms",
        goal=f"<= {goal_ms:g}",
        p95=round(p95(woken) * 1000, 2),
        idle_cpu_percent=round(idle * 100, 2),
        count=len(woken),
        **{
            f"polling_{poll:g}s": {
                "ms": round(statistics.median(waits) * 1000, 2),
                "p95": round(p95(waits) * 1000, 2),
                "idle_cpu_percent": round(share * 100, 2),
                "times_woken": round(statistics.median(waits) / median, 1),
            }
            for poll, (waits, share) in polled.items()
        },
    )


def _waits(portal: Portal, poll_s: str) -> tuple[list[float], float]:
    """Each job's wait in seconds, and the workers' share of a processor while there is none."""
    portal.environment["BENCH_POLL_S"] = poll_s
    notes = portal.var / f"notes-{poll_s}"
    with _workers(portal) as pid:
        _send(portal, notes, 4)
        eventually(lambda: len(_noted(notes)) == 4, within_s=60, what="the workers work")
        before, begin = sum(map(cpu_s, tree(pid))), time.monotonic()
        time.sleep(IDLE_S)
        share = (sum(map(cpu_s, tree(pid))) - before) / (time.monotonic() - begin)
        notes.unlink()
        committed = _send(portal, notes, JOBS)
        eventually(lambda: len(_noted(notes)) == JOBS, within_s=60, what="all jobs ran")
    began = _noted(notes)
    return [began[number] - at for number, at in enumerate(committed)], share


@contextlib.contextmanager
def _workers(portal: Portal) -> Iterator[int]:
    with (portal.var / "queue.log").open("ab") as log:
        popen = subprocess.Popen(
            [sys.executable, "manage.py", "qcluster", "--skip-checks"],
            cwd=ROOT,
            env=portal.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield popen.pid
    finally:
        os.killpg(popen.pid, signal.SIGKILL)
        popen.wait(timeout=20)


def _send(portal: Portal, notes: Path, count: int) -> list[float]:
    program = f"from bench.queue_job import send; send({str(notes)!r}, {count})"
    said = portal.manage("shell", "-v", "0", "-c", program)
    committed: list[float] = json.loads(said.strip().splitlines()[-1])
    return committed


def _noted(notes: Path) -> dict[int, float]:
    lines = notes.read_text().splitlines() if notes.exists() else []
    return {int(number): float(at) for number, at in (line.split() for line in lines)}


if __name__ == "__main__":
    measure_queue()
