"""Processes as the kernel tells of them."""

from __future__ import annotations

import os
from pathlib import Path

KIB_PER_MIB = 1024


def tree(pid: int) -> list[int]:
    """A process and all it started."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*"):
        for child in (task / "children").read_text().split():
            found += tree(int(child))
    return found


def pss_mib(pid: int) -> float:
    """Its memory; of a page that several share, its part."""
    return _rollup(pid, "Pss:") / KIB_PER_MIB


def rss_mib(pid: int) -> float:
    """Its memory, shared pages counted in full."""
    return _rollup(pid, "Rss:") / KIB_PER_MIB


def _rollup(pid: int, key: str) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    return 0


def cpu_s(pid: int) -> float:
    """Seconds of processor time it and its ended children took so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
