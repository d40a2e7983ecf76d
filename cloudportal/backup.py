"""A backup: one archive with all that a portal cannot make anew, taken while it runs.

A tar file for its owner alone: the database as of one moment, the signing key without which parts
of it cannot be read, the first passwords and, when asked for, the images' data. SSH keys, known
hosts and the clients' configuration are made from these.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from django.db import connection

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}
SECRET_KEY = "secret_key"  # noqa: S105 - the name of a file
CREDENTIALS = "credentials"
IMAGES = "images/"
# What libpq reads instead of arguments, which other users of the machine could see.
_LIBPQ = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
}


class BackupError(Exception):
    """It cannot be done; the message says why, and what to do."""


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself."""

    engine: str
    made_at: str
    migrations: tuple[tuple[str, str], ...]

    def to_json(self) -> bytes:
        """For the archive."""
        return json.dumps({"format": FORMAT, **vars(self)}, indent=1).encode()


def write_backup(
    path: Path, *, manifest: Manifest, files: Mapping[str, Path], images: Iterable[Path]
) -> None:
    """Write the archive, at once or not at all; `files` are optional ones by their names in it.

    Raises:
        BackupError: the database could not be copied.
    """
    with _private_folder(path.parent) as folder:
        part = folder / path.name
        copy = folder / DATABASE[manifest.engine]
        _copy_database(copy)
        with _new_file(part) as file:
            with tarfile.open(fileobj=file, mode="w") as archive:
                text = manifest.to_json()
                header = tarfile.TarInfo(MANIFEST)
                header.size, header.mode = len(text), 0o600
                archive.addfile(header, BytesIO(text))
                for name, source in {copy.name: copy, **files}.items():
                    if source.is_file():
                        archive.add(source, name, recursive=False)
                for image in images:
                    # One that is deleted meanwhile is not part of the backup.
                    if image.is_file():
                        archive.add(image, IMAGES + image.name, recursive=False)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)


@contextmanager
def opened(path: Path) -> Iterator[tuple[tarfile.TarFile, Manifest]]:
    """A backup's archive, and what it says of itself.

    Raises:
        BackupError: it is none, or of a format that this version does not know.
    """
    try:
        with tarfile.open(path) as archive:
            yield archive, _manifest(archive)
    except (tarfile.TarError, OSError) as error:
        raise BackupError(f"{path} cannot be read as a backup: {error}") from error


def read_member(archive: tarfile.TarFile, name: str) -> bytes | None:
    """A small file of the archive; None when it is not in it."""
    if name not in archive.getnames():
        return None
    file = archive.extractfile(name)
    return file.read() if file else None


def image_members(archive: tarfile.TarFile) -> list[tarfile.TarInfo]:
    """The images' data in the archive; each one's name is `images/` and the image's id."""
    return [
        each
        for each in archive.getmembers()
        if each.isfile() and each.name.startswith(IMAGES) and each.name.count("/") == 1
    ]


def copy_member(archive: tarfile.TarFile, name: str, target: Path) -> None:
    """Put one file of the archive where it belongs, at once or not at all."""
    source = archive.extractfile(name)
    if source is None:
        raise BackupError(f"The backup has no {name}.")
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with source, _new_file(part) as file:
            shutil.copyfileobj(source, file, 1024 * 1024)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def load_database(archive: tarfile.TarFile, scratch: Path) -> None:
    """Replace all that is in the database by what the backup has: all of it or, failing, nothing.

    `scratch` is a folder with room for a copy, on the disk of an SQLite database.

    Raises:
        BackupError: others use the database, or it could not be loaded.
    """
    name = DATABASE[connection.vendor]
    with _private_folder(scratch) as folder:
        copy = folder / name
        copy_member(archive, name, copy)
        connection.close()
        if connection.vendor == "sqlite":
            _load_sqlite(copy)
        else:
            _load_postgresql(copy, folder)


def others_at_work() -> bool:
    """Whether another process uses the database now."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            return bool(cursor.fetchone()[0])
    connection.close()
    path = _sqlite_path()
    if not path.exists():
        return False
    try:
        # Leaving WAL is allowed to the only user of a database.
        with closing(sqlite3.connect(path, timeout=1)) as alone:
            mode = alone.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
            alone.execute("PRAGMA journal_mode=WAL")
    except sqlite3.OperationalError:
        return True
    return bool(mode != "delete")


def _copy_database(target: Path) -> None:
    if connection.vendor == "sqlite":
        _new_file(target).close()
        with (
            closing(sqlite3.connect(_sqlite_path(), timeout=60)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            source.backup(copy)
        return
    # A dump sees the database as it was when it began.
    _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={target}")
    target.chmod(0o600)


def _load_sqlite(copy: Path) -> None:
    try:
        with closing(sqlite3.connect(copy)) as found:
            [said] = found.execute("PRAGMA integrity_check(1)").fetchone()
            found.execute("PRAGMA journal_mode=WAL")
    except sqlite3.DatabaseError as error:
        said = str(error)
    if said != "ok":
        raise BackupError(f"The backup's database is damaged: {said}")
    path = _sqlite_path()
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    copy.replace(path)


def _load_postgresql(dump: Path, folder: Path) -> None:
    """Drop and load in one transaction: whatever fails, the database is as it was."""
    script, drops = folder / "restore.sql", folder / "drop.sql"
    _run("pg_restore", "--no-owner", "--no-privileges", f"--file={script}", str(dump))
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
    connection.close()
    quote = connection.ops.quote_name
    drops.write_text("".join(f"DROP TABLE {quote(table)} CASCADE;\n" for table in tables))
    _run("psql", "--quiet", "--no-psqlrc", "--single-transaction", "--set=ON_ERROR_STOP=1",
         f"--file={drops}", f"--file={script}")  # fmt: skip


def _run(name: str, *arguments: str) -> None:
    program = shutil.which(name)
    if program is None:
        raise BackupError(f"{name} is missing on this machine: apt-get install postgresql-client")
    known: dict[str, Any] = connection.get_connection_params()
    libpq = {_LIBPQ[key]: str(value) for key, value in known.items() if key in _LIBPQ and value}
    done = subprocess.run(  # noqa: S603 - an argument list, of our own words
        [program, *arguments],
        env={**os.environ, **libpq},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BackupError(f"{name} failed: {done.stderr.strip()}")


def _manifest(archive: tarfile.TarFile) -> Manifest:
    text = read_member(archive, MANIFEST)
    if text is None:
        raise BackupError("This is no backup of a portal.")
    values = json.loads(text)
    if values["format"] != FORMAT:
        raise BackupError(f"The backup has format {values['format']}; this version reads {FORMAT}.")
    migrations = tuple((app, name) for app, name in values["migrations"])
    return Manifest(values["engine"], values["made_at"], migrations)


def _sqlite_path() -> Path:
    return Path(str(connection.settings_dict["NAME"]))


def _new_file(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


@contextmanager
def _private_folder(beside: Path) -> Iterator[Path]:
    """A folder that only its owner may enter, on the same disk as what will come out of it."""
    beside.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=beside) as folder:
        yield Path(folder)


def manifest_now(*, now: datetime, migrations: Iterable[tuple[str, str]]) -> Manifest:
    """What a backup taken now says of itself."""
    return Manifest(connection.vendor, now.isoformat(), tuple(sorted(migrations)))
