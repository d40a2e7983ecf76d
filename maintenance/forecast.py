"""Work out a plan: which servers leave a host, how, whereto, and what is in their way.

Capacity is counted over the whole plan, the largest servers first; nothing is claimed. It is a
forecast: when a server's turn comes the scheduler is asked afresh.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from hypervisors.models import Hypervisor
from hypervisors.pools import block_pools
from maintenance.destination import Bookings, destinations, refusal
from maintenance.models import MAX_REASON, Drain, DrainItem
from maintenance.outlook import lock_words, outlook_of, volumes_of
from maintenance.states import ItemState, Way
from scheduling.models import Allocation
from servers.models import Server, ServerQuerySet


def servers_of(host: Hypervisor) -> ServerQuerySet:
    """The servers that are on a host, or hold a part of it."""
    held = Allocation.objects.filter(hypervisor=host).values("server_id")
    return Server.objects.alive().filter(Q(hypervisor=host) | Q(pk__in=held))


def forecast(drain: Drain, now: datetime) -> None:
    """Write the servers of a plan anew; what hosts said of moves that are thought of is kept."""
    host = drain.hypervisor
    servers = sorted(servers_of(host), key=_largest_first)
    volumes = volumes_of([server.pk for server in servers])
    before = {item.server_id: item for item in drain.items.all()}
    blocks = block_pools(host)
    booked = Bookings()
    items = []
    for position, server in enumerate(servers):
        outlook = outlook_of(
            server,
            host,
            moves_stopped=drain.moves_stopped,
            volumes=volumes.get(server.pk, ()),
            blocks=blocks,
        )
        item = DrainItem(
            drain=drain,
            server=server,
            position=position,
            way=outlook.way,
            state=outlook.state,
            reason=outlook.obstacle,
            updated_at=now,
        )
        known = before.get(server.pk)
        if known is not None:
            item.refused = known.refused
        if outlook.way != Way.NONE and not outlook.obstacle:
            _foresee(item, server, host, booked)
        if known is not None and known.destination == item.destination:
            item.is_checked = known.is_checked
        item.reason = item.reason[:MAX_REASON]
        items.append(item)
    drain.items.all().delete()
    DrainItem.objects.bulk_create(items)


def _foresee(item: DrainItem, server: Server, host: Hypervisor, booked: Bookings) -> None:
    """Say where it would go after all those before it."""
    spec, choice = destinations(server, host, Way(item.way), without=item.refused, booked=booked)
    if not choice.candidates:
        item.state = ItemState.BLOCKED
        item.reason = refusal(choice, item.refused)
        return
    best = choice.candidates[0]
    booked.add(server, spec, host.pk, best.hypervisor_id)
    left = choice.filters[-1]["left"] if choice.filters else choice.asked
    item.destination = best.host
    item.reason = (
        f"The best of {left} hosts that can have it, of {choice.asked} asked, with weight "
        f"{best.total:g}.{lock_words(server)}"
    )


def _largest_first(server: Server) -> tuple[int, int, datetime, str]:
    flavor = server.flavor
    return (-flavor["ram_mib"], -flavor["vcpus"], server.created_at, str(server.pk))
