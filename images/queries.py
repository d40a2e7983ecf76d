"""Database lookups over JSON columns that SQLite and PostgreSQL spell differently."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import JSONField, Lookup


@JSONField.register_lookup
class HasItem(Lookup[bool]):
    """`tags__has_item="x"`: the JSON list contains this string."""

    lookup_name = "has_item"
    prepare_rhs = False

    def as_sqlite(
        self, compiler: Any, connection: BaseDatabaseWrapper
    ) -> tuple[str, tuple[Any, ...]]:
        """Unfold the list."""
        column, params = compiler.compile(self.lhs)
        query = f"EXISTS (SELECT 1 FROM json_each({column}) WHERE value = %s)"  # noqa: S608 - the column is Django's own
        return query, (*params, self.rhs)

    def as_postgresql(
        self, compiler: Any, connection: BaseDatabaseWrapper
    ) -> tuple[str, tuple[Any, ...]]:
        """PostgreSQL has an operator for it; its function form needs no escaped question mark."""
        column, params = compiler.compile(self.lhs)
        return f"jsonb_exists({column}, %s)", (*params, self.rhs)


@JSONField.register_lookup
class HasPair(Lookup[bool]):
    """`properties__has_pair=("name", "value")`: the JSON object has this member.

    Django's own key lookups read a name of digits as a position and build SQLite paths that some
    names break.
    """

    lookup_name = "has_pair"
    prepare_rhs = False

    def as_sqlite(
        self, compiler: Any, connection: BaseDatabaseWrapper
    ) -> tuple[str, tuple[Any, ...]]:
        """Unfold the object."""
        column, params = compiler.compile(self.lhs)
        query = f"EXISTS (SELECT 1 FROM json_each({column}) WHERE key = %s AND value = %s)"  # noqa: S608 - the column is Django's own
        return query, (*params, *self.rhs)

    def as_postgresql(
        self, compiler: Any, connection: BaseDatabaseWrapper
    ) -> tuple[str, tuple[Any, ...]]:
        """Take the member by its path of one name."""
        column, params = compiler.compile(self.lhs)
        name, value = self.rhs
        return f"jsonb_extract_path_text({column}, %s) = %s", (*params, name, value)
