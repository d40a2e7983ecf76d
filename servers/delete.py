"""Delete a server, whatever is being done to it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from identity.actors import Actor
from operations.enqueue import supersede
from servers.action_log import record_action
from servers.begin import check_legal, require
from servers.errors import ServerNotFound
from servers.legal import LEGAL
from servers.models import Server


def delete_server(*, server: Server, actor: Actor, now: datetime, is_forced: bool = False) -> None:
    """Let a server be deleted; a delete that is under way already is not a second one.

    Raises:
        ServerNotFound: it is deleted.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor may not.
    """
    name = "forceDelete" if is_forced else "delete"
    rule = LEGAL[name]
    require(actor, rule, server)
    with transaction.atomic():
        current = Server.objects.alive().select_for_update().filter(pk=server.pk).first()
        if current is None:
            raise ServerNotFound(f"Instance {server.pk} could not be found.")
        check_legal(current, name, actor)
        if current.task_state != rule.begins:
            Server.objects.change(server.pk, task_state=rule.begins, progress=0, updated_at=now)
            record_action([server.pk], rule.action, actor=actor, now=now)
        supersede(
            "server.delete", subject=server.pk, params={}, request_id=actor.request_id, now=now
        )
    server.task_state = rule.begins
