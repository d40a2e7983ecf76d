"""A file that says who may call what: a line a call, a column a caller.

A status is a refusal; `ok` is whatever a caller who may ask is told. Lines that begin with `#` say
what the columns are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction

REFUSED = {401, 403, 404}


@dataclass(frozen=True)
class Table:
    """The file, and the callers in the order of its columns."""

    file: Path
    callers: Sequence[str]

    def lines(self) -> dict[str, list[str]]:
        """What each caller gets, for each call."""
        lines = [
            line for line in self.file.read_text().splitlines() if line and not line.startswith("#")
        ]
        parted = [line.rsplit("|", 1) for line in lines]
        return {name.strip(): found.split() for name, found in parted}

    def compare(self, name: str, ask: Callable[[str], int]) -> None:
        """Make a call as every caller, each time in the same world.

        Raises:
            AssertionError: with the line that the file would have.
        """
        found = []
        for who in self.callers:
            with transaction.atomic():
                status = ask(who)
                found.append(str(status) if status in REFUSED else "ok")
                transaction.set_rollback(True)
        line = f"{name:<58} | {' '.join(f'{each:<3}' for each in found).rstrip()}"
        expected = self.lines().get(name)
        assert expected == found, f"the line in {self.file.name} would be\n{line}"
