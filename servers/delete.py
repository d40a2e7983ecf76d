"""Delete a server, whatever is being done to it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from identity import policy
from identity.actors import Actor
from operations.enqueue import supersede
from servers.action_log import record_action
from servers.errors import ServerNotFound
from servers.models import Server
from servers.states import TaskState


def delete_server(*, server: Server, actor: Actor, now: datetime) -> None:
    """Let a server be deleted; a delete that is under way already is not a second one.

    Raises:
        ServerNotFound: it is deleted.
        Forbidden: the actor may not.
    """
    rule = "os_compute_api:servers:delete"
    policy.require(actor, rule, project_id=server.project_id, user_id=server.user_id)
    with transaction.atomic():
        alive = Server.objects.alive().filter(pk=server.pk)
        is_first = bool(
            alive.exclude(task_state=TaskState.DELETING).update(
                task_state=TaskState.DELETING, progress=0, updated_at=now
            )
        )
        if not is_first and not alive.exists():
            raise ServerNotFound(f"Instance {server.pk} could not be found.")
        if is_first:
            record_action([server.pk], "delete", actor=actor, now=now)
        supersede(
            "server.delete", subject=server.pk, params={}, request_id=actor.request_id, now=now
        )
    server.task_state = TaskState.DELETING
