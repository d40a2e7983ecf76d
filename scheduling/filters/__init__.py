"""Filters: each asks one question of a host, as a condition that the database answers.

A filter returns a `Q` over Hypervisor rows, or None when the request does not ask. Conditions use
columns without nulls and subqueries, never joins, so that they can be counted together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from django.db.models import Q

from scheduling.request_spec import RequestSpec


@dataclass(frozen=True)
class Filter:
    """A question, and the condition on hosts that answers yes.

    `reasons`: why hosts of these names do not, in words, where the question alone says too little.
    """

    name: str
    question: str
    condition: Callable[[RequestSpec], Q | None]
    reasons: Callable[[RequestSpec, Collection[str]], dict[str, str]] | None = None
