"""Run the steps of an operation in order; undo them, newest first, when one fails.

The row is the truth and a job only a wake-up. A worker takes the lease, and after every step moves
the cursor in the same write that checks that the lease is still its own. Killed at any point, its
lease runs out, the sweeper sends another wake-up, and the next worker goes on from the cursor: the
step that was under way runs again, which is why every step looks at the world before it changes
it. A step that failed is undone too, for it may have done half its work.

What ends a step, beside success: a retryable error is tried again with growing pauses, then counts
as permanent; any other error turns the operation round. `Wait` puts it aside, `Superseded` makes
way for the successor. A host that is away when its part must be undone, or refuses again and again,
is left a debt (see `Kind.postpone`), so that nothing waits for it.

django-q2 ends an overlong job with a `SystemExit`, which passes through here untouched: the lease
runs out as after a kill.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from cloudportal.errors import CloudError
from cloudportal.logs import logged_as
from operations import enqueue, lease
from operations.errors import DeadlineExceeded, LeaseLost, Superseded, Wait
from operations.kinds import DEFAULT_QUEUE, Context, Kind, Step, kind_named
from operations.models import Operation, OperationState, StepRecord, StepResult

logger = logging.getLogger(__name__)

POSTPONED = "postponed"
# An undo that fails for good must not be lost: it is tried again at this pace, and seen by admins.
UNDO_PAUSE_LIMIT_S = 60.0
RETRY_PAUSE_LIMIT_S = 30.0
# Tries of a step that are kept one by one; of a host that is away for weeks the newest is enough.
TRIES_KEPT = 10
# Tries of a host's part before it becomes a debt; a refusal may be over sooner than an absence.
POSTPONE_AFTER = 2
POSTPONE_REFUSED_AFTER = 4


def run(
    operation_id: UUID, *, queue: str = DEFAULT_QUEUE, stopping: threading.Event | None = None
) -> None:
    """Run an operation as far as it goes now; without the lease it is nothing to us.

    When `stopping` is set it goes no further than its present step, and another worker is woken.
    """
    owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:12]}"
    if not lease.acquire(operation_id, owner):
        return
    operation = Operation.objects.get(pk=operation_id)
    with logged_as(operation.request_id):
        worker = _Worker(operation, kind_named(operation.kind), owner, queue)
        worker.stopping = stopping or worker.stopping
        with lease.heartbeat(operation_id, owner, worker.context.make_way):
            try:
                worker.work()
            except LeaseLost:
                logger.warning("Lost the lease of %s; another worker goes on.", operation)


@dataclass
class _Failure:
    step: str
    error: Exception

    def as_json(self) -> dict[str, Any]:
        known = isinstance(self.error, CloudError)
        return {
            "step": self.step,
            "type": type(self.error).__name__,
            # A foreign exception's text may hold anything; tenants see its class only.
            "message": str(self.error) if known else type(self.error).__name__,
            "detail": self.error.detail if isinstance(self.error, CloudError) else str(self.error),
        }


class _Worker:
    """One worker's run over one leased operation."""

    def __init__(self, operation: Operation, kind: Kind, owner: str, queue: str) -> None:
        self.operation = operation
        self.kind = kind
        self.owner = owner
        self.queue = queue
        self.stopping = threading.Event()
        # When somebody last let go of it, or the pause ended that was made then.
        self.ready_at: datetime | None = max(operation.updated_at, operation.wake_at)
        self.context = Context(
            operation.pk,
            kind.name,
            operation.subject,
            operation.params,
            operation.outputs,
            operation.rounds,
            operation.request_id,
        )

    def work(self) -> None:
        """Go on until the operation is finished, put aside, or no longer ours."""
        if self.operation.state == OperationState.PENDING:
            self._write(state=OperationState.RUNNING)
        while True:
            if self._makes_way():
                return
            if self.stopping.is_set():
                self._hand_over(self.queue)
                return
            if self.operation.state == OperationState.UNDOING:
                going = self._undo_one()
            elif self.operation.cursor < len(self.kind.steps):
                going = self._do_one()
            else:
                self._finish(OperationState.DONE)
                return
            if not going:
                return

    # Forwards

    def _do_one(self) -> bool:
        step = self.kind.steps[self.operation.cursor]
        if self._is_postponed(step):
            self._write(cursor=self.operation.cursor + 1, attempt=0)
            return True
        wanted = step.queue(self.context) if step.queue else DEFAULT_QUEUE
        if wanted != self.queue:
            self._hand_over(wanted)
            return False
        record = self._begin(step, "do")
        try:
            self._check_deadline()
            output = step.do(self.context)
        except Wait as wait:
            self._wait(record, wait)
            return False
        except Superseded:
            self._end(record, StepResult.SUPERSEDED, "")
            return True
        except Exception as error:  # noqa: BLE001 - the engine is the one place that may
            return self._did_not(step, record, error)
        self.context.outputs[step.name] = output
        with transaction.atomic():
            self._end(record, StepResult.SUCCESS, "")
            self._write(cursor=self.operation.cursor + 1, outputs=self.context.outputs, attempt=0)
        return True

    def _did_not(self, step: Step, record: StepRecord, error: Exception) -> bool:
        failure = _Failure(step.name, error)
        self._log(failure)
        attempt = self.operation.attempt + 1
        if self.kind.postpone_do and self._may_postpone(step, attempt, error):
            self._postpone(record, error)
            return True
        if self._may_retry(step, attempt, error):
            self._try_later(record, error, attempt, RETRY_PAUSE_LIMIT_S)
            return False
        with transaction.atomic():
            self._end(record, StepResult.ERROR, failure.as_json()["message"])
            self._write(state=OperationState.UNDOING, error=failure.as_json(), attempt=0)
        return True

    def _may_retry(self, step: Step, attempt: int, error: Exception) -> bool:
        if self.kind.retries is None:
            return True
        if self.kind.postpone_do and step.on_host:
            return True  # until it is a debt
        return _is_retryable(error) and attempt <= self.kind.retries and not self._is_late()

    # Backwards: the cursor points at the step to be undone next.

    def _undo_one(self) -> bool:
        steps = self.kind.steps
        cursor = min(self.operation.cursor, len(steps) - 1)
        if self.context.outputs.get("undone"):
            self._undone()
            return self.operation.state == OperationState.RUNNING
        step = steps[cursor]
        if step.undo is not None and not self._is_postponed(step):
            record = self._begin(step, "undo")
            try:
                step.undo(self.context)
            except Wait as wait:
                self._wait(record, wait)
                return False
            except Exception as error:  # noqa: BLE001 - the engine is the one place that may
                return self._did_not_undo(step, record, error)
            self._end(record, StepResult.SUCCESS, "")
        if cursor == 0:
            self.context.outputs["undone"] = True
            self._write(outputs=self.context.outputs, attempt=0)
        else:
            self._write(cursor=cursor - 1, attempt=0)
        return True

    def _did_not_undo(self, step: Step, record: StepRecord, error: Exception) -> bool:
        self._log(_Failure(step.name, error))
        attempt = self.operation.attempt + 1
        if self._may_postpone(step, attempt, error):
            self._postpone(record, error)
            return True
        self._try_later(record, error, attempt, UNDO_PAUSE_LIMIT_S)
        return False

    def _undone(self) -> None:
        error = self.operation.error or {}
        with transaction.atomic():
            again = (
                self.kind.after_undo is not None
                and not self._is_late()
                and self.kind.after_undo(self.context, error)
            )
            if not again:
                self._finish(OperationState.FAILED)
                return
            self.context.rounds.append(error)
            self.context.outputs.clear()
            self._write(
                state=OperationState.RUNNING,
                cursor=0,
                attempt=0,
                error=None,
                outputs={},
                rounds=self.context.rounds,
            )

    # The host is away, or refuses

    def _may_postpone(self, step: Step, attempt: int, error: Exception) -> bool:
        enough = POSTPONE_AFTER if _is_retryable(error) else POSTPONE_REFUSED_AFTER
        return step.on_host and self.kind.postpone is not None and attempt >= enough

    def _is_postponed(self, step: Step) -> bool:
        return step.on_host and bool(self.context.outputs.get(POSTPONED))

    def _postpone(self, record: StepRecord, error: Exception) -> None:
        with transaction.atomic():
            self._end(record, StepResult.POSTPONED, str(error))
            if self.kind.postpone is not None:
                self.kind.postpone(self.context)
            self.context.outputs[POSTPONED] = True
            self._write(outputs=self.context.outputs, attempt=0)

    # The row

    def _write(self, **fields: Any) -> None:
        lease.write(self.operation.pk, self.owner, **fields)
        for name, value in fields.items():
            setattr(self.operation, name, value)

    def _makes_way(self) -> bool:
        mine = Operation.objects.filter(pk=self.operation.pk, lease_owner=self.owner)
        found = mine.values_list("successor").first()
        if found is None:
            raise LeaseLost
        if found[0] is None:
            return False
        with transaction.atomic():
            current = mine.select_for_update().first()
            if current is None:
                raise LeaseLost
            enqueue.give_way(current, now=timezone.now())
            return True

    def _finish(self, state: OperationState) -> None:
        now = timezone.now()
        with transaction.atomic():
            current = Operation.objects.select_for_update().get(pk=self.operation.pk)
            if current.successor is not None and current.lease_owner == self.owner:
                enqueue.give_way(current, now=now)
                return
            self._write(state=state, finished_at=now, lease_owner="", lease_until=None)
            if state == OperationState.FAILED and self.kind.on_failed is not None:
                self.kind.on_failed(self.context, self.operation.error or {})

    def _try_later(
        self, record: StepRecord, error: Exception, attempt: int, limit_s: float
    ) -> None:
        self._end(record, StepResult.RETRY, str(error))
        if attempt > TRIES_KEPT:
            tries = self.operation.records.filter(step=record.step, direction=record.direction)
            before = tries.filter(pk__lt=record.pk).order_by("-pk").first()
            if before is not None:
                before.delete()
        self._put_aside(_pause(attempt, limit_s), attempt=attempt)

    def _wait(self, record: StepRecord, wait: Wait) -> None:
        with transaction.atomic():
            before = self.operation.records.filter(pk__lt=record.pk).order_by("-pk").first()
            if before is not None and _goes_on_waiting(before, record):
                record.delete()
                record = before
            self._end(record, StepResult.WAIT, str(wait))
            self._put_aside(wait.seconds)

    def _put_aside(self, seconds: float, **fields: Any) -> None:
        wake_at = timezone.now() + timedelta(seconds=seconds)
        lease.release(self.operation.pk, self.owner, wake_at=wake_at, is_put_aside=True, **fields)

    def _hand_over(self, queue: str) -> None:
        with transaction.atomic():
            lease.release(self.operation.pk, self.owner, queue=queue)
            enqueue.wake(self.operation.pk, queue)

    def _begin(self, step: Step, direction: str) -> StepRecord:
        ready_at, self.ready_at = self.ready_at, None
        return StepRecord.objects.create(
            operation=self.operation,
            step=step.name,
            direction=direction,
            ready_at=ready_at,
            started_at=timezone.now(),
        )

    def _end(self, record: StepRecord, result: StepResult, message: str) -> None:
        record.finished_at = timezone.now()
        record.result = result
        record.message = message
        record.save(update_fields=["finished_at", "result", "message"])

    def _is_late(self) -> bool:
        deadline = self.operation.deadline_at
        return deadline is not None and timezone.now() > deadline

    def _check_deadline(self) -> None:
        if self._is_late():
            raise DeadlineExceeded("The operation took longer than it may.")

    def _log(self, failure: _Failure) -> None:
        facts = failure.as_json()
        known = isinstance(failure.error, CloudError)
        logger.log(
            logging.WARNING if known else logging.ERROR,
            "%s of %s: step %s failed: %s: %s (%s)",
            self.kind.name,
            self.operation.subject,
            failure.step,
            facts["type"],
            facts["message"],
            facts["detail"],
            exc_info=None if known else failure.error,
        )


def _goes_on_waiting(before: StepRecord, now: StepRecord) -> bool:
    return before.result == StepResult.WAIT and (before.step, before.direction) == (
        now.step,
        now.direction,
    )


def _is_retryable(error: Exception) -> bool:
    """What may go better next time; a database that went away is that, whatever it was asked."""
    if isinstance(error, CloudError):
        return error.retryable
    return isinstance(error, OperationalError | InterfaceError)


def _pause(attempt: int, limit_s: float) -> float:
    """Doubling from 0.5 s, with up to a quarter more so that many do not come back together."""
    pause = min(0.5 * 2 ** min(attempt - 1, 20), limit_s)
    return float(pause * (1 + random.random() / 4))  # noqa: S311 - spreads load, guards nothing
