"""Ask the hosts themselves whether the guests of a plan can go where it says.

What only they know: the CPU that a guest needs, and the room in a pool. A destination that refuses
is noted, and the plan worked out anew without it for that server.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from cloudportal.errors import CloudError
from hypervisors.errors import MoveRefused
from hypervisors.models import Hypervisor
from hypervisors.move import Move, check_move
from maintenance.forecast import forecast
from maintenance.models import Drain, DrainItem
from maintenance.states import DrainState, ItemState, Way
from servers.options import pool_of
from servers.states import VmState

# How many servers are asked about in one go, so that other plans have their turn as well.
CHECKED_AT_ONCE = 8
# A host that did not answer is asked again after this time.
ASK_AGAIN_S = 30.0


def check_plan(drain: Drain, now: datetime) -> bool:
    """Ask about some of the servers of a plan that is not started; False when none was left."""
    rows = drain.items.filter(
        Q(due_at=None) | Q(due_at__lte=now), state=ItemState.WAITING, way=Way.LIVE, is_checked=False
    ).exclude(destination="")
    items = list(rows.select_related("server")[:CHECKED_AT_ONCE])
    names = {item.destination for item in items}
    hosts = {host.name: host for host in Hypervisor.objects.filter(name__in=names)}
    is_refused = False
    for item in items:
        refusal = _ask(drain, item, hosts.get(item.destination), now)
        is_refused = is_refused or bool(refusal)
    if is_refused:
        with transaction.atomic():
            planned = Drain.objects.select_for_update().filter(state=DrainState.PLANNED)
            if planned.filter(pk=drain.pk).exists():
                forecast(drain, now)
    return bool(items)


def _ask(drain: Drain, item: DrainItem, host: Hypervisor | None, now: datetime) -> str:
    """Note what the two hosts say of the move; the refusal, or ""."""
    # Worked out anew meanwhile, it has other rows.
    rows = DrainItem.objects.filter(
        pk=item.pk, drain__state=DrainState.PLANNED, destination=item.destination
    )
    if host is None:
        rows.change(now, due_at=now + timedelta(seconds=ASK_AGAIN_S))
        return ""
    try:
        check_move(
            Move(
                server_id=item.server_id,
                source=drain.hypervisor,
                destination=host,
                pool=pool_of(item.server, host).name,
                is_paused=item.server.vm_state == VmState.PAUSED,
            )
        )
    except MoveRefused as error:
        rows.change(now, refused={**item.refused, item.destination: error.message})
        return error.message
    except CloudError:
        # It does not answer, or the guest has just gone off: nothing is known of the move.
        rows.change(now, due_at=now + timedelta(seconds=ASK_AGAIN_S))
        return ""
    rows.change(now, is_checked=True)
    return ""
