"""Weighers: each says how good a host is, as an expression that the database computes.

A weigher's values are stretched over the hosts left: the worst gets 0, the best its multiplier, and
all of them 0 when they are alike. So a small difference spreads servers too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scheduling.request_spec import RequestSpec


@dataclass(frozen=True)
class Weigher:
    """A name, its weight among the others, and an expression over Hypervisor rows (>= 0)."""

    name: str
    multiplier: float
    value: Callable[[RequestSpec], Any]
