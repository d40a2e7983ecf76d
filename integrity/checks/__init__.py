"""The checks: pure functions from what was seen and what the books say to findings.

Their order is that of the repairs of one server: what lies on the host first, then what is on top.
"""

from __future__ import annotations

from collections.abc import Iterator

from integrity.books import BooksFacts
from integrity.checks import (
    allocations,
    base_images,
    definitions,
    dhcp,
    domains,
    filters,
    networks,
    ports,
    quotas,
    stuck,
    volumes,
)
from integrity.found import Found
from integrity.view import HostView

HOST_CHECKS = (
    networks.check,
    filters.check,
    domains.check,
    definitions.check,
    dhcp.check,
    volumes.check,
    base_images.check,
)
BOOKS_CHECKS = (stuck.check, allocations.check, ports.check, quotas.check)


def check_host(view: HostView) -> Iterator[Found]:
    """All that differs on one host."""
    for check in HOST_CHECKS:
        yield from check(view)


def check_books(facts: BooksFacts) -> Iterator[Found]:
    """All that differs within the database."""
    for check in BOOKS_CHECKS:
        yield from check(facts)
