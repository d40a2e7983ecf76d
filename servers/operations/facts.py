"""What the steps of an operation look up: the server, its host, and the names of its parts."""

from __future__ import annotations

from hypervisors.errors import GuestNotFound
from hypervisors.models import Hypervisor
from operations.kinds import Context
from servers.errors import ServerNotFound
from servers.models import Server

# The step of a build that chose the host; later steps read where they are from its output.
PLACE = "place"


def server_of(context: Context) -> Server:
    """The operation's server, with its host.

    Raises:
        ServerNotFound: there is no such row any more.
    """
    server = Server.objects.select_related("hypervisor").filter(pk=context.subject).first()
    if server is None:
        raise ServerNotFound(f"Instance {context.subject} could not be found.")
    return server


def host_of(server: Server) -> Hypervisor:
    """The server's host.

    Raises:
        GuestNotFound: it is on none.
    """
    if server.hypervisor is None:
        raise GuestNotFound("The server is on no host.")
    return server.hypervisor


def chosen_host(context: Context) -> Hypervisor | None:
    """The host that this round of a build chose; None when it had not come to that."""
    placed = context.outputs.get(PLACE)
    if not placed:
        return None
    return Hypervisor.objects.filter(pk=placed["hypervisor"]).first()
