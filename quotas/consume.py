"""Take from a project's quota and give back, so that no race exceeds a limit.

Usage is the sum of the reservation rows, read under the lock of the project's ledger row. On
PostgreSQL that is a row lock, and the sum is a statement of its own after it, so it sees what the
lock's last holder committed. On SQLite the transaction is IMMEDIATE: it holds the only write lock
from its start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Sum

from quotas.errors import QuotaExceeded
from quotas.models import ProjectLedger, QuotaDefault, QuotaLimit, Reservation
from quotas.resources import COUNTED, DEFAULTS, UNLIMITED, check_known

DEFAULT_CLASS = "default"


def consume(*, project_id: str, subject: UUID, amounts: Mapping[str, int], now: datetime) -> None:
    """Reserve amounts for one subject, all or nothing, inside the caller's transaction.

    A subject reserves a resource once; an amount of 0 is neither checked nor kept.

    Raises:
        QuotaExceeded: a limit would be exceeded.
        LookupError: a resource that is not counted.
    """
    consume_many(project_id=project_id, wanted=[(subject, amounts)], minimum=1, now=now)


def consume_many(
    *,
    project_id: str,
    wanted: Sequence[tuple[UUID, Mapping[str, int]]],
    minimum: int,
    now: datetime,
) -> int:
    """Reserve for as many of the subjects as fit, in their order; returns for how many.

    Raises:
        QuotaExceeded: fewer than `minimum` fit; nothing is reserved.
        LookupError: a resource that is not counted.
    """
    _check_counted(name for _, amounts in wanted for name in amounts)
    lock_ledger(project_id, now=now)
    allowed = limits(project_id)
    used = usage(project_id)
    fitting = _count_fitting(wanted, used, allowed)
    if fitting < min(minimum, len(wanted)):
        raise _exceeded(wanted, minimum, used, allowed)
    Reservation.objects.bulk_create(
        Reservation(
            project_id=project_id, resource=name, amount=amount, subject=subject, created_at=now
        )
        for subject, amounts in wanted[:fitting]
        for name, amount in amounts.items()
        if amount
    )
    return fitting


def record_use(
    *, project_id: str, subject: UUID, amounts: Mapping[str, int], now: datetime
) -> None:
    """Reserve what is in use already, even beyond the limits; what is reserved stays as it is.

    Raises:
        LookupError: a resource that is not counted.
    """
    _check_counted(amounts)
    lock_ledger(project_id, now=now)
    Reservation.objects.bulk_create(
        [
            Reservation(
                project_id=project_id, resource=name, amount=amount, subject=subject, created_at=now
            )
            for name, amount in amounts.items()
            if amount
        ],
        ignore_conflicts=True,
    )


def release(*, subject: UUID, resources: Collection[str] | None = None) -> None:
    """Give back what a subject holds, all of it or the named resources; again is no error."""
    held = Reservation.objects.filter(subject=subject)
    if resources is not None:
        held = held.filter(resource__in=resources)
    held.delete()


def usage(project_id: str) -> dict[str, int]:
    """What a project uses of every counted resource."""
    sums = (
        Reservation.objects.filter(project_id=project_id)
        .order_by()
        .values_list("resource")
        .annotate(used=Sum("amount"))
    )
    return {**dict.fromkeys(COUNTED, 0), **dict(sums)}


def limits(project_id: str) -> dict[str, int]:
    """A project's limit for every resource: its own, else the stored default, else the built-in."""
    own = dict(QuotaLimit.objects.filter(project_id=project_id).values_list("resource", "limit"))
    return {**default_limits(), **own}


def default_limits(class_name: str = DEFAULT_CLASS) -> dict[str, int]:
    """The limits of a quota class; only the class `default` feeds projects."""
    stored = QuotaDefault.objects.filter(class_name=class_name)
    return {**DEFAULTS, **dict(stored.values_list("resource", "limit"))}


def lock_ledger(owner_id: str, *, now: datetime) -> None:
    """Hold off every other change of one owner's usage until the transaction ends.

    The owner is a project, or a user where something is counted by user.

    Raises:
        RuntimeError: there is no transaction, so nothing would be held.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("Quota is consumed inside a transaction only.")
    rows = ProjectLedger.objects.select_for_update().filter(project_id=owner_id)
    if rows.first() is None:
        ProjectLedger.objects.bulk_create(
            [ProjectLedger(project_id=owner_id, touched_at=now)], ignore_conflicts=True
        )
        rows.get()


def _check_counted(names: Iterable[str]) -> None:
    for name in set(names):
        check_known(name)
        if name not in COUNTED:
            raise LookupError(f"{name} bounds a request; it is not counted.")


def _fits(name: str, amount: int, used: Mapping[str, int], allowed: Mapping[str, int]) -> bool:
    return not amount or allowed[name] == UNLIMITED or used[name] + amount <= allowed[name]


def _count_fitting(
    wanted: Sequence[tuple[UUID, Mapping[str, int]]],
    used: Mapping[str, int],
    allowed: Mapping[str, int],
) -> int:
    total: Counter[str] = Counter()
    for position, (_, amounts) in enumerate(wanted):
        total.update(amounts)
        if not all(_fits(name, total[name], used, allowed) for name in amounts):
            return position
    return len(wanted)


def _exceeded(
    wanted: Sequence[tuple[UUID, Mapping[str, int]]],
    minimum: int,
    used: Mapping[str, int],
    allowed: Mapping[str, int],
) -> QuotaExceeded:
    total: Counter[str] = Counter()
    for _, amounts in wanted:
        total.update(amounts)
    requested: dict[str, int | str] = dict(total)
    if minimum < len(wanted) and "instances" in requested:
        requested["instances"] = f"{minimum}-{len(wanted)}"
    over = [name for name, amount in total.items() if not _fits(name, amount, used, allowed)]
    return QuotaExceeded(over, requested=requested, used=used, limits=allowed)
