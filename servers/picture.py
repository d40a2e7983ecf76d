"""What a server's display shows, as a picture."""

from __future__ import annotations

from hypervisors import guests
from hypervisors.connections import hurried
from identity.actors import Actor
from servers.begin import require
from servers.errors import InvalidState
from servers.legal import LEGAL
from servers.models import Server


def take_picture(*, server: Server, actor: Actor) -> bytes:
    """A PNG of the display; asks the host, which is given up soon when it is silent.

    Raises:
        Forbidden: the actor may not open the server's consoles.
        InvalidState: the server is on no host.
        WrongGuestState: it does not run.
        HostUnreachable: the host does not answer.
    """
    require(actor, LEGAL["console"], server)
    if server.hypervisor is None:
        raise InvalidState(f"Instance {server.pk} is not ready")
    with hurried():
        return guests.screenshot(server.hypervisor, server.pk)
