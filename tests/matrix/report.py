"""Says at the end of a run how many workers were killed."""

from __future__ import annotations

import pytest

from tests.matrix.seeds import SEED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line, when there was anything of it."""
    reports = [each for each in terminalreporter.getreports("passed") if each.when == "call"]
    kills = sum(
        value for each in reports for name, value in each.user_properties if name == "kills"
    )
    if kills:
        terminalreporter.write_line(f"Workers killed with -9: {kills}, seed {SEED}")
