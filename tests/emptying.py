"""Empties the database after a test that committed: only the tables that hold something.

Django's own `flush` truncates every table and makes all permissions anew, which takes longer than
most tests do.
"""

from __future__ import annotations

from functools import cache

from django.db import connection, transaction

# What migrations made, as `flush` would make it again.
_KEPT = {"auth_permission", "django_content_type", "django_migrations"}


def empty_tables(_case: object) -> None:
    """Delete every row that tests made; stands in for `TransactionTestCase._fixture_teardown`."""
    quoted = [connection.ops.quote_name(name) for name in _tables()]
    with transaction.atomic(), connection.cursor() as cursor:
        # In any order: what refers to a row is only looked at when the transaction ends.
        cursor.execute(
            " UNION ALL ".join(
                f"SELECT {number} WHERE EXISTS (SELECT 1 FROM {name})"
                for number, name in enumerate(quoted)
            )
        )
        for (number,) in cursor.fetchall():
            cursor.execute(f"DELETE FROM {quoted[number]}")


@cache
def _tables() -> list[str]:
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return sorted(set(names) - _KEPT)
