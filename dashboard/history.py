"""What was done to a server, when and by whom: actions, their events, and the steps of the work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from identity.models import User
from operations.kinds import kind_named
from operations.models import UNFINISHED, Operation, OperationState, StepRecord
from servers.models import Server, ServerAction, ServerEvent, ServerFault

MOST_ACTIONS = 50


@dataclass(frozen=True)
class StepLine:
    """A step of an operation; `started_at` None means it has not begun."""

    name: str
    is_undo: bool
    state: str
    started_at: datetime | None
    took: timedelta | None
    message: str

    @property
    def is_running(self) -> bool:
        """Whether it goes on now."""
        return self.state == "running"


@dataclass(frozen=True)
class Work:
    """An operation with its steps: those that ran, then those still to come."""

    operation: Operation
    steps: Sequence[StepLine]

    @property
    def is_unfinished(self) -> bool:
        """Whether it goes on."""
        return self.operation.state in UNFINISHED

    @property
    def took(self) -> timedelta | None:
        """From the request to the end; None while it goes on."""
        finished_at = self.operation.finished_at
        return finished_at - self.operation.created_at if finished_at else None


@dataclass(frozen=True)
class ActionLine:
    """A request that changed the server."""

    action: ServerAction
    user_name: str
    events: Sequence[ServerEvent]
    work: Work | None


def current_work(server: Server) -> Work | None:
    """The operation that goes on, if any."""
    operation = Operation.objects.filter(subject=server.pk, state__in=UNFINISHED).first()
    return next(iter(_with_steps([operation])), None) if operation else None


def request_behind(fault: ServerFault) -> str:
    """The id of the request that led to a fault, to look for in the log; "" if none is known."""
    actions = ServerAction.objects.filter(
        server_id=fault.server_id, started_at__lte=fault.created_at
    )
    return actions.values_list("request_id", flat=True).first() or ""


def history_of(server: Server) -> list[ActionLine]:
    """The newest actions first, with a constant number of queries."""
    actions = list(ServerAction.objects.filter(server_id=server.pk)[:MOST_ACTIONS])
    events: dict[int, list[ServerEvent]] = defaultdict(list)
    for event in ServerEvent.objects.filter(action__in=actions):
        events[event.action_id].append(event)
    operations = Operation.objects.filter(
        subject=server.pk, request_id__in={action.request_id for action in actions}
    )
    # What a request began first is its own work, and what follows that is the work's.
    works = {
        work.operation.request_id: work
        for work in _with_steps(operations.order_by("-created_at", "-id"))
    }
    names = dict(
        User.objects.filter(pk__in={action.user_id for action in actions})
        .order_by()
        .values_list("pk", "name")
    )
    return [
        ActionLine(
            action=action,
            user_name=names.get(action.user_id, ""),
            events=events[action.pk],
            work=works.get(action.request_id),
        )
        for action in actions
    ]


def _with_steps(operations: Iterable[Operation]) -> list[Work]:
    found = list(operations)
    records: dict[UUID, list[StepRecord]] = defaultdict(list)
    for record in StepRecord.objects.filter(operation__in=found):
        records[record.operation_id].append(record)
    return [Work(operation, _lines(operation, records[operation.pk])) for operation in found]


def _lines(operation: Operation, records: Sequence[StepRecord]) -> list[StepLine]:
    lines = [_line(record) for record in records]
    if operation.state in {OperationState.PENDING, OperationState.RUNNING}:
        lines += _to_come(operation, records)
    return lines


def _line(record: StepRecord) -> StepLine:
    return StepLine(
        name=record.step,
        is_undo=record.direction == "undo",
        state=record.result or "running",
        started_at=record.started_at,
        took=record.finished_at - record.started_at if record.finished_at else None,
        message=record.message,
    )


def _to_come(operation: Operation, records: Sequence[StepRecord]) -> list[StepLine]:
    try:
        steps = kind_named(operation.kind).steps
    except KeyError:
        return []
    is_running = bool(records) and records[-1].finished_at is None
    left = steps[operation.cursor + (1 if is_running else 0) :]
    return [StepLine(step.name, False, "waiting", None, None, "") for step in left]
