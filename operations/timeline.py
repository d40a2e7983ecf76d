"""What an operation's time was spent on: its steps, and what it waited for between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from operations.models import Operation, StepRecord, StepResult


class SpanKind(StrEnum):
    """What happens in a span of time."""

    STEP = "step"
    UNDO = "undo"
    # For a worker.
    QUEUE = "queue"
    # Until the step may go on: other servers are being built, a volume is being copied, …
    WAIT = "wait"
    # Before the step is tried again.
    PAUSE = "pause"
    # The step's worker died; until another one took over.
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Span:
    """A part of an operation's time; without an end it is under way.

    `step` is the step that runs or that waits, "" of a queue.
    """

    kind: SpanKind
    operation: str
    step: str
    started_at: datetime
    finished_at: datetime | None
    result: str = ""
    message: str = ""

    def duration_s(self, now: datetime) -> float:
        """How long it took, or has taken until now."""
        return ((self.finished_at or now) - self.started_at).total_seconds()


def spans(operation: Operation, records: Iterable[StepRecord]) -> Iterator[Span]:
    """The operation's time from the request to its end, in order; records in theirs.

    What lies between two spans is the engine's own: it writes down what has been done.
    """
    before: StepRecord | None = None
    for record in records:
        if before is not None and before.finished_at is None:
            yield _of(operation, before, SpanKind.INTERRUPTED, record.started_at)
        elif record.ready_at is not None:
            yield from _until(operation, before, record, record.ready_at)
        if record.finished_at is not None:
            yield _of(operation, record, _kind(record), record.finished_at)
        before = record
    if before is not None and before.finished_at is None:
        yield _of(operation, before, _kind(before), operation.finished_at)
    elif operation.finished_at is None:
        yield from _since(operation, before)


def _until(
    operation: Operation, before: StepRecord | None, record: StepRecord, ready_at: datetime
) -> Iterator[Span]:
    """What was between two records of different workers."""
    left_at = (before.finished_at if before else None) or operation.created_at
    ready_at = min(max(ready_at, left_at), record.started_at)
    pause = _pause(before)
    if before is not None and pause is not None:
        yield Span(pause, operation.kind, before.step, left_at, ready_at)
    else:
        ready_at = left_at
    yield Span(SpanKind.QUEUE, operation.kind, "", ready_at, record.started_at)


def _since(operation: Operation, before: StepRecord | None) -> Iterator[Span]:
    """What an operation that is not over does now that no step runs."""
    left_at = (before.finished_at if before else None) or operation.created_at
    pause = _pause(before)
    if before is not None and pause is not None:
        yield Span(pause, operation.kind, before.step, left_at, None)
    elif not operation.lease_owner:
        yield Span(SpanKind.QUEUE, operation.kind, "", left_at, None)


def _pause(before: StepRecord | None) -> SpanKind | None:
    if before is None:
        return None
    return {StepResult.WAIT.value: SpanKind.WAIT, StepResult.RETRY.value: SpanKind.PAUSE}.get(
        before.result
    )


def _kind(record: StepRecord) -> SpanKind:
    if record.result == StepResult.WAIT:
        return SpanKind.WAIT
    return SpanKind.UNDO if record.direction == "undo" else SpanKind.STEP


def _of(
    operation: Operation, record: StepRecord, kind: SpanKind, finished_at: datetime | None
) -> Span:
    return Span(
        kind=kind,
        operation=operation.kind,
        step=record.step,
        started_at=record.started_at,
        finished_at=finished_at,
        result=record.result,
        message=record.message,
    )
