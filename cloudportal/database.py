"""Tells a database that does not answer at the moment from one that was asked something wrong."""

from __future__ import annotations

import sqlite3

from django.db import Error, InterfaceError, OperationalError

# So long a client should wait before it asks again.
RETRY_AFTER_S = 5


def is_away(error: BaseException | None) -> bool:
    """Whether the same request may go well in a moment: the server restarts, or all are busy.

    SQLite's word for a statement that is wrong is the same as the one for a file that is locked;
    its code tells them apart.
    """
    if isinstance(error, InterfaceError):
        return True
    code = getattr(error.__cause__, "sqlite_errorcode", None) if error else None
    return isinstance(error, OperationalError) and code != sqlite3.SQLITE_ERROR


def first_line(error: Error) -> str:
    """What the database said, in a line for the log."""
    return (str(error).splitlines() or [type(error).__name__])[0]
