"""Write down who asked for what: an action a request, keyed by the request's id."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime

from identity.actors import Actor
from servers.models import ServerAction


def record_action(
    server_ids: Iterable[uuid.UUID], action: str, *, actor: Actor, now: datetime
) -> None:
    """Note the action for each server, once for a request."""
    # Work that no request asked for gets an id of its own, so that two of it stay apart.
    request_id = actor.request_id or f"req-{uuid.uuid4()}"
    ServerAction.objects.bulk_create(
        [
            ServerAction(
                server_id=server_id,
                action=action,
                request_id=request_id,
                user_id=actor.user_id,
                project_id=actor.project_id or "",
                started_at=now,
                updated_at=now,
            )
            for server_id in server_ids
        ],
        ignore_conflicts=True,
    )
