"""What lists are narrowed down by, in the forms that the service's clients write it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeVar

from django.db.models import Model, QuerySet, TextField
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast
from django.utils.dateparse import parse_datetime
from rest_framework.request import Request

from cloudportal.errors import Invalid
from volumes.api.views import actor_of, is_at
from volumes.find import as_uuid

M = TypeVar("M", bound=Model)
# What a query may say beside filters.
_OTHER = frozenset(
    {
        *("limit", "marker", "offset", "sort", "sort_key", "sort_dir", "with_count"),
        *("all_tenants", "all_projects", "project_id", "tenant_id"),
    }
)
_COMPARISONS = {"gt": "gt", "gte": "gte", "lt": "lt", "lte": "lte", "eq": "exact", "neq": "neq"}
_LONGEST = 4096
_MOST_KEYS = 16


class Filters:
    """The filters of one kind of thing: their names, and how each narrows a query down.

    `texts` are columns that are compared, or from 3.34 on with `~` searched; `ids` and `flags` are
    columns of those; `objects` hold keys and values of which the wanted ones must be there;
    `absent` are things that this cloud has none of, each with the one value that all have. When
    something was made and, with `has_updates`, changed is compared from 3.60 on.
    """

    def __init__(
        self,
        *,
        texts: Mapping[str, str],
        ids: Mapping[str, str] | None = None,
        flags: Mapping[str, str] | None = None,
        objects: Mapping[str, str] | None = None,
        absent: Mapping[str, str] | None = None,
        has_updates: bool = False,
    ) -> None:
        self.texts = texts
        self.ids = ids or {}
        self.flags = flags or {}
        self.objects = objects or {}
        self.absent = absent or {}
        self.times = ("created_at", "updated_at") if has_updates else ("created_at",)

    @property
    def names(self) -> list[str]:
        """All of them, as `/resource_filters` says; those with a `~` are searched for."""
        plain = [*self.texts, *self.ids, *self.flags, *self.objects, *self.times, *self.absent]
        return sorted([*plain, *(f"{name}~" for name in self.texts)])

    def applied(self, rows: QuerySet[M], request: Request) -> QuerySet[M]:
        """The rows that the query asks for.

        Raises:
            Invalid: from 3.31 on a filter that there is none of, unless an administrator asks; a
                value that is in no form of its kind.
        """
        self._check_known(request)
        return self._at_times(self._with_values(self._with_texts(rows, request), request), request)

    def _check_known(self, request: Request) -> None:
        if actor_of(request).is_admin or not is_at(request, "3.31"):
            return
        unknown = sorted(set(request.query_params) - _OTHER - set(self.names))
        if unknown:
            names = ", ".join(unknown)[:255]
            raise Invalid(f"Invalid filters {names} are found in query options.")

    def _with_texts(self, rows: QuerySet[M], request: Request) -> QuerySet[M]:
        query = request.query_params
        for key, column in self.texts.items():
            if key in query:
                rows = rows.filter(**{column: query[key]})
            if f"{key}~" in query and is_at(request, "3.34"):
                rows = rows.filter(**{f"{column}__contains": query[f"{key}~"]})
        for key, column in self.ids.items():
            if key in query:
                wanted = as_uuid(query[key])
                rows = rows.filter(**{column: wanted}) if wanted else rows.none()
        return rows

    def _with_values(self, rows: QuerySet[M], request: Request) -> QuerySet[M]:
        query = request.query_params
        for key, column in self.flags.items():
            if key in query:
                rows = rows.filter(**{column: query[key].lower() in {"true", "1"}})
        for key, column in self.objects.items():
            if key in query:
                rows = _holding(rows, column, _mapping(key, query[key]))
        for key, value in self.absent.items():
            if key in query and query[key].lower() != value:
                rows = rows.none()
        return rows

    def _at_times(self, rows: QuerySet[M], request: Request) -> QuerySet[M]:
        if not is_at(request, "3.60"):
            return rows
        for key in self.times:
            for each in request.query_params.get(key, "").split(",")[:_MOST_KEYS]:
                if each:
                    comparison, moment = _moment(key, each)
                    if comparison == "neq":
                        rows = rows.exclude(**{key: moment})
                    else:
                        rows = rows.filter(**{f"{key}__{comparison}": moment})
        return rows


def _mapping(key: str, text: str) -> dict[str, str]:
    """Read `{'a': 'b'}`, which clients write as Python does."""
    try:
        found = ast.literal_eval(text) if len(text) <= _LONGEST else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        found = None
    if not isinstance(found, dict) or len(found) > _MOST_KEYS:
        raise Invalid(f"Invalid input received: {key} is filtered by {{'key': 'value'}}.")
    return {str(name): str(value) for name, value in found.items()}


def _holding(rows: QuerySet[M], column: str, wanted: Mapping[str, str]) -> QuerySet[M]:
    """Those whose column, an object, has these keys with these values.

    The keys are users' own: they are no part of a look-up's name, where they might mean more.
    """
    for number, (name, value) in enumerate(wanted.items()):
        alias = f"wanted_{column}_{number}"
        # A text, since what is compared with the key itself has to be JSON.
        found = Cast(KeyTextTransform(name, column), TextField())
        rows = rows.alias(**{alias: found}).filter(**{alias: value})
    return rows


def _moment(key: str, text: str) -> tuple[str, datetime]:
    comparison, _, rest = text.partition(":")
    if comparison not in _COMPARISONS:
        comparison, rest = "eq", text
    try:
        moment = parse_datetime(rest.replace(" ", "+"))
    except ValueError:
        moment = None
    if moment is None:
        raise Invalid(f"Invalid input received: {key} is no time: {text[:64]}")
    return _COMPARISONS[comparison], moment if moment.tzinfo else moment.replace(tzinfo=UTC)
