"""What the time of an action on a server was spent on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Prefetch

from cloudportal.errors import NotFound
from operations.models import Operation, StepRecord
from operations.timeline import Span, spans
from servers.models import Server, ServerAction

RULE = "os_compute_api:os-instance-actions:show"


@dataclass(frozen=True)
class Timeline:
    """An action from the request to the end of its work, None while it is under way.

    `accounted` is the part of that time, 0 to 1, that lies in the spans.
    """

    action: ServerAction
    spans: tuple[Span, ...]
    finished_at: datetime | None
    duration_s: float
    accounted: float


def timeline_of(server: Server, request_id: str, *, now: datetime) -> Timeline:
    """The steps of all operations that the request led to on this server.

    Raises:
        NotFound: there was no such action, or it made no steps, or they are no longer kept.
    """
    action = ServerAction.objects.filter(server_id=server.pk, request_id=request_id).first()
    if action is None:
        raise NotFound(f"Action {request_id} not found")
    records = Prefetch("records", StepRecord.objects.order_by("pk"), to_attr="steps")
    operations = list(
        Operation.objects.filter(subject=server.pk, request_id=request_id)
        .order_by("created_at", "pk")
        .prefetch_related(records)
    )
    if not operations:
        raise NotFound(f"No steps of action {request_id} are kept.")
    ends = [operation.finished_at for operation in operations]
    finished_at = None if None in ends else max(end for end in ends if end is not None)
    found = tuple(span for each in operations for span in spans(each, each.steps))
    duration_s = ((finished_at or now) - action.started_at).total_seconds()
    spent_s = sum(span.duration_s(now) for span in found)
    return Timeline(
        action=action,
        spans=found,
        finished_at=finished_at,
        duration_s=duration_s,
        accounted=min(spent_s / duration_s, 1.0) if duration_s > 0 else 1.0,
    )
