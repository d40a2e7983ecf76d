"""Does what is held of each host belong to a server there, and do the counters agree?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from uuid import UUID

from django.db.models import F, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce

from hypervisors.models import BuildSlot, Hypervisor
from integrity.books import BooksFacts
from integrity.found import Found
from integrity.states import FindingKind, Scope
from operations.models import UNFINISHED, Operation
from scheduling.models import Allocation
from servers.models import Server

COUNTED = ("vcpus", "ram_mib", "disk_gib")


def check(facts: BooksFacts) -> Iterator[Found]:
    """Leaked and missing allocations, counters that differ, leaked build slots."""
    for server_id, hosts in facts.allocated.items():
        if server_id not in facts.busy.servers:
            yield from _held(facts, server_id, hosts)
    for server in facts.settled():
        if not facts.allocated.get(server.pk):
            yield _missing(facts, server)
    yield from _counters()
    yield from _slots()


def _held(facts: BooksFacts, server_id: UUID, hosts: Sequence[int]) -> Iterator[Found]:
    server = facts.servers.get(server_id)
    if server is not None and not facts.at_rest(server):
        return
    if server is not None and server.hypervisor_id and server.hypervisor_id not in hosts:
        yield _elsewhere(facts, server, hosts[0])
        return
    own = server.hypervisor_id if server else None
    for host in hosts:
        if host != own and host not in facts.between.get(server_id, ()):
            yield _leaked(facts, server_id, host, _whose(facts, server))


def _whose(facts: BooksFacts, server: Server | None) -> str:
    if server is None:
        return "a server that is gone"
    where = facts.hosts.get(server.hypervisor_id or 0, "no host")
    return f"server {server.name}, which is on {where}"


def _leaked(facts: BooksFacts, server_id: UUID, host: int, whose: str) -> Found:
    return Found(
        kind=FindingKind.ALLOCATION_LEAKED,
        about=str(server_id),
        subject=str(server_id),
        summary=f"Resources of {facts.hosts.get(host)} are held by {whose}.",
        repair="The resources are given back.",
        action="allocation.release",
        args={"server": str(server_id)},
        server_id=server_id,
        hypervisor_id=host,
        scope=Scope.BOOKS,
    )


def _missing(facts: BooksFacts, server: Server) -> Found:
    return Found(
        kind=FindingKind.ALLOCATION_MISSING,
        about=str(server.pk),
        subject=server.name,
        summary=f"Server {server.name} holds nothing of its host "
        f"{facts.hosts.get(server.hypervisor_id or 0)}.",
        repair="Its resources are counted again, even above the host's limits: it is there.",
        action="allocation.make",
        server_id=server.pk,
        hypervisor_id=server.hypervisor_id,
        scope=Scope.BOOKS,
    )


def _elsewhere(facts: BooksFacts, server: Server, held_on: int) -> Found:
    said = facts.hosts.get(server.hypervisor_id or 0)
    return Found(
        kind=FindingKind.SERVER_HOST_DIFFERS,
        about=str(server.pk),
        subject=server.name,
        summary=f"Server {server.name} is said to be on {said}, and holds resources of "
        f"{facts.hosts.get(held_on)}.",
        repair="Both hosts are asked which has its domain; the other entry follows.",
        action="server.settle_host",
        args={"held_on": held_on},
        server_id=server.pk,
        hypervisor_id=server.hypervisor_id,
        scope=Scope.BOOKS,
    )


def _counters() -> Iterator[Found]:
    # One statement, so that sum and counter are of one moment.
    sums = {
        f"{name}_held": Coalesce(
            Subquery(
                Allocation.objects.filter(hypervisor=OuterRef("pk"))
                .order_by()
                .values("hypervisor")
                .annotate(held=Sum(name))
                .values("held")
            ),
            0,
        )
        for name in COUNTED
    }
    differs = Q()
    for name in COUNTED:
        differs |= ~Q(**{f"{name}_used": F(f"{name}_held")})
    for host in Hypervisor.objects.annotate(**sums).filter(differs):
        held = {name: getattr(host, f"{name}_held") for name in COUNTED}
        used = {name: getattr(host, f"{name}_used") for name in COUNTED}
        said = ", ".join(
            f"{name} {used[name]} instead of {held[name]}"
            for name in COUNTED
            if used[name] != held[name]
        )
        yield Found(
            kind=FindingKind.COUNTERS_DIFFER,
            about="counters",
            subject=host.name,
            summary=f"The counters of {host.name} say {said}.",
            repair="The counters become the sum of the host's allocations.",
            action="counters.recount",
            hypervisor_id=host.pk,
            scope=Scope.BOOKS,
        )


def _slots() -> Iterator[Found]:
    unfinished = Operation.objects.filter(state__in=UNFINISHED).values("id")
    slots = BuildSlot.objects.exclude(operation__in=unfinished).select_related("hypervisor")
    for slot in slots:
        yield Found(
            kind=FindingKind.SLOT_LEAKED,
            about=str(slot.operation),
            subject=slot.hypervisor.name,
            summary=f"A build slot of {slot.hypervisor.name} is taken by an operation that ended.",
            repair="The slot is freed.",
            action="slot.free",
            args={"operation": str(slot.operation)},
            hypervisor_id=slot.hypervisor_id,
            scope=Scope.BOOKS,
            # The next build there frees it by itself.
            is_doubtful=True,
        )
