"""The checks: pure functions from what was seen and what the books say to findings."""

from __future__ import annotations

from collections.abc import Iterator

from hypervisors.survey import HostSurvey
from integrity.checks import allocations, dhcp, domains
from integrity.facts import BooksFacts, HostFacts
from integrity.found import Found

HOST_CHECKS = (domains.check, dhcp.check)
BOOKS_CHECKS = (allocations.check,)


def check_host(seen: HostSurvey, facts: HostFacts) -> Iterator[Found]:
    """All that differs on one host."""
    for check in HOST_CHECKS:
        yield from check(seen, facts)


def check_books(facts: BooksFacts) -> Iterator[Found]:
    """All that differs within the database."""
    for check in BOOKS_CHECKS:
        yield from check(facts)
