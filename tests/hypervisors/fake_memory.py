"""Fake hosts kept in a file: several processes see the same ones, and they outlive all of them."""

from __future__ import annotations

import fcntl
import os
import pickle
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from tests.hypervisors.fake_host import FakeHosts


class Memory:
    """What the hosts have, written anew after every call by a rename, so that a kill tears nothing.

    Whoever is inside `opened()` is alone: of all threads, and of all processes.
    """

    def __init__(self, hosts: FakeHosts, folder: Path) -> None:
        self._hosts = hosts
        self._path = folder / "hosts"
        self._lock_path = folder / "hosts.lock"
        self._mutex = threading.RLock()
        self._lock: BinaryIO | None = None
        self._seen = 0

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Look at and change the hosts as they are; inside another one it is that one."""
        with self._mutex:
            if self._lock is not None:
                yield
                return
            # Opened each time: a fork would share the lock with its parent.
            with self._lock_path.open("a+b") as self._lock:
                fcntl.flock(self._lock, fcntl.LOCK_EX)
                try:
                    self._read(self._version(self._lock))
                    try:
                        yield
                    finally:
                        self._write(self._lock)
                finally:
                    self._lock = None

    def write(self) -> None:
        """Keep what there is in the middle of a call, for whom death comes there."""
        if self._lock is not None:
            self._write(self._lock)

    def _write(self, lock: BinaryIO) -> None:
        fresh = self._path.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(pickle.dumps({name: host.kept() for name, host in self._hosts.items()}))
        # The number first: who dies in between makes the others read once too often.
        self._seen = self._version(lock) + 1
        lock.write(b".")
        lock.flush()
        fresh.replace(self._path)

    def _read(self, version: int) -> None:
        if version != self._seen and self._path.exists():
            for name, kept in pickle.loads(self._path.read_bytes()).items():
                self._hosts[name].__dict__.update(kept)
            self._seen = version

    @staticmethod
    def _version(lock: BinaryIO) -> int:
        """How often it was written: the lock file grows by a byte each time."""
        return os.fstat(lock.fileno()).st_size
