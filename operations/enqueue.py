"""Ask for work: the row and its wake-up, in the caller's transaction."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django_q.brokers import get_broker
from django_q.tasks import async_task

from cloudportal.errors import Conflict
from operations.kinds import DEFAULT_QUEUE, TRANSFER_QUEUE, kind_named
from operations.models import UNFINISHED, Operation, OperationState


class AlreadyAtWork(Conflict):
    """The subject has an unfinished operation."""


def enqueue(
    kind: str, *, subject: UUID, params: dict[str, Any], request_id: str, now: datetime
) -> Operation:
    """Write an operation and its wake-up; both appear when the caller's transaction commits.

    Raises:
        AlreadyAtWork: the subject has an unfinished operation.
        KeyError: there is no such kind.
    """
    deadline_s = kind_named(kind).deadline_s
    try:
        with transaction.atomic():
            operation = Operation.objects.create(
                kind=kind,
                subject=subject,
                params=params,
                request_id=request_id,
                wake_at=now,
                swept_at=now,
                created_at=now,
                updated_at=now,
                deadline_at=now + timedelta(seconds=deadline_s) if deadline_s else None,
            )
    except IntegrityError as error:
        raise AlreadyAtWork("Another operation is still under way.", detail=str(error)) from error
    wake(operation.pk, DEFAULT_QUEUE)
    return operation


def wake(operation_id: UUID, queue: str) -> None:
    """Send a wake-up to a queue's workers; one too many does no harm, a lost one is swept up."""
    async_task("operations.jobs.run", str(operation_id), queue, cluster=queue)


def forget_jobs() -> None:
    """Empty the queues: for a database that was restored, whose wake-ups are of another time."""
    for queue in (DEFAULT_QUEUE, TRANSFER_QUEUE):
        get_broker(queue).purge_queue()


def supersede(
    kind: str, *, subject: UUID, params: dict[str, Any], request_id: str, now: datetime
) -> Operation:
    """Do this instead of whatever is unfinished for the subject; returns the operation that leads.

    An unfinished operation that nobody runs is cancelled at once. One that runs is told to make
    way; its worker cancels it at its next step and enqueues the successor in the same transaction.
    Nothing of it is undone: the successor has to cope with any state, as a delete does. An
    unfinished operation of the same kind stays as it is.
    """
    with transaction.atomic():
        current = (
            Operation.objects.select_for_update()
            .filter(subject=subject, state__in=UNFINISHED)
            .first()
        )
        if current is None:
            return enqueue(kind, subject=subject, params=params, request_id=request_id, now=now)
        if current.kind == kind:
            return current
        current.successor = {"kind": kind, "params": params, "request_id": request_id}
        current.updated_at = now
        current.save(update_fields=["successor", "updated_at"])
        leased = Operation.objects.filter(Q(lease_until__gt=now), pk=current.pk).exists()
        return current if leased else give_way(current, now=now)


def give_way(current: Operation, *, now: datetime) -> Operation:
    """Cancel an operation and enqueue its successor; the caller holds the row in a transaction."""
    successor = current.successor or {}
    current.state = OperationState.CANCELLED
    current.finished_at = current.updated_at = now
    current.lease_owner, current.lease_until = "", None
    current.save(update_fields=["state", "finished_at", "updated_at", "lease_owner", "lease_until"])
    return enqueue(
        successor["kind"],
        subject=current.subject,
        params=successor["params"],
        request_id=successor["request_id"],
        now=now,
    )
