"""What operations share that take a server from one host to another."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from hypervisors.models import HostState, Hypervisor
from networks import wiring
from operations.errors import Wait
from operations.kinds import Context
from scheduling.errors import NoValidHost
from servers.destination import hosts_owing
from servers.models import Migration, Server
from servers.operations.cleanup import enqueue_cleanup
from servers.operations.facts import PLACE, chosen_host

# How long a host that still has something of the server is waited for.
OWING_S = 60.0
_ASK_AGAIN_S = 0.5


def migration_of(context: Context) -> Migration:
    """The record of the move."""
    return Migration.objects.get(pk=context.params["migration"])


def note_migration(context: Context, **fields: object) -> None:
    """Write to the record of the move."""
    Migration.objects.filter(pk=context.params["migration"]).update(
        updated_at=timezone.now(), **fields
    )


def note_destination(context: Context, host: Hypervisor) -> None:
    """Write down where the server is to go."""
    note_migration(
        context,
        destination=host,
        destination_name=host.name,
        destination_node=host.hostname,
        destination_address=host.host_ip,
    )


def destination_of(context: Context) -> Hypervisor:
    """The host that was chosen.

    Raises:
        NoValidHost: it has been removed.
    """
    host = chosen_host(context)
    if host is None:
        raise NoValidHost("The host chosen for this server has been removed.")
    return host


def is_there(context: Context) -> bool:
    """Whether the row says that the server has come to its destination."""
    placed = context.outputs.get(PLACE)
    if not placed:
        return False
    return Server.objects.filter(pk=context.subject, hypervisor=placed["hypervisor"]).exists()


def owe(context: Context, host: Hypervisor) -> None:
    """Book what the server has on a host to be taken off it, with its claim; once is enough."""
    enqueue_cleanup(
        server_id=context.subject,
        hypervisor=host,
        ports=wiring.port_facts(context.subject),
        request_id=context.request_id,
    )


def names_to_avoid(context: Context, *, since: datetime) -> list[str]:
    """The hosts that failed in earlier rounds, or are not rid of an earlier stay of the server.

    Raises:
        Wait: one of the latter answers, so it is done in a moment.
    """
    tried = [each["host"] for each in context.rounds if each.get("host")]
    owing = [host for host in hosts_owing(context.subject) if host.name not in tried]
    is_patient = timezone.now() < since + timedelta(seconds=OWING_S)
    if is_patient and any(_answers(host) for host in owing):
        raise Wait("A host is still being rid of the server's earlier stay.", seconds=_ASK_AGAIN_S)
    return [*tried, *(host.name for host in owing)]


def _answers(host: Hypervisor) -> bool:
    return host.state == HostState.UP and not host.is_forced_down
