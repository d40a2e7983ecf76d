"""Keyset paging: a page is found by the last item of the one before, so page 1,000 costs page 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.db.models import F, Model, Q, QuerySet
from django.http import QueryDict

from cloudportal.errors import Invalid

M = TypeVar("M", bound=Model)
MAX_LIMIT = 1000


@dataclass(frozen=True)
class SortKey:
    """A column of the order, without a null in it, and its direction."""

    column: str
    descending: bool = False

    @property
    def expression(self) -> Any:
        """For `order_by`."""
        return F(self.column).desc() if self.descending else F(self.column).asc()


def parse_limit(query: QueryDict, maximum: int = MAX_LIMIT) -> int:
    """The page size asked for, capped; absent means the maximum.

    Raises:
        Invalid: not a number, or negative.
    """
    text = query.get("limit")
    if text is None or text == "":
        return maximum
    try:
        limit = int(text)
    except ValueError:
        raise Invalid("limit param must be an integer") from None
    if limit < 0:
        raise Invalid("limit param must be positive")
    return min(limit, maximum)


def after(
    queryset: QuerySet[M],
    order: Sequence[SortKey],
    marker: M | None,
    limit: int,
    read: Callable[[QuerySet[M]], list[M]] = list,
) -> list[M]:
    """The next `limit` rows behind `marker`; the order must end in a unique column.

    Null values sort as the database does it; pass only columns without nulls, or annotate them
    with a Coalesce. `read` makes the list of the rows found.
    """
    rows = queryset.order_by(*(key.expression for key in order))
    if marker is not None:
        values = {
            key.column: rows.filter(pk=marker.pk).values_list(key.column, flat=True).first()
            for key in order
            if not hasattr(marker, key.column)
        }
        rows = rows.filter(_behind(order, marker, values))
    return read(rows[:limit]) if limit else []


def _behind(order: Sequence[SortKey], marker: Model, values: dict[str, Any]) -> Q:
    condition = Q()
    same = Q()
    for key in order:
        value = values.get(key.column, getattr(marker, key.column, None))
        comparison = "lt" if key.descending else "gt"
        condition |= same & Q(**{f"{key.column}__{comparison}": value})
        same &= Q(**{key.column: value})
    return condition


def next_link(url: str, query: QueryDict, marker: str) -> str:
    """The address of the next page: the same query, with the marker replaced."""
    pairs = [(key, value) for key, values in query.lists() for value in values if key != "marker"]
    return f"{url}?{urlencode([*pairs, ('marker', marker)])}"
