"""Take from a project's quota and give back, so that no race exceeds a limit.

Usage is the sum of the reservation rows, read under the lock of the project's ledger row. On
PostgreSQL that is a row lock, and the sum is a statement of its own after it, so it sees what the
lock's last holder committed. On SQLite the transaction is IMMEDIATE: it holds the only write lock
from its start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from quotas.errors import ProjectClosed, QuotaExceeded
from quotas.models import ProjectLedger, QuotaDefault, QuotaLimit, Reservation, UserQuotaLimit
from quotas.past import note_end
from quotas.resources import COUNTED, DEFAULTS, UNLIMITED, check_known

DEFAULT_CLASS = "default"


@dataclass(frozen=True)
class _Account:
    """What a project, or one of its users, may take and has taken."""

    allowed: Mapping[str, int]
    used: Mapping[str, int]

    def fits(self, name: str, amount: int) -> bool:
        """Whether so much more may be taken."""
        allowed = self.allowed.get(name, UNLIMITED)
        return not amount or allowed == UNLIMITED or self.used[name] + amount <= allowed


def consume(
    *,
    project_id: str,
    subject: UUID,
    amounts: Mapping[str, int],
    now: datetime,
    user_id: str = "",
) -> None:
    """Reserve amounts for one subject, all or nothing, inside the caller's transaction.

    A subject reserves a resource once; an amount of 0 is neither checked nor kept. With a user
    the limits that he or she has in the project hold too.

    Raises:
        QuotaExceeded: a limit would be exceeded.
        ProjectClosed: the project is being removed.
        LookupError: a resource that is not counted.
    """
    consume_many(
        project_id=project_id, wanted=[(subject, amounts)], minimum=1, now=now, user_id=user_id
    )


def consume_many(
    *,
    project_id: str,
    wanted: Sequence[tuple[UUID, Mapping[str, int]]],
    minimum: int,
    now: datetime,
    user_id: str = "",
) -> int:
    """Reserve for as many of the subjects as fit, in their order; returns for how many.

    Raises:
        QuotaExceeded: fewer than `minimum` fit; nothing is reserved.
        ProjectClosed: the project is being removed.
        LookupError: a resource that is not counted.
    """
    _check_counted(name for _, amounts in wanted for name in amounts)
    _lock_open(project_id, now)
    # The ledger's row is the lock of its users' usage too.
    accounts = [_Account(limits(project_id), usage(project_id))]
    own = _user_limits(project_id, user_id) if user_id else {}
    if own:
        accounts.append(_Account(own, usage(project_id, user_id)))
    fitting = len(wanted)
    for account in accounts:
        fits = _count_fitting(wanted, account)
        if fits < min(minimum, len(wanted)):
            raise _exceeded(wanted, minimum, account)
        fitting = min(fitting, fits)
    who = {"project_id": project_id, "user_id": user_id, "created_at": now}
    Reservation.objects.bulk_create(
        row for subject, amounts in wanted[:fitting] for row in _rows(subject, amounts, **who)
    )
    return fitting


def record_use(
    *,
    project_id: str,
    subject: UUID,
    amounts: Mapping[str, int],
    now: datetime,
    user_id: str = "",
) -> None:
    """Reserve what is in use already, even beyond the limits; what is reserved stays as it is.

    Raises:
        LookupError: a resource that is not counted.
    """
    _check_counted(amounts)
    lock_ledger(project_id, now=now)
    rows = _rows(subject, amounts, project_id=project_id, user_id=user_id, created_at=now)
    Reservation.objects.bulk_create(rows, ignore_conflicts=True)


def grow(
    *,
    project_id: str,
    subject: UUID,
    amounts: Mapping[str, int],
    now: datetime,
    user_id: str = "",
) -> None:
    """Let a subject hold these amounts at least; only what it takes beyond its own is checked.

    Raises:
        QuotaExceeded: a limit would be exceeded; nothing changes.
        ProjectClosed: the project is being removed.
        LookupError: a resource that is not counted.
        RuntimeError: there is no transaction.
    """
    _check_counted(amounts)
    _lock_open(project_id, now)
    more = {
        name: amount - held
        for name, (amount, held) in _with_held(subject, amounts).items()
        if amount > held
    }
    accounts = [_Account(limits(project_id), usage(project_id))]
    own = _user_limits(project_id, user_id) if user_id else {}
    if own:
        accounts.append(_Account(own, usage(project_id, user_id)))
    for account in accounts:
        if not all(account.fits(name, amount) for name, amount in more.items()):
            raise _exceeded([(subject, more)], 1, account)
    _write_held(project_id, subject, {name: amounts[name] for name in more}, now, user_id)


def hold_exactly(
    *,
    project_id: str,
    subject: UUID,
    amounts: Mapping[str, int],
    now: datetime,
    user_id: str = "",
) -> None:
    """Let a subject hold just these amounts of these resources, even beyond the limits.

    Raises:
        LookupError: a resource that is not counted.
        RuntimeError: there is no transaction.
    """
    _check_counted(amounts)
    lock_ledger(project_id, now=now)
    release(subject=subject, resources=[name for name, amount in amounts.items() if not amount])
    wanted = {name: amount for name, amount in amounts.items() if amount}
    _write_held(project_id, subject, wanted, now, user_id)


def _rows(subject: UUID, amounts: Mapping[str, int], **fields: Any) -> list[Reservation]:
    return [
        Reservation(subject=subject, resource=name, amount=amount, **fields)
        for name, amount in amounts.items()
        if amount
    ]


def _with_held(subject: UUID, amounts: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    rows = Reservation.objects.filter(subject=subject, resource__in=amounts)
    held = dict(rows.values_list("resource", "amount"))
    return {name: (amount, held.get(name, 0)) for name, amount in amounts.items()}


def _write_held(
    project_id: str, subject: UUID, amounts: Mapping[str, int], now: datetime, user_id: str
) -> None:
    held = Reservation.objects.filter(subject=subject)
    for name, amount in amounts.items():
        rows = held.filter(resource=name)
        others = rows.exclude(amount=amount)
        if others.exists():
            note_end(others, now)
            others.update(amount=amount, created_at=now)
        elif not rows.exists():
            who = {"project_id": project_id, "user_id": user_id, "created_at": now}
            Reservation.objects.bulk_create(_rows(subject, {name: amount}, **who))


def release(
    *, subject: UUID, resources: Collection[str] | None = None, now: datetime | None = None
) -> None:
    """Give back what a subject holds, all of it or the named resources; again is no error.

    It is noted as past; without `now` it ends at this moment.
    """
    held = Reservation.objects.filter(subject=subject)
    if resources is not None:
        held = held.filter(resource__in=resources)
    # Without a savepoint: most callers are in a transaction, and this is called often.
    with transaction.atomic(savepoint=False):
        note_end(held, now or timezone.now())
        held.delete()


def hand_over(
    *, subjects: Collection[UUID], source: str, target: str, now: datetime, user_id: str = ""
) -> None:
    """Let another project hold what these subjects hold, all or nothing.

    Raises:
        QuotaExceeded: a limit of the other project would be exceeded; nothing changes.
        RuntimeError: there is no transaction.
    """
    # In one order, so that two who hand over to each other do not wait for each other.
    for project_id in sorted({source, target}):
        lock_ledger(project_id, now=now)
    held = Reservation.objects.select_for_update().filter(subject__in=subjects, project_id=source)
    rows = list(held.values_list("pk", "subject", "resource", "amount"))
    amounts: Counter[str] = Counter()
    for _, _, resource, amount in rows:
        amounts[resource] += amount
    if source != target:
        account = _Account(limits(target), usage(target))
        if not all(account.fits(name, amount) for name, amount in amounts.items()):
            raise _exceeded([(rows[0][1], amounts)], 1, account)
    Reservation.objects.filter(pk__in=[pk for pk, *_ in rows]).update(
        project_id=target, user_id=user_id
    )


def usage(project_id: str, user_id: str = "") -> dict[str, int]:
    """What a project, or one user in it, uses of every counted resource."""
    rows = Reservation.objects.filter(project_id=project_id)
    if user_id:
        rows = rows.filter(user_id=user_id)
    sums = rows.order_by().values_list("resource").annotate(used=Sum("amount"))
    return {**dict.fromkeys(COUNTED, 0), **dict(sums)}


def limits(project_id: str, user_id: str = "") -> dict[str, int]:
    """A project's limit for every resource: its own, else the stored default, else the built-in.

    With a user those set for him or her in the project, and the project's where there is none.
    """
    own = dict(QuotaLimit.objects.filter(project_id=project_id).values_list("resource", "limit"))
    users = _user_limits(project_id, user_id) if user_id else {}
    return {**default_limits(), **own, **users}


def user_of(subject: UUID) -> str:
    """Whose a subject is, as far as it holds anything; else ""."""
    held = Reservation.objects.filter(subject=subject).exclude(user_id="")
    return held.values_list("user_id", flat=True).first() or ""


def default_limits(class_name: str = DEFAULT_CLASS) -> dict[str, int]:
    """The limits of a quota class; only the class `default` feeds projects."""
    stored = QuotaDefault.objects.filter(class_name=class_name)
    return {**DEFAULTS, **dict(stored.values_list("resource", "limit"))}


def lock_ledger(owner_id: str, *, now: datetime) -> ProjectLedger:
    """Hold off every other change of one owner's usage until the transaction ends.

    The owner is a project, or a user where something is counted by user.

    Raises:
        RuntimeError: there is no transaction, so nothing would be held.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("Quota is consumed inside a transaction only.")
    rows = ProjectLedger.objects.select_for_update().filter(project_id=owner_id)
    found = rows.first()
    if found is not None:
        return found
    ProjectLedger.objects.bulk_create(
        [ProjectLedger(project_id=owner_id, touched_at=now)], ignore_conflicts=True
    )
    return rows.get()


def _lock_open(project_id: str, now: datetime) -> None:
    """Lock the ledger of a project that may take more; under the lock that cannot change."""
    if lock_ledger(project_id, now=now).closed_at is not None:
        raise ProjectClosed(project_id)


def _check_counted(names: Iterable[str]) -> None:
    for name in set(names):
        check_known(name)
        if name not in COUNTED:
            raise LookupError(f"{name} bounds a request; it is not counted.")


def _user_limits(project_id: str, user_id: str) -> dict[str, int]:
    rows = UserQuotaLimit.objects.filter(project_id=project_id, user_id=user_id)
    return dict(rows.values_list("resource", "limit"))


def _count_fitting(wanted: Sequence[tuple[UUID, Mapping[str, int]]], account: _Account) -> int:
    total: Counter[str] = Counter()
    for position, (_, amounts) in enumerate(wanted):
        total.update(amounts)
        if not all(account.fits(name, total[name]) for name in amounts):
            return position
    return len(wanted)


def _exceeded(
    wanted: Sequence[tuple[UUID, Mapping[str, int]]],
    minimum: int,
    account: _Account,
) -> QuotaExceeded:
    total: Counter[str] = Counter()
    for _, amounts in wanted:
        total.update(amounts)
    requested: dict[str, int | str] = dict(total)
    if minimum < len(wanted) and "instances" in requested:
        requested["instances"] = f"{minimum}-{len(wanted)}"
    over = [name for name, amount in total.items() if not account.fits(name, amount)]
    return QuotaExceeded(over, requested=requested, used=account.used, limits=account.allowed)
