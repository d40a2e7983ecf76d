"""Plans, and what projects own, as they are shown: by the command, the API and the admin alike."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Count

from maintenance.belongings import Some
from maintenance.models import Drain, DrainItem
from maintenance.remove_project import Contents, Removal
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


def contents_shown(contents: Contents, address: str) -> dict[str, Any]:
    """What a project owns; `address` is where that is asked for."""
    project = contents.project
    return {
        "project": {
            "id": project.id,
            "name": project.name,
            "domain_id": project.domain_id,
            "enabled": project.enabled,
        },
        "owned": [
            {**_some_shown(each), "links": {"self": f"{address}/{each.kind}"}}
            for each in contents.owned
        ],
        "in_the_way": [{**_some_shown(each), "reason": each.reason} for each in contents.obstacles],
        "is_removable": not contents.obstacles,
        "removal": contents.removal and removal_shown(contents.removal),
        "links": {"self": address},
    }


def removal_shown(removal: Removal) -> dict[str, Any]:
    """How far the removal of a project is."""
    operation = removal.operation
    return {
        "id": str(operation.pk),
        "state": operation.state,
        "note": removal.note,
        "request_id": operation.request_id or None,
        "started_at": _instant(operation.created_at),
        "finished_at": _instant(operation.finished_at),
    }


def thing_shown(thing: tuple[str, str]) -> dict[str, Any]:
    """One thing that a project owns, from its id and what says more."""
    return {"id": thing[0], "name": thing[1] or None}


def _some_shown(some: Some) -> dict[str, Any]:
    first = [thing_shown(each) for each in some.first]
    return {"kind": some.kind, "count": some.count, "first": first}


def _instant(value: datetime | None) -> str | None:
    return None if value is None else f"{value:%Y-%m-%dT%H:%M:%SZ}"
