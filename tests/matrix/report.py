"""Says at the end of a run how many workers were killed, and how soon others took over."""

from __future__ import annotations

import pytest

from tests.matrix.seeds import SEED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line a figure, when there is one."""
    reports = [each for each in terminalreporter.getreports("passed") if each.when == "call"]
    figures = [dict(each.user_properties) for each in reports]
    kills = sum(each.get("kills", 0) for each in figures)
    if kills:
        terminalreporter.write_line(f"Workers killed with -9: {kills}, seed {SEED}")
    for each in figures:
        if "recovery_s" in each:
            line = f"Work of a killed worker went on after {each['recovery_s']:.1f} s"
            terminalreporter.write_line(line)
