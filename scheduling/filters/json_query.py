"""Does the host answer the JSON query among the hints, `["and", [">=", "$free_ram_mb", 1024], …]`?

An operator, then what it compares: the first operand with each of the others. `not` is true when
one of its parts is false, as in the compute service's own filter. Variables are facts of the host
as that service names them. Text is equal or not; only numbers are more or less.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import reduce
from operator import and_, or_
from typing import Any

from django.db.models import CharField, FloatField, Q, Value
from django.db.models.lookups import (
    Exact,
    GreaterThan,
    GreaterThanOrEqual,
    LessThan,
    LessThanOrEqual,
)

from scheduling.filters import Filter
from scheduling.filters.facts import FACTS, Fact
from scheduling.request_spec import RequestSpec

MAX_DEPTH = 10
MAX_PARTS = 200
# More than any figure of a host; a database's numbers end somewhere.
MAX_NUMBER = 1e15


class MalformedQuery(ValueError):
    """The query cannot be understood; the text says where."""


_COMPARISONS: Mapping[str, Any] = {
    "=": Exact,
    "<": LessThan,
    ">": GreaterThan,
    "<=": LessThanOrEqual,
    ">=": GreaterThanOrEqual,
}
OPERATORS = (*_COMPARISONS, "in", "not", "or", "and")


def parse_query(text: str) -> list[Any]:
    """The query as a list, known to be understood; [] is no query.

    Raises:
        MalformedQuery: it is not JSON, or asks what no host can be asked.
    """
    try:
        query = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedQuery("it is not JSON") from error
    if not isinstance(query, list):
        raise MalformedQuery("it is not a list")
    if query:
        _check(query)
    return query


def compile_query(query: list[Any]) -> Q:
    """The query as a condition on hosts.

    Raises:
        MalformedQuery: as `parse_query`.
    """
    _check(query)
    return _compile(query)


def _check(query: list[Any]) -> None:
    """Bound the work first, then look at every part."""
    level, parts = [query], 0
    for _ in range(MAX_DEPTH):
        parts += sum(map(len, level))
        level = [part for each in level for part in each if isinstance(part, list)]
    if level or parts > MAX_PARTS:
        raise MalformedQuery("it is too long or nested too deeply")
    _compile(query)


def _compile(query: list[Any]) -> Q:
    if not query or not isinstance(query[0], str) or query[0] not in OPERATORS:
        raise MalformedQuery(f"a list begins with one of {', '.join(OPERATORS)}")
    operator, operands = query[0], query[1:]
    if operator in ("and", "or", "not"):
        return _logical(operator, operands)
    if len(operands) < 2:
        raise MalformedQuery(f"'{operator}' compares at least two values")
    first, *others = (_operand(each) for each in operands)
    if operator == "in":
        return reduce(or_, (_compare(Exact, first, other) for other in others))
    comparison = _COMPARISONS[operator]
    if operator != "=" and not first.is_number:
        raise MalformedQuery(f"'{operator}' compares numbers")
    return reduce(and_, (_compare(comparison, first, other) for other in others))


def _logical(operator: str, operands: list[Any]) -> Q:
    if not operands or not all(isinstance(each, list) for each in operands):
        raise MalformedQuery(f"'{operator}' joins lists")
    conditions = [_compile(each) for each in operands]
    if operator == "not":
        return reduce(or_, (~condition for condition in conditions))
    return reduce(and_ if operator == "and" else or_, conditions)


def _operand(value: Any) -> Fact:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise MalformedQuery("only numbers, texts and variables are compared")
    if not isinstance(value, str):
        if abs(value) > MAX_NUMBER or math.isnan(value):
            raise MalformedQuery("a number is too large")
        number = float(value)
        return Fact(lambda: Value(number, output_field=FloatField()))
    if value.startswith("$"):
        if value[1:] not in FACTS:
            raise MalformedQuery(f"there is no variable {value}; known are {', '.join(FACTS)}")
        return FACTS[value[1:]]
    if "\0" in value or any("\ud800" <= each <= "\udfff" for each in value):
        raise MalformedQuery("a text has a NUL or half a character in it")
    return Fact(lambda: Value(value, output_field=CharField()), is_number=False)


def _compare(comparison: Any, one: Fact, other: Fact) -> Q:
    if one.is_number != other.is_number:
        raise MalformedQuery("a number is compared with a text")
    return Q(comparison(one.expression(), other.expression()))


def _condition(spec: RequestSpec) -> Q | None:
    return compile_query(spec.query) if spec.query else None


JSON_QUERY = Filter("json_query", "Does the host answer the query among the hints?", _condition)
