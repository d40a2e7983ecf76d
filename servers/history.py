"""What became of a server's actions: events with their ends, and faults. Written by operations."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from servers.models import ServerAction, ServerEvent, ServerFault

SUCCESS = "Success"
ERROR = "Error"
MESSAGE_LIMIT = 255


def begin_event(
    *, server_id: UUID, request_id: str, event: str, now: datetime, host: str = ""
) -> None:
    """A part of the request's action begins; begun again, it starts anew."""
    action = _action(server_id, request_id)
    if action is None:
        return
    ServerEvent.objects.update_or_create(
        action=action,
        event=event,
        host=host,
        defaults={"started_at": now, "finished_at": None, "result": "", "details": ""},
    )


def end_event(
    *,
    server_id: UUID,
    request_id: str,
    event: str,
    now: datetime,
    host: str = "",
    error: str = "",
) -> None:
    """A part of the request's action is over, well or with an error."""
    action = _action(server_id, request_id)
    if action is None:
        return
    end = {"finished_at": now, "result": ERROR if error else SUCCESS, "details": error}
    ServerEvent.objects.update_or_create(
        action=action,
        event=event,
        host=host,
        defaults=end,
        create_defaults={"started_at": now, **end},
    )
    ServerAction.objects.filter(pk=action.pk).update(updated_at=now)


def mark_action_failed(*, server_id: UUID, request_id: str, now: datetime) -> None:
    """The whole action ended in an error."""
    ServerAction.objects.filter(server_id=server_id, request_id=request_id).update(
        message=ERROR, updated_at=now
    )


def explain_action(*, server_id: UUID, request_id: str, reason: str) -> None:
    """Why the portal itself does this to the server."""
    ServerAction.objects.filter(server_id=server_id, request_id=request_id).update(
        message=reason[:MESSAGE_LIMIT]
    )


def record_fault(
    *, server_id: UUID, message: str, now: datetime, code: int = 500, details: str = ""
) -> None:
    """Why something failed, in words for the tenant; `details` are for administrators."""
    ServerFault.objects.create(
        server_id=server_id,
        code=code,
        message=message[:MESSAGE_LIMIT],
        details=details,
        created_at=now,
    )


def _action(server_id: UUID, request_id: str) -> ServerAction | None:
    return (
        ServerAction.objects.filter(server_id=server_id, request_id=request_id)
        .order_by("-started_at")
        .first()
    )
