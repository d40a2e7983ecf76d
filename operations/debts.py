"""Debts: work put off until a host is back, as administrators see it.

Which kinds are debts, and what one of them is about, only their apps can say: they register here,
since this room knows no hosts and no servers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery, TextField, Value
from django.db.models.functions import Coalesce

from operations.models import UNFINISHED, Operation, StepRecord, StepResult


@dataclass(frozen=True)
class DebtFacts:
    """What is owed, in words, with the host's name and the server's id where there are such."""

    what: str
    host: str = ""
    server: str = ""


@dataclass(frozen=True)
class Debt:
    """One piece of work that waits for its host."""

    operation_id: UUID
    kind: str
    facts: DebtFacts
    since: datetime
    next_try_at: datetime
    tries: int
    last_error: str


# From the params of some operations of one kind to the facts of each, in the same order.
Provider = Callable[[Sequence[Mapping[str, Any]]], Sequence[DebtFacts]]
_providers: dict[str, Provider] = {}


def register_debt(kind: str, provider: Provider) -> None:
    """Make this kind a debt, told in words; a second provider replaces the first."""
    _providers[kind] = provider


def debt_kinds() -> list[str]:
    """The names of the kinds that are tried until they are done, however long that takes."""
    return sorted(_providers)


def unpaid() -> QuerySet[Operation]:
    """The debts that are not paid, oldest first."""
    found = Operation.objects.filter(state__in=UNFINISHED, kind__in=debt_kinds())
    return with_last_error(found).order_by("created_at", "pk")


def hurry(hypervisor_id: int, *, now: datetime) -> int:
    """Have the debts that name this host in their params tried now; returns how many waited.

    Their pauses begin anew too: the host may need some seconds more.
    """
    waiting = Operation.objects.filter(
        state__in=UNFINISHED, kind__in=debt_kinds(), params__hypervisor=hypervisor_id
    )
    return waiting.filter(lease_until=None, wake_at__gt=now).update(wake_at=now, attempt=0)


def with_last_error(operations: QuerySet[Operation]) -> QuerySet[Operation]:
    """Annotate `last_error`: what the newest try that failed had to say, or ""."""
    tries = (
        StepRecord.objects.filter(operation=OuterRef("pk"))
        .exclude(result=StepResult.WAIT)
        .exclude(message="")
    )
    newest = tries.order_by("-pk").values("message")[:1]
    return operations.annotate(last_error=Coalesce(Subquery(newest), Value("", TextField())))


def describe(operations: Iterable[Operation]) -> list[Debt]:
    """Operations of these kinds in words, in their order; a constant number of queries."""
    rows = list(operations)
    facts: dict[UUID, DebtFacts] = {}
    for kind in {row.kind for row in rows}:
        of_kind = [row for row in rows if row.kind == kind]
        found = _providers[kind]([row.params for row in of_kind])
        facts.update(zip((row.pk for row in of_kind), found, strict=True))
    return [
        Debt(
            operation_id=row.pk,
            kind=row.kind,
            facts=facts[row.pk],
            since=row.created_at,
            next_try_at=row.wake_at,
            tries=row.attempt,
            last_error=str(getattr(row, "last_error", "")),
        )
        for row in rows
    ]
