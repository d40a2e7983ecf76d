"""A plan as it is shown: by the command, the API and the admin alike."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Count

from maintenance.models import Drain, DrainItem
from maintenance.states import ItemState


def counts_of(drain: Drain) -> dict[str, int]:
    """How many servers of the plan are how far; every state is there."""
    rows = drain.items.order_by().values_list("state").annotate(servers=Count("pk"))
    found = dict(rows)
    return {state.value: found.get(state.value, 0) for state in ItemState}


def summary_of(drain: Drain) -> str:
    """The counts in words, without the states that none is in."""
    found = counts_of(drain)
    said = [f"{count} {state}" for state, count in found.items() if count]
    return f"{sum(found.values())} servers: {', '.join(said)}" if said else "no servers"


def drain_shown(drain: Drain) -> dict[str, Any]:
    """The plan without its servers."""
    return {
        "id": drain.pk,
        "hypervisor_id": str(drain.hypervisor.uuid),
        "hypervisor_hostname": drain.hypervisor.hostname or drain.hypervisor.name,
        "host": drain.hypervisor.name,
        "state": drain.state,
        "max_at_once": drain.max_at_once,
        "moves_stopped": drain.moves_stopped,
        "user_id": drain.user_id or None,
        "note": drain.note,
        "servers": counts_of(drain),
        "log": drain.log,
        "planned_at": _instant(drain.planned_at),
        "started_at": _instant(drain.started_at),
        "ended_at": _instant(drain.ended_at),
    }


def item_shown(item: DrainItem) -> dict[str, Any]:
    """A server of a plan."""
    return {
        "id": str(item.server_id),
        "name": item.server.name,
        "project_id": item.server.project_id,
        "status": item.server.status,
        "way": item.way,
        "state": item.state,
        "destination": item.destination or None,
        "is_checked": item.is_checked,
        "reason": item.reason,
        "tries": item.tries,
        "migration_id": item.migration_id,
        "request_id": item.request_id or None,
        "updated_at": _instant(item.updated_at),
    }


def _instant(value: datetime | None) -> str | None:
    return None if value is None else f"{value:%Y-%m-%dT%H:%M:%SZ}"
