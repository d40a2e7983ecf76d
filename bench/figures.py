"""How figures are taken and printed."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


def emit(figure: str, value: float | str | bool, unit: str, *, goal: str = "", **more: Any) -> None:
    """Print one figure; `goal` in words, such as "<= 40"."""
    if isinstance(value, float):
        value = round(value, 4)
    print(
        json.dumps({"figure": figure, "value": value, "unit": unit, "goal": goal, **more}),
        flush=True,
    )


def p95(values: Sequence[float]) -> float:
    """The value that 95 of 100 do not exceed."""
    return sorted(values)[max(0, round(0.95 * len(values)) - 1)]


def emit_times(figure: str, seconds: Sequence[float], *, goal_ms: float) -> None:
    """Print the median of measured times, in milliseconds, with what else there is to know."""
    emit(
        figure,
        statistics.median(seconds) * 1000,
        "ms",
        goal=f"<= {goal_ms:g}",
        p95=round(p95(seconds) * 1000, 2),
        least=round(min(seconds) * 1000, 2),
        count=len(seconds),
    )


def timed(work: Callable[[], Any]) -> float:
    """How many seconds it takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def emit_machine() -> None:
    """Print what the figures were taken on."""
    cpus = Path("/proc/cpuinfo").read_text()
    model = next((line for line in cpus.splitlines() if line.startswith("model name")), "")
    emit(
        "machine",
        platform.platform(),
        "",
        cpu=model.partition(":")[2].strip(),
        cpus=os.cpu_count(),
        ram_mib=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        has_virtualisation=" vmx" in cpus or " svm" in cpus,
        python=platform.python_version(),
        load=[round(each, 2) for each in os.getloadavg()],
    )
