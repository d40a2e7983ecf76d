"""What other services tell of servers, and what follows from it.

Networks and their ports are rows of this portal, read anew for every answer: what is told of them
is known already, and refreshes nothing. A change of power is made true.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from cloudportal.errors import Conflict
from identity import policy
from identity.actors import Actor, system_actor
from servers import history
from servers import rules as rules
from servers.models import Server
from servers.power import start_server, stop_server
from servers.states import VmState

logger = logging.getLogger(__name__)

POWER_UPDATE = "power-update"
POWER_EVENT = "compute_power_update"
POWER_ON, POWER_OFF = "POWER_ON", "POWER_OFF"
# Of these the tag says what it is about: a volume, the power wanted, an accelerator.
NEED_TAG = frozenset(
    {"volume-extended", POWER_UPDATE, "accelerator-request-bound", "volume-reimaged"}
)
DONE, WITHOUT_TAG, NO_SERVER, NO_HOST = 200, 400, 404, 422


@dataclass(frozen=True)
class ExternalEvent:
    """Something that happened to a server."""

    name: str
    server_id: UUID
    tag: str | None = None


def take_events(*, events: Sequence[ExternalEvent], actor: Actor, now: datetime) -> list[int]:
    """Take what is told of servers of any project; a code for each event, as on the wire.

    Raises:
        Forbidden: the actor is neither a service nor an administrator.
    """
    policy.require(actor, "os_compute_api:os-server-external-events:create")
    servers = (
        Server.objects.alive()
        .select_related("hypervisor")
        .in_bulk([event.server_id for event in events])
    )
    return [_take(event, servers, actor, now) for event in events]


def _take(event: ExternalEvent, servers: Mapping[UUID, Server], actor: Actor, now: datetime) -> int:
    if event.name in NEED_TAG and event.tag is None:
        return WITHOUT_TAG
    server = servers.get(event.server_id)
    if server is None:
        return NO_SERVER
    if server.hypervisor is None:
        return NO_HOST
    if event.name == POWER_UPDATE:
        if event.tag not in (POWER_ON, POWER_OFF):
            return WITHOUT_TAG
        _follow_power(server, event.tag, actor, now)
    logger.info("Event %s (%s) of server %s.", event.name, event.tag, server.pk)
    return DONE


def _follow_power(server: Server, tag: str, actor: Actor, now: datetime) -> None:
    """Start or stop the server, if it is in the other state; the services have no role for it."""
    change, before = (
        (start_server, VmState.STOPPED) if tag == POWER_ON else (stop_server, VmState.ACTIVE)
    )
    if server.vm_state != before:
        return
    portal = dataclasses.replace(
        system_actor(actor.request_id), user_id=actor.user_id, project_id=actor.project_id
    )
    try:
        change(server=server, actor=portal, now=now)
    except Conflict as error:
        logger.info("The power of server %s is left as it is: %s", server.pk, error)
        return
    history.end_event(
        server_id=server.pk,
        request_id=actor.request_id,
        event=POWER_EVENT,
        host=server.hypervisor.name if server.hypervisor else "",
        now=now,
    )
