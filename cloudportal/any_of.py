"""The lookup `any_of`: like `in`, but all values are one parameter of the query.

With a thousand values `in` takes longer to write down and to read than to answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, Lookup
from django.db.models.sql.compiler import SQLCompiler


@Field.register_lookup
class AnyOf(Lookup[Iterable[Any]]):
    """Whether the column's value is among those of a list."""

    lookup_name = "any_of"

    def get_prep_lookup(self) -> list[Any]:
        """The values, which are as the column's field has them."""
        return list(self.rhs)

    def as_sql(  # type: ignore[override]  # a list is a parameter as well
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper
    ) -> tuple[str, list[Any]]:
        """As SQLite reads a list: out of a JSON text."""
        column, parameters = self.process_lhs(compiler, connection)
        values = json.dumps(self._values(connection))
        # The column comes quoted from the compiler.
        return f"{column} IN (SELECT value FROM json_each(%s))", [*parameters, values]  # noqa: S608 - as above

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper
    ) -> tuple[str, list[Any]]:
        """As an array, written here: the driver takes longer over the values one by one."""
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} = ANY(%s)", [*parameters, _array(self._values(connection))]

    def _values(self, connection: BaseDatabaseWrapper) -> list[Any]:
        field = self.lhs.output_field
        return [field.get_db_prep_value(value, connection, prepared=True) for value in self.rhs]


def _array(values: Iterable[Any]) -> str:
    """PostgreSQL's literal of an array of texts, numbers or uuids."""
    texts = [str(value) for value in values]
    together = "".join(texts)
    if '"' in together or "\\" in together:
        texts = [text.replace("\\", "\\\\").replace('"', '\\"') for text in texts]
    quoted = '","'.join(texts)
    return f'{{"{quoted}"}}' if texts else "{}"
