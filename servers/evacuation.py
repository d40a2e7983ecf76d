"""Build a server anew on another host, since its own is down for good."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from hypervisors.errors import HypervisorNotFound
from hypervisors.models import HostState, Hypervisor
from identity.actors import Actor
from operations.models import UNFINISHED, Operation
from servers import history
from servers.attached_volumes import refuse_if_attached
from servers.begin import begin_action, check_legal, require
from servers.errors import HostInUse, InvalidServerRequest, InvalidState
from servers.legal import LEGAL
from servers.live_migration import end_moves
from servers.models import Server
from servers.moves import new_departure
from servers.secrets import new_password, seal
from servers.states import MigrationStatus, MigrationType, VmState

ACTION = "evacuate"
KIND = "server.evacuate"


@dataclass(frozen=True)
class Evacuation:
    """How a server is to be evacuated.

    `host` "" lets the scheduler choose; a forced one is not asked whether it fits. Without a
    password the guest gets a new one. `ends_stopped`: whoever wants it starts it. `reason` is for
    the server's history, where the portal itself evacuates it.
    """

    host: str = ""
    is_forced: bool = False
    admin_password: str | None = field(default=None, repr=False)
    ends_stopped: bool = False
    reason: str = ""


def evacuate_server(*, server: Server, wanted: Evacuation, actor: Actor, now: datetime) -> str:
    """Build a server anew, from its image and with its addresses, on another host.

    What is on the host that is down is given up: it is taken off when that host is back. Returns
    the password of the new guest.

    Raises:
        HypervisorNotFound: there is no such host.
        InvalidServerRequest: the host is the present one.
        InvalidState: the server's state does not allow it.
        VolumesAttached: it has volumes, which nobody can have elsewhere.
        HostInUse: the server's host is not known to be down.
        Forbidden: the actor may not.
    """
    require(actor, LEGAL[ACTION], server)
    if wanted.host and not Hypervisor.objects.filter(name=wanted.host).exists():
        raise HypervisorNotFound(f"Compute host {wanted.host} not found.")
    source = server.hypervisor
    if source is None:
        raise InvalidState(f"Instance {server.pk} is not ready")
    if wanted.host == source.name:
        raise InvalidServerRequest("The target host can't be the same one.")
    check_legal(server, ACTION, actor)
    check_is_down(source)
    password = new_password() if wanted.admin_password is None else wanted.admin_password
    with transaction.atomic():
        # Who comes second waits here, and finds the first one at work.
        Server.objects.select_for_update().get(pk=server.pk)
        # They are on the host that is down, and on it alone.
        refuse_if_attached(server)
        if Operation.objects.filter(subject=server.pk, kind=KIND, state__in=UNFINISHED).exists():
            return password
        end_moves(server.pk, now=now)
        migration = new_departure(
            server,
            MigrationType.EVACUATION,
            status=MigrationStatus.ACCEPTED,
            to=wanted.host,
            actor=actor,
            now=now,
        )
        begin_action(
            server,
            ACTION,
            kind=KIND,
            actor=actor,
            now=now,
            params={
                "migration": migration.pk,
                "host": wanted.host,
                "is_forced": wanted.is_forced,
                "ends_stopped": wanted.ends_stopped or server.vm_state == VmState.STOPPED,
            },
        )
        Server.objects.change(server.pk, sealed_admin_password=seal(password), updated_at=now)
        if wanted.reason:
            history.explain_action(
                server_id=server.pk, request_id=actor.request_id, reason=wanted.reason
            )
    return password


def check_is_down(host: Hypervisor) -> None:
    """See that nothing runs on a host, as far as can be told from here.

    Raises:
        HostInUse: it answers, or was never looked at.
    """
    if host.state != HostState.DOWN and not host.is_forced_down:
        raise HostInUse(f"Compute service of {host.name} is still in use.")
