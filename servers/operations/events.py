"""The events of the action that an operation belongs to, as its steps begin and end them."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from operations.kinds import Context
from servers import history
from servers.models import ServerEvent


def begin_event(context: Context, event: str, host: str = "") -> None:
    """A part of the action begins."""
    history.begin_event(
        server_id=context.subject,
        request_id=context.request_id,
        event=event,
        host=host,
        now=timezone.now(),
    )


def end_event(context: Context, event: str, host: str = "", error: str = "") -> None:
    """A part of the action ended: well, unless an error is told."""
    history.end_event(
        server_id=context.subject,
        request_id=context.request_id,
        event=event,
        host=host,
        error=error,
        now=timezone.now(),
    )


def fail_events(context: Context, error: dict[str, Any]) -> None:
    """Whatever part of the action has no end yet, failed."""
    begun = ServerEvent.objects.filter(
        action__server_id=context.subject,
        action__request_id=context.request_id,
        finished_at=None,
    )
    for event, host in list(begun.values_list("event", "host")):
        end_event(context, event, host, str(error.get("message", "")) or "Error")
