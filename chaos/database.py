"""A throw-away PostgreSQL that machines reach over the network, and that can crash."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from pathlib import Path

from tests.postgres import DATABASE, OWNER, binaries, run

MOST_CONNECTIONS = 400


class Database:
    """Listens at one address; trusts who comes from the subnet, which is this machine's alone."""

    def __init__(self, address: str, subnet: str) -> None:
        tools = binaries()
        if tools is None:
            raise RuntimeError("PostgreSQL is not installed: apt-get install postgresql")
        self._tools = tools
        self.url = f"postgres://{OWNER}@{address}:5432/{DATABASE}"
        self._address = address
        self._subnet = subnet
        self._folder = Path(tempfile.mkdtemp(prefix="cpc-postgres-"))
        self._lock = threading.Lock()

    def make(self) -> None:
        """Lay the cluster out, start it, and make the empty database."""
        if os.geteuid() == 0:
            shutil.chown(self._folder, OWNER)
        data = self._folder / "data"
        run(self._tools / "initdb", "-D", data, "-U", OWNER, "-A", "trust", "-E", "UTF8")
        with (data / "pg_hba.conf").open("a") as file:
            file.write(f"host all all {self._subnet} trust\n")
        self.start()
        run(self._tools / "createdb", "-h", self._folder, "-U", OWNER, DATABASE)

    def start(self) -> None:
        """Start it, and wait until it answers; it recovers from the crash by itself."""
        # A crash of the server loses nothing that it handed to the kernel, so it need not wait for
        # the disk: no machine crashes here.
        options = (
            f"-k {self._folder} -c listen_addresses={self._address} -c port=5432 -c fsync=off"
            f" -c max_connections={MOST_CONNECTIONS}"
        )
        with self._lock:
            if not self.is_running():
                words = ("-D", self._folder / "data", "-o", options, "-l", self._folder / "log")
                run(self._tools / "pg_ctl", *words, "-w", "start")

    def crash(self) -> None:
        """End it at once: no connection is closed in order, nothing is written out."""
        with self._lock:
            if self.is_running():
                words = ("-D", self._folder / "data", "-m", "immediate", "-w", "stop")
                run(self._tools / "pg_ctl", *words)

    def is_running(self) -> bool:
        """Whether its main process lives."""
        try:
            pid = int((self._folder / "data" / "postmaster.pid").read_text().splitlines()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return False
        return Path(f"/proc/{pid}").exists()

    def remove(self, log: Path) -> None:
        """End it and forget all it stored, but for its log."""
        try:
            self.crash()
            if (self._folder / "log").exists():
                shutil.copyfile(self._folder / "log", log)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)
