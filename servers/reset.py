"""Set a server's state by hand, for administrators who know better."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from identity.actors import Actor
from servers.action_log import record_action
from servers.begin import require
from servers.errors import ServerNotFound
from servers.legal import LEGAL
from servers.models import Server
from servers.states import VmState


def reset_state(*, server: Server, state: VmState, actor: Actor, now: datetime) -> None:
    """Make this the server's state, with no task; nothing at its host changes.

    Raises:
        Forbidden: the actor may not.
        ServerNotFound: it was deleted meanwhile.
    """
    require(actor, LEGAL["resetState"], server)
    with transaction.atomic():
        if not Server.objects.change(server.pk, vm_state=state, task_state=None, updated_at=now):
            raise ServerNotFound(f"Instance {server.pk} could not be found.")
        record_action([server.pk], "resetState", actor=actor, now=now)
