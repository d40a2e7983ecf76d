"""System checks: what must be right in the environment, and in the state folder before serving.

Those of the environment run with every command. Those of the state do not, since a fresh clone has
none yet: all run at the end of the set-up and when the web process starts, the cheap ones when any
other process of the portal does. Rooms above this one register checks of their own under its tags.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import ERROR, CheckMessage, Error, Warning, register, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.db import Error as DatabaseFailure
from django.db.migrations.executor import MigrationExecutor

from cloudportal.database import is_away
from cloudportal.settings import ENVIRONMENT

logger = logging.getLogger(__name__)

STATE = "cloudportal_state"
# Those that cost little, for the processes that work in the background.
WORK = "cloudportal_work"
BROKER = "operations.broker.WakingBroker"
AWAY_PAUSE_S = 0.5
# Leases are extended 11 s before they run out: beyond this two machines might run one operation.
SKEW_LIMIT_S = 5.0
SKEW_NOTED_S = 2.0
PREFIX = "CLOUDPORTAL_"
# Names that start so belong to the tests and to the process that runs us.
NOT_SETTINGS = ("CLOUDPORTAL_TEST_", "CLOUDPORTAL_RUN")
SHORTEST_KEY = 32
# The kernel's limit for a socket's path is 107 bytes; the longest of ours has 25 behind the folder.
LONGEST_VAR = 80
OLDEST_SQLITE = (3, 35, 0)
ENGINES = ("django.db.backends.sqlite3", "cloudportal.postgresql")

Apps = Sequence[AppConfig] | None


@register(STATE)
def check_environment(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E001: every variable with our prefix is one that we read."""
    unknown = [
        name
        for name in os.environ
        if name.startswith(PREFIX) and name not in ENVIRONMENT
        if not name.startswith(NOT_SETTINGS)
    ]
    return [
        Error(
            f"The environment variable {name} is none of the portal's.",
            hint=f"Correct its name or unset it. There are: {', '.join(ENVIRONMENT)}.",
            id="cloudportal.E001",
        )
        for name in sorted(unknown)
    ]


@register(STATE)
def check_database_choice(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E002, E003: a database that the portal knows, new enough."""
    engine = settings.DATABASES["default"]["ENGINE"]
    if engine not in ENGINES:
        return [
            Error(
                f"DATABASE_URL names {engine}, which the portal does not run on.",
                hint="Use sqlite:///PATH or postgres://USER:PASSWORD@HOST/NAME.",
                id="cloudportal.E002",
            )
        ]
    if engine == ENGINES[0] and sqlite3.sqlite_version_info < OLDEST_SQLITE:
        return [
            Error(
                f"SQLite {sqlite3.sqlite_version} is too old.",
                hint="Python must be linked with SQLite 3.35 or newer, or use PostgreSQL.",
                id="cloudportal.E003",
            )
        ]
    return []


@register(STATE)
def check_queues(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E004: no queue hands a job out again while it may still run, or for ever."""
    base = settings.Q_CLUSTER
    queues = {"default": base}
    queues |= {name: {**base, **own} for name, own in base.get("ALT_CLUSTERS", {}).items()}
    return [
        Error(f"The queue {name} {fault}", hint=f"Q_CLUSTER: {remedy}", id="cloudportal.E004")
        for name, queue in queues.items()
        for fault, remedy in _redelivery_faults(queue)
    ]


def _redelivery_faults(queue: dict[str, Any]) -> Iterator[tuple[str, str]]:
    timeout, retry = queue.get("timeout"), queue.get("retry", 0)
    if not timeout:
        yield "lets a job run for ever.", "set timeout, in seconds."
    elif retry <= timeout:
        yield (
            f"retries after {retry} s, within its timeout.",
            f"let retry be above timeout ({timeout}).",
        )
    if not queue.get("ack_failures"):
        yield "hands a job out again that failed.", "set ack_failures to True."
    if queue.get("max_attempts") != 1:
        yield "counts attempts, which only the engine may.", "set max_attempts to 1."
    if queue.get("broker_class") != BROKER:
        yield f"has another broker than {BROKER}.", f'set broker_class to "{BROKER}".'


@register(STATE, WORK, deploy=True)
def check_files(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E005 to E007: the state folder and the signing key are ready."""
    return [*_folder(), *_key()]


@register(STATE, deploy=True)
def check_database(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E008: the database answers and has all tables."""
    return [*_database()]


@register(STATE, WORK, deploy=True)
def check_clock(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E009, W001: this machine's clock goes as the database server's does.

    Leases last 15 s and every machine reads them by its own clock.
    """
    skew_s = clock_skew_s()
    if abs(skew_s) <= SKEW_NOTED_S:
        return []
    words = f"This machine's clock is {skew_s:+.1f} s off the database server's."
    hint = "Let both follow a time server (chrony, systemd-timesyncd)."
    if abs(skew_s) > SKEW_LIMIT_S:
        return [Error(words, hint=hint, id="cloudportal.E009")]
    return [Warning(words, hint=hint, id="cloudportal.W001")]


def clock_skew_s() -> float:
    """How far this machine's clock is ahead; 0 when the database has no clock of its own."""
    if connection.vendor != "postgresql":
        return 0.0
    try:
        with connection.cursor() as cursor:
            before = time.time()
            cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
            there = float(cursor.fetchone()[0])
            return (before + time.time()) / 2 - there
    except DatabaseFailure:
        return 0.0


def refuse_unready() -> None:
    """Do not serve from a portal that is not set up; one whose database is away may serve.

    Raises:
        ImproperlyConfigured: names what is missing, with its remedy.
    """
    if not _answers():
        # It says so to everybody who asks, until the database is back.
        logger.error("The database does not answer; whether the portal is ready is not known.")
        _refuse(run_checks(tags=[STATE]))
        return
    _refuse(run_checks(tags=[STATE], include_deployment_checks=True))


def wait_until_ready() -> None:
    """For a process that works in the background: wait for the database, then look at it.

    No connection is left open: what comes next may be a fork.

    Raises:
        ImproperlyConfigured: names what is missing, with its remedy.
    """
    is_told = False
    while not _answers():
        if not is_told:
            logger.warning("The database does not answer; waiting for it.")
            is_told = True
        time.sleep(AWAY_PAUSE_S)
    try:
        refuse_misfit()
    finally:
        connection.close()


def refuse_misfit() -> None:
    """Do not work on a database with which this machine does not fit together.

    Raises:
        ImproperlyConfigured: names what is wrong, with its remedy.
    """
    _refuse(run_checks(tags=[WORK], include_deployment_checks=True))


def problems() -> list[str]:
    """What keeps the portal from serving, each with its remedy."""
    found = run_checks(tags=[STATE], include_deployment_checks=True)
    return [f"{item.msg} {item.hint}" for item in found if item.is_serious(ERROR)]


def _refuse(found: Sequence[CheckMessage]) -> None:
    for item in found:
        if not item.is_serious(ERROR):
            logger.warning("%s %s", item.msg, item.hint)
    serious = [f"{item.msg} {item.hint}" for item in found if item.is_serious(ERROR)]
    if serious:
        raise ImproperlyConfigured("\n".join(serious))


def _answers() -> bool:
    """Whether the database server does; SQLite has none, and what is wrong there stays wrong."""
    if connection.vendor == "sqlite":
        return True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseFailure as error:
        connection.close()
        return not is_away(error)
    return True


def missing_migrations() -> int:
    """How many migrations the database lacks.

    Raises:
        DatabaseError: it does not answer.
    """
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _folder() -> Iterator[CheckMessage]:
    folder = settings.VAR_DIR
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        yield Error(
            f"The state folder {folder} is not there or not writable.",
            hint="Run manage.py setup as the user who is to run the portal.",
            id="cloudportal.E005",
        )
    if len(os.fsencode(folder)) > LONGEST_VAR:
        yield Error(
            f"The path of the state folder is longer than {LONGEST_VAR} bytes: {folder}",
            hint="Its sockets would not fit the system's limit. Set CLOUDPORTAL_VAR.",
            id="cloudportal.E006",
        )


def _key() -> Iterator[CheckMessage]:
    path = settings.SECRET_KEY_FILE
    if not path.is_file() or len(settings.SECRET_KEY) < SHORTEST_KEY:
        yield Error(
            f"There is no signing key in {path}.",
            hint="Run manage.py setup, or set SECRET_KEY_FILE to a file with a long random text.",
            id="cloudportal.E007",
        )
    elif path.stat().st_mode & 0o077:
        yield Error(
            f"Others may read the signing key in {path}.",
            hint=f"Run: chmod 600 {path}",
            id="cloudportal.E007",
        )


def _database() -> Iterator[CheckMessage]:
    try:
        missing = missing_migrations()
    except DatabaseError as error:
        yield Error(
            f"The database does not answer: {str(error).splitlines()[0]}",
            hint="See DATABASE_URL, and whether the database server runs.",
            id="cloudportal.E008",
        )
        return
    if missing:
        yield Error(
            f"The database lacks {missing} migrations.",
            hint="Run manage.py setup.",
            id="cloudportal.E008",
        )
