"""What the books hold of themselves: rows that must agree with one another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from hypervisors.models import Hypervisor
from integrity.facts import CLOCK_MARGIN, SETTLED, Busy, busy_since
from networks.models import Port, PortStatus
from networks.server_ports import OWNER_PREFIX
from scheduling.models import Allocation
from servers.models import Server
from servers.moves import hosts_between


@dataclass(frozen=True)
class BooksFacts:
    """Servers that are not deleted, what they hold of hosts (keys), and ports that say otherwise.

    `ports` are those of servers: the server's id as text, the port's id, its host and status.
    """

    started_at: datetime
    servers: Mapping[UUID, Server]
    allocated: Mapping[UUID, Sequence[int]]
    ports: Sequence[tuple[str, UUID, str, str]]
    hosts: Mapping[int, str]
    busy: Busy
    # Hosts (keys) where servers have what they may go back to.
    between: Mapping[UUID, Collection[int]] = field(default_factory=dict)

    def at_rest(self, server: Server) -> bool:
        """Whether nobody is at it, or was a moment ago."""
        settled_at = self.started_at - CLOCK_MARGIN
        return server.pk not in self.busy.servers and server.updated_at < settled_at

    def settled(self) -> list[Server]:
        """Servers that are on a host and nobody is at."""
        return [
            server
            for server in self.servers.values()
            if server.vm_state in SETTLED
            and server.task_state is None
            and server.hypervisor_id is not None
            and self.at_rest(server)
        ]


def books_facts(*, started_at: datetime, besides: UUID | None = None) -> BooksFacts:
    """Read it in a constant number of queries; `besides` is an operation that is not counted.

    The order counts: what belongs to a server is read before the servers, and who is at work last,
    so that what came or went in between is never taken for a difference.
    """
    allocated: dict[UUID, list[int]] = defaultdict(list)
    for server_id, hypervisor_id in Allocation.objects.values_list("server_id", "hypervisor_id"):
        allocated[server_id].append(hypervisor_id)
    ports = list(
        Port.objects.filter(device_owner__startswith=OWNER_PREFIX)
        .exclude(device_id="")
        .values_list("device_id", "pk", "host", "status")
    )
    servers = Server.objects.alive().only(
        "name", "vm_state", "task_state", "hypervisor_id", "project_id", "updated_at",
        "launched_at", "request_spec",
    )  # fmt: skip
    return BooksFacts(
        started_at=started_at,
        servers={server.pk: server for server in servers},
        allocated=allocated,
        ports=ports,
        hosts=dict(Hypervisor.objects.values_list("pk", "name")),
        between=hosts_between(),
        busy=busy_since(started_at, besides=besides),
    )


def is_bound(status: str) -> bool:
    """Whether a port's status says that it carries traffic."""
    return status == PortStatus.ACTIVE
