"""What was done when: a line an act for the reader, and the instants for the figures."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from pathlib import Path


class Journal:
    """Written by many threads."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w")
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self.acts: Counter[str] = Counter()
        # Instants (seconds since the epoch) of all kills, and of the database's returns.
        self.kills: list[float] = []
        self.database_backs: list[float] = []
        self.killed_hosts: set[str] = set()

    def say(self, words: str) -> None:
        """Note it with its time."""
        with self._lock:
            line = f"{time.monotonic() - self._began:7.1f} s  {words}"
            print(line, file=sys.stderr, flush=True)
            print(line, file=self._file, flush=True)

    def act(self, kind: str, words: str) -> None:
        """Note and count something that was done."""
        with self._lock:
            self.acts[kind] += 1
        self.say(words)

    def close(self) -> None:
        """Nothing more is noted."""
        self._file.close()
