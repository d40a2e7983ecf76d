"""Lock a server against changes, and unlock it again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db import transaction

from identity import policy
from identity.actors import Actor
from servers import history
from servers.action_log import record_action
from servers.begin import require
from servers.errors import ServerNotFound
from servers.legal import LEGAL
from servers.models import LockedBy, Server

OVERRIDE = "os_compute_api:os-lock-server:unlock:unlock_override"


def lock_server(*, server: Server, reason: str | None, actor: Actor, now: datetime) -> None:
    """Keep all but administrators from changing the server.

    One that is locked already stays as it is, but for somebody of another project, who takes the
    lock over. Without a new reason an older one stays.

    Raises:
        Forbidden: the actor may not.
        ServerNotFound: it was deleted meanwhile.
    """
    require(actor, LEGAL["lock"], server)
    by = _side(actor, server)

    def change(current: Server) -> bool:
        if current.locked_by and by == LockedBy.OWNER:
            return False
        current.locked_by = by
        current.locked_reason = reason or current.locked_reason
        return True

    _change(server, "lock", change, actor=actor, now=now)


def unlock_server(*, server: Server, actor: Actor, now: datetime) -> None:
    """Take the lock away, with its reason.

    Raises:
        Forbidden: the actor may not: of a lock of the other side, only administrators.
        ServerNotFound: it was deleted meanwhile.
    """
    require(actor, LEGAL["unlock"], server)
    by = _side(actor, server)

    def change(current: Server) -> bool:
        if current.locked_by not in ("", by):
            project_id, user_id = server.project_id, server.user_id
            policy.require(actor, OVERRIDE, project_id=project_id, user_id=user_id)
        current.locked_by = current.locked_reason = ""
        return True

    _change(server, "unlock", change, actor=actor, now=now)


def _side(actor: Actor, server: Server) -> LockedBy:
    return LockedBy.OWNER if actor.project_id == server.project_id else LockedBy.ADMIN


def _change(
    server: Server, name: str, change: Callable[[Server], bool], *, actor: Actor, now: datetime
) -> None:
    """Change the lock under that of the row, and write down that it was."""
    with transaction.atomic():
        current = Server.objects.alive().select_for_update().filter(pk=server.pk).first()
        if current is None:
            raise ServerNotFound(f"Instance {server.pk} could not be found.")
        if not change(current):
            return
        current.updated_at = now
        current.save(update_fields=["locked_by", "locked_reason", "updated_at"])
        record_action([server.pk], name, actor=actor, now=now)
        history.end_event(
            server_id=server.pk, request_id=actor.request_id, event=f"api_{name}", now=now
        )
