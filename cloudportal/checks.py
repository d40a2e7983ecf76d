"""System checks: what must be right in the environment, and in the state folder before serving.

Those of the environment run with every command. Those of the state do not, since a fresh clone has
none yet; both run at the end of the set-up and when the web process starts.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from cloudportal.settings import ENVIRONMENT

STATE = "cloudportal_state"
PREFIX = "CLOUDPORTAL_"
# Names that start so belong to the tests and to the process that runs us.
NOT_SETTINGS = ("CLOUDPORTAL_TEST_", "CLOUDPORTAL_RUN")
SHORTEST_KEY = 32
# The kernel's limit for a socket's path is 107 bytes; the longest of ours has 25 behind the folder.
LONGEST_VAR = 80
OLDEST_SQLITE = (3, 35, 0)
ENGINES = ("django.db.backends.sqlite3", "django.db.backends.postgresql")

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
    """E004: the broker hands no job out again while it may still run."""
    base = settings.Q_CLUSTER
    queues = {"default": base}
    queues |= {name: {**base, **own} for name, own in base.get("ALT_CLUSTERS", {}).items()}
    return [
        Error(
            f"The queue {name} retries after {queue['retry']} s, within its timeout.",
            hint=f"Q_CLUSTER: let retry be above timeout ({queue['timeout']}).",
            id="cloudportal.E004",
        )
        for name, queue in queues.items()
        if queue["retry"] <= queue["timeout"]
    ]


@register(STATE, deploy=True)
def check_state(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """E005 to E008: the state folder, the signing key and the database are ready."""
    return [*_folder(), *_key(), *_database()]


def refuse_unready() -> None:
    """Do not serve from a portal that is not set up.

    Raises:
        ImproperlyConfigured: names what is missing, with its remedy.
    """
    found = problems()
    if found:
        raise ImproperlyConfigured("\n".join(found))


def problems() -> list[str]:
    """What keeps the portal from serving, each with its remedy."""
    found = run_checks(tags=[STATE], include_deployment_checks=True)
    return [f"{item.msg} {item.hint}" for item in found]


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
