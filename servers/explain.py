"""Why a server was put where it is."""

from __future__ import annotations

from cloudportal.errors import NotFound
from identity import policy
from identity.actors import Actor
from scheduling.models import Decision
from servers.models import Server


def newest_decision(*, server: Server, actor: Actor) -> Decision:
    """The last time the scheduler chose, or failed to choose, a host for the server.

    Raises:
        NotFound: no choice has been made yet.
        Forbidden: the actor may not.
    """
    policy.require(actor, "cloudportal:servers:explanation")
    decision = Decision.objects.filter(server_id=server.pk).first()
    if decision is None:
        raise NotFound(f"No host has been chosen for instance {server.pk} yet.")
    return decision
