"""The query strings of lists: exact matches, which is what clients' searches by name rely on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from django.db.models import Model, QuerySet
from django.http import QueryDict

M = TypeVar("M", bound=Model)
_FALSE = {"0", "false", "f", "no", "n", "off"}


def narrowed(queryset: QuerySet[M], query: QueryDict, columns: Mapping[str, str]) -> QuerySet[M]:
    """Only the rows that match the query's values of the named columns; other keys are ignored."""
    for key, column in columns.items():
        value = query.get(key)
        if value is None:
            continue
        queryset = queryset.filter(**{column: value})
    return queryset


def flag(query: QueryDict, key: str) -> bool | None:
    """A boolean of the query; None when it is absent."""
    return str(query[key]).strip().lower() not in _FALSE if key in query else None


def present(query: QueryDict, key: str) -> bool:
    """A flag that is set by being there, unless it says 0."""
    return key in query and str(query[key]).strip() != "0"
