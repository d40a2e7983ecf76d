"""A throw-away PostgreSQL cluster: on a socket of its own, gone when the work is done.

From the shell, `python -m tests.postgres COMMAND …` runs a command with `DATABASE_URL` set to a
fresh database; in tests, `with cluster() as url:`, or `stoppable_cluster()` for one that fails.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

OWNER = "postgres"
DATABASE = "cloudportal"


def binaries() -> Path | None:
    """The folder with `initdb` and `pg_ctl`, of the newest version that is installed."""
    packaged = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name)
    )
    on_path = shutil.which("createdb")
    return packaged[-1] if packaged else Path(on_path).parent if on_path else None


@dataclass
class Cluster:
    """A cluster in a folder; it may be stopped and started while others use it."""

    tools: Path
    folder: Path

    @property
    def url(self) -> str:
        """What `DATABASE_URL` is to be."""
        return f"postgres://{OWNER}@/{self.folder}/{DATABASE}"

    def make(self) -> None:
        """Make it, start it, and put an empty database into it."""
        run(self.tools / "initdb", "-D", self._data, "-U", OWNER, "-A", "trust", "-E", "UTF8",
            "--no-sync")  # fmt: skip
        self.start()
        run(self.tools / "createdb", "-h", self.folder, "-U", OWNER, DATABASE)

    def start(self) -> None:
        """Start it and wait until it answers."""
        # Durability costs time, and only a crash of the machine would need it; locks, and what a
        # crash of the server leaves, are the same without.
        options = f"-k {self.folder} -c listen_addresses= -c fsync=off -c max_connections=500"
        log = self.folder / "log"
        run(self.tools / "pg_ctl", "-D", self._data, "-o", options, "-l", log, "-w", "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it: `immediate` is a crash, `fast` an orderly end that breaks connections too."""
        run(self.tools / "pg_ctl", "-D", self._data, "-m", mode, "-w", "stop")

    @property
    def is_running(self) -> bool:
        """Whether it was started and not stopped."""
        return (self._data / "postmaster.pid").exists()

    @property
    def _data(self) -> Path:
        return self.folder / "data"


@contextmanager
def cluster() -> Iterator[str]:
    """Start a cluster and yield the URL of an empty database in it; stop and remove it after."""
    with stoppable_cluster() as made:
        yield made.url


@contextmanager
def stoppable_cluster() -> Iterator[Cluster]:
    """The same, and the means to stop and start it meanwhile.

    Raises:
        RuntimeError: PostgreSQL is not installed.
    """
    tools = binaries()
    if tools is None:
        raise RuntimeError("PostgreSQL is not installed: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="cloudportal-postgres-"))
    made = Cluster(tools, folder)
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, OWNER)
        try:
            made.make()
            yield made
        finally:
            if made.is_running:
                made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(program: Path, *arguments: Path | str) -> None:
    """Run one of PostgreSQL's programs; as its own user, since it refuses to run as root."""
    command = [str(program), *map(str, arguments)]
    owner = pwd.getpwnam(OWNER) if os.geteuid() == 0 else None
    done = subprocess.run(
        command,
        user=owner.pw_uid if owner else None,
        group=owner.pw_gid if owner else None,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        # A file, since the server that `pg_ctl` leaves behind would hold a pipe open.
        stderr=None,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{program.name} failed with status {done.returncode}.")


def main(command: list[str]) -> int:
    """Run a command with `DATABASE_URL` set; returns its exit status."""
    with cluster() as url:
        return subprocess.run(
            command, env={**os.environ, "DATABASE_URL": url}, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
