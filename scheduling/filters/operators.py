"""What an extra spec asks of a fact, in the operators of the compute service's flavors.

A text without an operator is compared whole. `=` means at least, as it always has there.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping

from django.db.models import FloatField, Q, Value
from django.db.models.lookups import (
    Exact,
    GreaterThan,
    GreaterThanOrEqual,
    LessThan,
    LessThanOrEqual,
)

NOBODY = Q(pk__in=[])
_NUMBERS: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_TEXTS: Mapping[str, Callable[[str, str], bool]] = {
    "s==": operator.eq,
    "s!=": operator.ne,
    "s>=": operator.ge,
    "s>": operator.gt,
    "s<=": operator.le,
    "s<": operator.lt,
    "<in>": operator.contains,
}
_LOOKUPS: Mapping[str, Callable[..., object]] = {
    "=": GreaterThanOrEqual,
    "==": Exact,
    "s==": Exact,
    ">=": GreaterThanOrEqual,
    "<=": LessThanOrEqual,
    ">": GreaterThan,
    "<": LessThan,
}


def _chosen(words: list[str]) -> list[str]:
    """The values of `<or> a <or> b`."""
    return [word for word in words if word != "<or>"]


def is_met(value: str, asked: str) -> bool:
    """Whether a text fact meets what is asked."""
    words = asked.split()
    sign = words[0] if words else ""
    if sign == "<or>":
        return value in _chosen(words)
    if sign == "<all-in>":
        return len(words) > 1 and all(word in value for word in words[1:])
    if sign not in _NUMBERS and sign not in _TEXTS:
        return value == asked
    if len(words) < 2:
        return False
    if sign in _TEXTS:
        return _TEXTS[sign](value, words[1])
    try:
        return _NUMBERS[sign](float(value), float(words[1]))
    except ValueError:
        return False


def number_condition(expression: object, asked: str) -> Q:
    """Which hosts' number meets what is asked; none where it is compared with what is no number."""
    words = asked.split()
    sign = words[0] if words else ""
    if sign in {"!=", "s!="}:
        others = number_condition(expression, " ".join(["==", *words[1:]]))
        return NOBODY if others == NOBODY else ~others
    lookup: Callable[..., object] = Exact
    if sign == "<or>":
        wanted = _chosen(words)
    elif sign in _LOOKUPS:
        lookup, wanted = _LOOKUPS[sign], words[1:2]
    else:
        wanted = [asked]
    condition = Q()
    for text in wanted:
        try:
            number = float(text)
        except ValueError:
            continue
        # Databases compare neither infinity nor what is no number at all.
        if math.isfinite(number):
            condition |= Q(lookup(expression, Value(number, output_field=FloatField())))
    return condition or NOBODY
