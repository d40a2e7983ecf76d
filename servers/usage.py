"""What projects have used: the hours of their servers in a period, deleted ones among them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from cloudportal.errors import Invalid
from identity import policy
from identity.actors import Actor
from servers import rules as rules
from servers.models import Server

_HOUR_S = 3600
_COLUMNS = ("id", "name", "project_id", "flavor", "vm_state", "launched_at", "terminated_at")


@dataclass(frozen=True)
class Period:
    """From `start` to before `stop`."""

    start: datetime
    stop: datetime


@dataclass(frozen=True)
class ServerUsage:
    """One server's part in a period; sizes in MiB and GiB."""

    server_id: UUID
    name: str
    project_id: str
    flavor_name: str
    vcpus: int
    ram_mib: int
    disk_gib: int
    started_at: datetime
    ended_at: datetime | None
    state: str
    hours: float
    uptime_s: int


def usage_of_all(
    *, period: Period, actor: Actor, now: datetime, limit: int, marker: str | None = None
) -> list[ServerUsage]:
    """The usage of servers of all projects, by project and id; at most `limit` behind `marker`.

    Raises:
        Forbidden: the actor is no administrator.
        Invalid: no server has the marker's id.
    """
    policy.require(actor, "os_compute_api:os-simple-tenant-usage:list")
    return _page(Server.objects.all(), period, now, limit, marker)


def usage_of_project(
    *,
    project_id: str,
    period: Period,
    actor: Actor,
    now: datetime,
    limit: int,
    marker: str | None = None,
) -> list[ServerUsage]:
    """The usage of one project's servers, by id; at most `limit` behind `marker`.

    Raises:
        Forbidden: the actor may not read the project's usage.
        Invalid: no server of the project has the marker's id.
    """
    rule = "os_compute_api:os-simple-tenant-usage:show"
    policy.require(actor, rule, project_id=project_id)
    return _page(Server.objects.filter(project_id=project_id), period, now, limit, marker)


def _page(
    servers: QuerySet[Server], period: Period, now: datetime, limit: int, marker: str | None
) -> list[ServerUsage]:
    rows = servers.filter(launched_at__lt=period.stop).filter(
        Q(terminated_at=None) | Q(terminated_at__gt=period.start)
    )
    if marker:
        rows = rows.filter(_behind(servers, marker))
    return [
        _usage(server, server.launched_at, period, now)
        for server in rows.order_by("project_id", "id").only(*_COLUMNS)[:limit]
        if server.launched_at is not None
    ]


def _behind(servers: QuerySet[Server], marker: str) -> Q:
    try:
        last = servers.filter(pk=UUID(marker)).values_list("project_id", "id").first()
    except ValueError:
        last = None
    if last is None:
        raise Invalid(f"Marker {marker} could not be found.")
    return Q(project_id__gt=last[0]) | Q(project_id=last[0], id__gt=last[1])


def _usage(server: Server, started_at: datetime, period: Period, now: datetime) -> ServerUsage:
    flavor, ended_at = server.flavor, server.terminated_at
    until = min(period.stop, ended_at) if ended_at else period.stop
    hours = (until - max(started_at, period.start)).total_seconds() / _HOUR_S
    return ServerUsage(
        server_id=server.pk,
        name=server.name,
        project_id=server.project_id,
        flavor_name=flavor["name"],
        vcpus=flavor["vcpus"],
        ram_mib=flavor["ram_mib"],
        disk_gib=flavor["disk_gib"] + flavor["ephemeral_gib"],
        started_at=started_at,
        ended_at=ended_at,
        state="terminated" if ended_at else server.vm_state,
        hours=hours,
        uptime_s=int(((ended_at or now) - started_at).total_seconds()),
    )
