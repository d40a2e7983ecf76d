"""The backend: Django's own but for two things, without which long lists are slow.

Django's loader of instants is written in Python, and takes half of the time that a list of a
thousand rows is read in. psycopg's is in C and gives the same: a connection's zone is UTC, as
Django sets it.

The server's default for what it costs to read a page out of order is one of spinning disks: it
would rather read a table of a hundred thousand rows than look up a thousand of them.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.postgresql import base
from psycopg.types.datetime import TimestamptzLoader

# What is usual for disks without moving parts; in order it is 1.
RANDOM_PAGE_COST = 1.1


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection for long lists."""

    def init_connection_state(self) -> None:
        """Set what a new connection needs; as a statement, since poolers refuse it as an option."""
        super().init_connection_state()
        with self.connection.cursor() as cursor:
            cursor.execute(f"SET random_page_cost = {RANDOM_PAGE_COST}")

    def create_cursor(self, name: str | None = None) -> Any:
        """A cursor; Django looks for its own loader at the connection, so that one stays there."""
        cursor = super().create_cursor(name)
        if self.timezone_name == "UTC":
            cursor.adapters.register_loader("timestamptz", TimestamptzLoader)
        return cursor
