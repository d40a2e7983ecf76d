"""What was reserved once, kept for statements for a while."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

from quotas.models import PastReservation, Reservation

FORGET_EVERY_S = 600.0
# A batch a turn, so that a long history is no long transaction.
BATCH = 5000
_COLUMNS = "project_id, user_id, resource, amount, subject"


def note_end(rows: QuerySet[Reservation], now: datetime) -> None:
    """Keep these reservations as past ones, inside the caller's transaction; they are not changed.

    One statement, whatever their number; that it holds the rows keeps a second one, of somebody who
    gives the same back at the same time, from noting them too. SQLite has one writer at a time.
    """
    try:
        wanted, params = rows.order_by().values_list("pk").query.sql_with_params()
    except EmptyResultSet:
        return
    ended = connection.ops.adapt_datetimefield_value(now)
    held = " FOR UPDATE" if connection.features.has_select_for_update else ""
    # What began at another machine's clock may seem to begin after its end.
    statement = (
        f"INSERT INTO {PastReservation._meta.db_table} ({_COLUMNS}, started_at, ended_at) "  # noqa: S608 - names alone
        f"SELECT {_COLUMNS}, created_at, CASE WHEN created_at > %s THEN created_at ELSE %s END "
        f"FROM {Reservation._meta.db_table} WHERE id IN ({wanted}){held}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [ended, ended, *params])


def forget_past(now: datetime) -> int:
    """Delete the oldest of what ended longer ago than statements reach back; returns how many."""
    before = now - timedelta(days=settings.STATEMENT_DAYS)
    oldest = PastReservation.objects.filter(ended_at__lt=before).order_by("ended_at")
    keys = list(oldest.values_list("pk", flat=True)[:BATCH])
    return PastReservation.objects.filter(pk__in=keys).delete()[0]
