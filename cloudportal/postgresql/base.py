"""The backend: Django's own but for three things, without which it is slow.

Django's loader of instants is written in Python, and takes half of the time that a list of a
thousand rows is read in. psycopg's is in C and gives the same: a connection's zone is UTC, as
Django sets it.

The server's default for what it costs to read a page out of order is one of spinning disks: it
would rather read a table of a hundred thousand rows than look up a thousand of them.

A statement that every request makes takes seven times longer to plan than to run, so a connection
has it planned once.
"""

from __future__ import annotations

from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg.types.datetime import TimestamptzLoader

# What is usual for disks without moving parts; in order it is 1.
RANDOM_PAGE_COST = 1.1


class PreparingCursor(psycopg.Cursor[Any]):
    """Has the server plan a statement when the connection first makes it, and keep the plan."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> PreparingCursor:
        """Make the statement."""
        return super().execute(query, params, **{**options, "prepare": True})


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection for long lists."""

    def init_connection_state(self) -> None:
        """Set what a new connection needs; as a statement, since poolers refuse it as an option."""
        super().init_connection_state()
        # Django forbids it for the sake of poolers by transaction; its own cursors never ask.
        self.connection.prepare_threshold = 1
        with self.connection.cursor() as cursor:
            cursor.execute(f"SET random_page_cost = {RANDOM_PAGE_COST}")

    def create_cursor(self, name: str | None = None) -> Any:
        """A cursor; Django looks for its own loader at the connection, so that one stays there."""
        cursor = super().create_cursor(name)
        if self.timezone_name == "UTC":
            cursor.adapters.register_loader("timestamptz", TimestamptzLoader)
        return cursor

    def prepared_cursor(self) -> Any:
        """A cursor for one statement that is always the same, counted and worded like any other."""
        self.close_if_health_check_failed()
        self.ensure_connection()
        with self.wrap_database_errors:
            cursor = PreparingCursor(self.connection)
            cursor.adapters.register_loader("timestamptz", TimestamptzLoader)
            return self._prepare_cursor(cursor)  # type: ignore[attr-defined]  # not in Django's stubs
