"""A throw-away PostgreSQL cluster: on a socket of its own, gone when the work is done.

From the shell, `python -m tests.postgres COMMAND …` runs a command with `DATABASE_URL` set to a
fresh database; in tests, `with cluster() as url:`.
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


@contextmanager
def cluster() -> Iterator[str]:
    """Start a cluster and yield the URL of an empty database in it; stop and remove it after.

    Raises:
        RuntimeError: PostgreSQL is not installed.
    """
    tools = binaries()
    if tools is None:
        raise RuntimeError("PostgreSQL is not installed: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="cloudportal-postgres-"))
    data = folder / "data"
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, OWNER)
        run(tools / "initdb", "-D", data, "-U", OWNER, "-A", "trust", "-E", "UTF8", "--no-sync")
        # Durability costs time and nothing here outlives the run; locks work the same without.
        options = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=100"
        run(tools / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
        try:
            run(tools / "createdb", "-h", folder, "-U", OWNER, DATABASE)
            yield f"postgres://{OWNER}@/{folder}/{DATABASE}"
        finally:
            run(tools / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
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
