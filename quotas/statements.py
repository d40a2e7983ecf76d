"""Statements: who used how much of what in a period, from the ledger and what it held once.

An entry is one amount of one resource that one subject held from one instant to another. The sums
are worked out by the database; a project may have had a hundred thousand entries in a year.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from uuid import UUID

from django.db.models import (
    DateTimeField,
    ExpressionWrapper,
    F,
    FloatField,
    Func,
    Q,
    QuerySet,
    Sum,
    Value,
)
from django.db.models.functions import Greatest, Least

import quotas.rules  # noqa: F401 - declares the rules
from cloudportal.errors import Invalid
from identity import policy
from identity.actors import Actor
from quotas.models import PastReservation, Reservation
from quotas.read import check_project

SHOW = "cloudportal:quota-sets:statement"
HELD, PAST = "held", "past"


class _Hours(Func):
    """A duration as a number: a sum of them times MiB would be more than a duration can be."""

    output_field = FloatField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "(EXTRACT(EPOCH FROM %(expressions)s)::double precision / 3600)"
        return self.as_sql(compiler, connection, template=template, **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        # Microseconds there.
        template = "(%(expressions)s / 3600000000.0)"
        return self.as_sql(compiler, connection, template=template, **context)


@dataclass(frozen=True)
class Wish:
    """What a statement is to be about: from `start` to before `end`; "" is every user, resource."""

    project_id: str
    start: datetime
    end: datetime
    user_id: str = ""
    resource: str = ""


@dataclass(frozen=True)
class Entry:
    """What a subject held; `ended_at` None is until now. `kind` and `key` tell entries apart."""

    started_at: datetime
    kind: str
    key: int
    ended_at: datetime | None
    user_id: str
    resource: str
    amount: int
    subject: UUID

    @property
    def marker(self) -> str:
        """Where the next page begins; it stays so when what is held is given back."""
        instant = self.started_at.astimezone(UTC).replace(tzinfo=None)
        return f"{instant.isoformat(timespec='microseconds')}.{self.kind}.{self.key}"


@dataclass(frozen=True)
class Statement:
    """A page of entries, oldest first, and the unit-hours of all entries by resource.

    An amount of 2 held for 3 hours of the period is 6 unit-hours: of `ram` MiB-hours, of
    `gigabytes` GiB-hours.
    """

    wish: Wish
    entries: list[Entry]
    unit_hours: dict[str, float]


def read_statement(
    *, wish: Wish, limit: int, marker: str = "", actor: Actor, now: datetime
) -> Statement:
    """What a project, or a user in it, used in a period; of a deleted project too, while known.

    Raises:
        Forbidden: the actor has no role in the project and is no administrator.
        UnknownProject: there is no such project, and it is not known to have used anything.
        Invalid: the period ends before it begins, or the marker is none of a statement.
    """
    policy.require(actor, SHOW, project_id=wish.project_id)
    if wish.start >= wish.end:
        raise Invalid("The statement ends before it begins.")
    behind = _read_marker(marker) if marker else None
    if not PastReservation.objects.filter(project_id=wish.project_id).exists():
        check_project(wish.project_id)
    held, past = _held(wish), _past(wish)
    hours = _unit_hours(held, wish, Least(Value(now), Value(wish.end)))
    for name, more in _unit_hours(past, wish, Least(F("ended_at"), Value(wish.end))).items():
        hours[name] += more
    entries = heapq.merge(
        _entries(held, HELD, "created_at", behind, limit),
        _entries(past, PAST, "started_at", behind, limit),
        key=lambda entry: (entry.started_at, entry.kind, entry.key),
    )
    return Statement(wish, list(islice(entries, limit)), dict(sorted(hours.items())))


def _held(wish: Wish) -> QuerySet[Any]:
    rows = Reservation.objects.filter(**_same(wish), created_at__lt=wish.end)
    return rows.order_by("created_at", "pk")


def _past(wish: Wish) -> QuerySet[Any]:
    rows = PastReservation.objects.filter(
        **_same(wish), started_at__lt=wish.end, ended_at__gt=wish.start
    )
    return rows.order_by("started_at", "pk")


def _same(wish: Wish) -> dict[str, str]:
    chosen = {"user_id": wish.user_id, "resource": wish.resource}
    return {"project_id": wish.project_id, **{key: text for key, text in chosen.items() if text}}


def _unit_hours(rows: QuerySet[Any], wish: Wish, end: Any) -> defaultdict[str, float]:
    began = "created_at" if rows.model is Reservation else "started_at"
    start = Greatest(F(began), Value(wish.start), output_field=DateTimeField())
    # What begins in the future, by another machine's clock, is not less than nothing.
    spent = Greatest(start, end, output_field=DateTimeField()) - start
    used = ExpressionWrapper(F("amount") * _Hours(spent), output_field=FloatField())
    sums = rows.order_by().values_list("resource").annotate(used=Sum(used))
    return defaultdict(float, dict(sums))


def _entries(
    rows: QuerySet[Any], kind: str, began: str, behind: tuple[datetime, str, int] | None, limit: int
) -> list[Entry]:
    if behind is not None:
        rows = rows.filter(_behind(kind, began, behind))
    return [
        Entry(
            started_at=getattr(row, began),
            kind=kind,
            key=row.pk,
            ended_at=getattr(row, "ended_at", None),
            user_id=row.user_id,
            resource=row.resource,
            amount=row.amount,
            subject=row.subject,
        )
        for row in rows[:limit]
    ]


def _behind(kind: str, began: str, behind: tuple[datetime, str, int]) -> Q:
    instant, marked, key = behind
    later = Q(**{f"{began}__gt": instant})
    same = Q(**{began: instant})
    if kind == marked:
        return later | same & Q(pk__gt=key)
    return later | same if kind > marked else later


def _read_marker(text: str) -> tuple[datetime, str, int]:
    try:
        instant, kind, key = text.rsplit(".", 2)
        found = datetime.fromisoformat(instant).replace(tzinfo=UTC), kind, int(key)
    except (ValueError, OverflowError):
        found = None
    if found is None or kind not in (HELD, PAST) or not 0 <= found[2] < 2**63:
        raise Invalid(f"Marker {text} could not be found.")
    return found
