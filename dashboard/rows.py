"""What the list of servers shows, read in bulk, and the keys by which it is paged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from cloudportal.errors import Invalid
from dashboard.power import PowerButton, buttons_for
from dashboard.states import task_words
from identity.actors import Actor
from images.models import Image
from operations.models import UNFINISHED, StepRecord
from servers.models import Server, ServerQuerySet
from servers.states import VmState
from servers.surroundings import Address, Surroundings, surroundings_of

PAGE_SIZE = 50
MOST_ROWS = 500


@dataclass(frozen=True)
class ServerRow:
    """A server as the list and the overview show it."""

    server: Server
    image_name: str
    addresses: Sequence[Address]
    step: str
    fault: str
    host: str
    buttons: Sequence[PowerButton]

    @property
    def is_changing(self) -> bool:
        """Whether something is being done to it, so that a second look soon is worth it."""
        return is_changing(self.server)

    @property
    def task_note(self) -> str:
        """What is being done to it in words, unless the status says the same."""
        says_it = self.server.status in {"REBOOT", "HARD_REBOOT"}
        return "" if says_it else task_words(self.server.task_state)


@dataclass(frozen=True)
class Page:
    """Some rows; `more_after` is the key that the next page begins after, "" at the end."""

    rows: Sequence[ServerRow]
    more_after: str = ""

    @property
    def is_changing(self) -> bool:
        """Whether anything on it is."""
        return any(row.is_changing for row in self.rows)


def is_changing(server: Server) -> bool:
    """Whether something is being done to the server."""
    return server.task_state is not None or server.vm_state == VmState.BUILDING


def key_of(server: Server) -> str:
    """Where a server stands in the list, newest first; it outlives the server itself."""
    return f"{server.created_at.isoformat()}_{server.pk}"


def parse_key(key: str) -> tuple[datetime, UUID]:
    """Read a key back.

    Raises:
        Invalid: it is none.
    """
    moment, _, identifier = key.partition("_")
    try:
        found = datetime.fromisoformat(moment), UUID(identifier)
    except ValueError:
        raise Invalid("The page's address is wrong.", detail=key) from None
    if found[0].tzinfo is None:
        raise Invalid("The page's address is wrong.", detail=key)
    return found


def page_of(servers: ServerQuerySet, *, actor: Actor, after: str = "", upto: str = "") -> Page:
    """A page of servers, newest first: those after one key, and up to another if that is given.

    Raises:
        Invalid: a key is none.
    """
    size = MOST_ROWS if upto else PAGE_SIZE
    if after:
        moment, identifier = parse_key(after)
        servers = servers.filter(Q(created_at__lt=moment) | Q(created_at=moment, pk__lt=identifier))
    if upto:
        moment, identifier = parse_key(upto)
        servers = servers.filter(
            Q(created_at__gt=moment) | Q(created_at=moment, pk__gte=identifier)
        )
    found = list(servers.order_by("-created_at", "-pk")[: size + 1])
    shown = found[:size]
    has_more = len(found) > size
    return Page(rows_of(shown, actor=actor), key_of(shown[-1]) if has_more else "")


def rows_of(servers: Sequence[Server], *, actor: Actor) -> list[ServerRow]:
    """Read what the rows need, with a constant number of queries."""
    around = surroundings_of(servers)
    images = dict(
        Image.objects.filter(pk__in={server.image_id for server in servers if server.image_id})
        .order_by()
        .values_list("pk", "name")
    )
    steps = running_steps([server.pk for server in servers])
    return [
        ServerRow(
            server=server,
            image_name=(images.get(server.image_id) or "") if server.image_id else "",
            addresses=around.addresses.get(str(server.pk), []),
            step=steps.get(server.pk, ""),
            fault=_fault(server, around),
            host=_host_name(server, around),
            buttons=buttons_for(server, actor),
        )
        for server in servers
    ]


def _fault(server: Server, around: Surroundings) -> str:
    fault = around.faults.get(str(server.pk))
    return fault.message if fault else ""


def _host_name(server: Server, around: Surroundings) -> str:
    host = around.hosts.get(server.hypervisor_id) if server.hypervisor_id else None
    return host.name if host else ""


def running_steps(identifiers: Sequence[UUID]) -> dict[UUID, str]:
    """The name of the step that runs now, for those servers that have one."""
    records = (
        StepRecord.objects.filter(
            operation__subject__in=identifiers,
            operation__state__in=UNFINISHED,
            finished_at=None,
        )
        .order_by("pk")
        .values_list("operation__subject", "step")
    )
    return dict(records)
