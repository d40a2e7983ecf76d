"""Give a server that is there another network interface, or take one from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from hypervisors.models import DEFAULT_ZONE
from identity.actors import Actor
from networks.errors import PortNotFound
from networks.interfaces import plan_interface, take_port
from networks.lookup import find
from networks.models import Port
from networks.server_ports import PortOwner, RequestedNetwork, ports_of
from networks.wiring import port_fact
from operations.models import UNFINISHED, Operation, OperationState
from operations.outcome import wait_for_end, wait_until_free
from servers.begin import begin_action, check_legal, require
from servers.errors import InterfaceAttachFailed
from servers.legal import LEGAL
from servers.models import Server

ATTACH, DETACH = "server.attach_interface", "server.detach_interface"
# Each of these waits for the one before: a client takes several interfaces away in one go.
KINDS = (ATTACH, DETACH)


@dataclass(frozen=True)
class Attachment:
    """A port that a server is being given, and the operation that does it."""

    port_id: UUID
    operation_id: UUID


def attach_interface(
    *, server: Server, wanted: RequestedNetwork, actor: Actor, now: datetime
) -> Attachment:
    """Bind a port to the server and have it plugged in; the port is its own from now on.

    Raises:
        InvalidState, AlreadyAtWork: the server's state does not allow it, or something is done to
            it.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor may not.
        CloudError: the network or port cannot be had (see `plan_interface` and `take_port`).
    """
    require(actor, LEGAL["attach_interface"], server)
    check_legal(server, "attach_interface", actor)
    planned = plan_interface(wanted, project_id=server.project_id)
    wait_until_free(server.pk, kinds=KINDS)
    owner = PortOwner(server.pk, server.project_id, server.availability_zone or DEFAULT_ZONE)
    with transaction.atomic():
        port = take_port(planned, owner=owner, now=now)
        begin_action(
            server, "attach_interface", kind=ATTACH, actor=actor, now=now, params=port_fact(port)
        )
        operation = Operation.objects.get(subject=server.pk, state__in=UNFINISHED)
    return Attachment(port.pk, operation.pk)


def finish_attachment(attachment: Attachment, *, server: Server) -> Port:
    """Wait until the interface is plugged in, and return its port.

    A host that takes longer than one can wait is left to it: the port is the server's already.

    Raises:
        InterfaceAttachFailed: it could not be plugged in, and was given back.
    """
    operation = wait_for_end(attachment.operation_id)
    port = find_port(server, str(attachment.port_id))
    failed = operation.state in (OperationState.FAILED, OperationState.CANCELLED)
    if failed or port is None:
        error = operation.error or {}
        raise InterfaceAttachFailed(
            f"Failed to attach network adapter device to {server.pk}",
            detail=f"{error.get('message', '')} {error.get('detail', '')}",
        )
    return port


def detach_interface(*, server: Server, port_id: str, actor: Actor, now: datetime) -> None:
    """Have the interface taken out of the server.

    Raises:
        PortNotFound: the server does not have it.
        InvalidState, AlreadyAtWork: the server's state does not allow it, or something is done to
            it.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor may not.
    """
    require(actor, LEGAL["detach_interface"], server)
    check_legal(server, "detach_interface", actor)
    wait_until_free(server.pk, kinds=KINDS)
    port = find_port(server, port_id)
    if port is None:
        raise PortNotFound(f"Port id {port_id} could not be found.")
    begin_action(
        server, "detach_interface", kind=DETACH, actor=actor, now=now, params=port_fact(port)
    )


def interfaces_of(server: Server) -> list[Port]:
    """The server's ports with their addresses, in order."""
    return list(ports_of(server.pk).prefetch_related("fixed_ips"))


def find_port(server: Server, port_id: str) -> Port | None:
    """The server's port of that id, with its addresses."""
    return find(ports_of(server.pk).prefetch_related("fixed_ips"), port_id)
