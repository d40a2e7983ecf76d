"""The queue between who asks for work and the workers: django-q2's own table, without the waiting.

A job is written in the caller's transaction and appears with it. On PostgreSQL that commit also
wakes the workers that listen, wherever they run, and each takes rows that no other looks at. On
SQLite, all processes are on one machine: asking whether the file has changed costs so little that
it is done a hundred times a second.

A database that goes away is waited for here: django-q2's own loop would give up for ten seconds at
every failure, and its monitor would end.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import Error, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.models import OrmQ

from cloudportal.database import first_line

logger = logging.getLogger(__name__)

# So long a worker waits for a wake-up before it looks by itself: jobs that were handed out and not
# acknowledged come back without one. It is also what an idle worker may take to notice its end.
LOOK_EVERY_S = 1.0
POLL_S = 0.01
AWAY_PAUSE_S = 0.5

Job = tuple[int, str]


class WakingBroker(ORM):  # type: ignore[misc]  # django-q2 has no types
    """django-q2's broker on its own table, woken up instead of polling."""

    # A connection of the waiting process's own: one that is shared must not be left listening.
    _line: BaseDatabaseWrapper | None = None
    _is_away = False

    def __init__(self, list_key: str | None = None) -> None:
        super().__init__(list_key)
        # Jobs that are done, and that the database was not there to be told of.
        self._done: list[int] = []

    @staticmethod
    def get_connection(list_key: str | None = None) -> QuerySet[Any]:
        """The rows. Nothing is asked of the database: who makes a broker may have none yet."""
        found: QuerySet[Any] = OrmQ.objects.using(Conf.ORM)
        return found

    def enqueue(self, task: str) -> int:
        """Write a job and its wake-up; both happen when the caller's transaction commits."""
        database = connections[Conf.ORM]
        key = self.list_key or Conf.CLUSTER_NAME
        if database.vendor != "postgresql":
            return int(self.get_connection().create(key=key, payload=task, lock=timezone.now()).pk)
        # The database's clock, by which the workers look: the machines' own may differ.
        with transaction.atomic(using=Conf.ORM):
            job = self.get_connection().create(key=key, payload=task, lock=Now())
            with database.cursor() as cursor:
                cursor.execute("SELECT pg_notify(%s, '')", [_channel(key)])
        return int(job.pk)

    def dequeue(self) -> list[Job]:
        """Take jobs that are due; with none, wait a while and return none."""
        try:
            jobs = self._take_or_wait()
        except Error as error:
            self._lose(error)
            return []
        if self._is_away:
            logger.info("The database is back.")
            self._is_away = False
        return jobs

    def acknowledge(self, task_id: int) -> None:
        """Forget a job that is done; at the next one if the database is away now.

        One that is never forgotten is handed out again, to find that there is nothing to do.
        """
        self._done.append(task_id)
        database = connections[Conf.ORM]
        try:
            database.close_if_unusable_or_obsolete()
            self.get_connection().filter(pk__in=self._done).delete()
        except Error as error:
            logger.warning("Finished jobs could not be forgotten: %s", first_line(error))
            database.close()
            return
        self._done.clear()

    def delete(self, task_id: int) -> None:
        """Take a job out of the queue, done or not."""
        self.acknowledge(task_id)

    def _take_or_wait(self) -> list[Job]:
        if connections[Conf.ORM].vendor == "postgresql":
            line = self._listen()
            return _take(line, self.list_key) or _wait_for_notice(line)
        line = connections[Conf.ORM]
        line.close_if_unusable_or_obsolete()
        before = _data_version(line)
        jobs = self._take_in_turns()
        if not jobs:
            _until(lambda: _data_version(line) != before)
        return jobs

    def _listen(self) -> BaseDatabaseWrapper:
        if self._line is None:
            self._line = connections[Conf.ORM].copy()
            with self._line.cursor() as cursor:
                name = self._line.ops.quote_name(_channel(self.list_key))
                cursor.execute(f"LISTEN {name}")
        return self._line

    def _take_in_turns(self) -> list[Job]:
        """SQLite: read without a lock, then let a conditional update decide who has the job."""
        now = timezone.now()
        due = self.get_connection().filter(key=self.list_key, lock__lte=now).order_by("pk")
        until = now + timedelta(seconds=Conf.RETRY)
        return [
            (job.pk, job.payload)
            for job in due[: Conf.BULK]
            if self.get_connection().filter(pk=job.pk, lock=job.lock).update(lock=until)
        ]

    def _lose(self, error: Error) -> None:
        if not self._is_away:
            logger.warning("The database does not answer, jobs wait: %s", first_line(error))
            self._is_away = True
        line, self._line = self._line, None
        for each in (line, connections[Conf.ORM]):
            if each is not None:
                each.close()
        time.sleep(AWAY_PAUSE_S)


def _channel(queue: str) -> str:
    return f"cloudportal_jobs_{queue}"


def _take(line: BaseDatabaseWrapper, queue: str) -> list[Job]:
    """Take due rows that no other worker is just taking, in one statement."""
    table = line.ops.quote_name(OrmQ._meta.db_table)
    with line.cursor() as cursor:
        cursor.execute(
            # Only names go in as text, and they are quoted. What is due is found once: as a part of
            # the condition it may be asked for every row, and gives other rows each time.
            "WITH due AS MATERIALIZED ("  # noqa: S608
            f"SELECT id FROM {table} WHERE key = %s AND lock <= now() "
            "ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED"
            f") UPDATE {table} SET lock = now() + make_interval(secs => %s) "
            f"FROM due WHERE {table}.id = due.id RETURNING {table}.id, {table}.payload",
            [queue, Conf.BULK, Conf.RETRY],
        )
        return list(cursor.fetchall())


def _wait_for_notice(line: BaseDatabaseWrapper) -> list[Job]:
    with line.wrap_database_errors:
        for _ in line.connection.notifies(timeout=LOOK_EVERY_S, stop_after=1):
            continue
    return []


def _data_version(line: BaseDatabaseWrapper) -> int:
    """A number that changes whenever another connection commits to the SQLite file."""
    line.ensure_connection()
    # Past Django's cursor, which costs ten times what the question does.
    with line.wrap_database_errors:
        return int(line.connection.execute("PRAGMA data_version").fetchone()[0])


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LOOK_EVERY_S
    while not is_so() and time.monotonic() < deadline:
        time.sleep(POLL_S)
