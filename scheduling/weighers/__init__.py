"""Weighers: each says how good a host is, as an expression that the database computes.

A weigher's value is divided by the largest among the hosts left, so all weigh between 0 and 1
before their multiplier.
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
