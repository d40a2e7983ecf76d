"""What the portal takes while nobody wants anything of it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.cloud import Bench
from bench.figures import emit
from bench.proc import cpu_s, pss_mib, rss_mib
from cloudportal.processes import supervisor_config
from tests.portal import ROOT, eventually

SECONDS = 20
SETTLE_S = 5
MIB = 2**20


def measure_rest(bench: Bench) -> None:
    """Memory of all processes, the supervisor among them, and their share of a processor."""
    with _supervisor(bench.portal.var) as supervisor:
        time.sleep(SETTLE_S)
        programs = {**bench.programs(), "supervisor": [supervisor]}
        before, begin = _cpu_s(programs), time.monotonic()
        time.sleep(SECONDS)
        share = (_cpu_s(programs) - before) / (time.monotonic() - begin)
        pss = {name: sum(map(pss_mib, pids)) for name, pids in programs.items()}
        rss = sum(rss_mib(pid) for pids in programs.values() for pid in pids)
        emit(
            "idle_memory",
            sum(pss.values()),
            "MiB PSS",
            goal="<= 500",
            rss_mib=round(rss),
            processes=sum(map(len, programs.values())),
            by_program={name: round(mib) for name, mib in pss.items()},
        )
        emit("idle_cpu", share * 100, "% of one CPU", over_s=SECONDS)


def _cpu_s(programs: dict[str, list[int]]) -> float:
    return sum(cpu_s(pid) for pids in programs.values() for pid in pids)


@contextlib.contextmanager
def _supervisor(var: Path) -> Iterator[int]:
    """The supervisor as `make run` has it, here without its programs: the tests start those."""
    folder = var / "supervised"
    for name in ("run", "log"):
        (folder / name).mkdir(parents=True)
    config = folder / "supervisord.conf"
    config.write_text(supervisor_config(var=folder, project=ROOT, programs=[]))
    program = Path(sys.executable).parent / "supervisord"
    popen = subprocess.Popen([program, "-c", config], stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: (folder / "run/supervisor.sock").exists(), what="the supervisor runs")
        yield popen.pid
    finally:
        popen.terminate()
        popen.wait(timeout=20)
