"""`/os-simple-tenant-usage`: what projects have used in a period."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from django.http import QueryDict
from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.microversions import Microversion, Versioned
from cloudportal.api.openapi import documented, listed
from cloudportal.api.paging import MAX_LIMIT, next_link, parse_limit
from cloudportal.api.query import ANY, NON_NEGATIVE_TEXT, QuerySchema
from cloudportal.api.representation import INTEGER, LINKS, STRING, array, nullable, record
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid
from servers.api.readings import precise_instant
from servers.usage import Period, ServerUsage, usage_of_all, usage_of_project

_PATH = "os-simple-tenant-usage"
_PERIOD = {"start": ANY, "end": ANY, "detailed": ANY}
_PAGED = {**_PERIOD, "limit": NON_NEGATIVE_TEXT, "marker": ANY}
QUERY = Versioned(
    {
        "2.1": QuerySchema(_PERIOD),
        "2.40": QuerySchema(_PAGED),
        "2.75": QuerySchema(_PAGED, closed=True),
    }
)
PAGED = Microversion(2, 40)
_FORMATS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f")

_NUMBER = {"type": "number"}
_SERVER = record(
    {
        **dict.fromkeys(("instance_id", "name", "tenant_id", "flavor", "started_at"), STRING),
        **dict.fromkeys(("vcpus", "memory_mb", "local_gb", "uptime"), INTEGER),
        "hours": _NUMBER,
        "ended_at": nullable(STRING),
        "state": STRING,
    }
)
_TOTALS = {
    **dict.fromkeys(("tenant_id", "start", "stop"), STRING),
    **dict.fromkeys(
        ("total_hours", "total_vcpus_usage", "total_memory_mb_usage", "total_local_gb_usage"),
        _NUMBER,
    ),
}
_SERVERS = {"server_usages": array(_SERVER)}
ITEM = record(_TOTALS, _SERVERS)
# A project without usage is an empty object.
SHOWN = record(
    {"tenant_usage": {"anyOf": [record({**_TOTALS, **_SERVERS}), record({})]}},
    {"tenant_usage_links": LINKS},
)


class UsageOfAll(ComputeView):
    """Every project with usage in the period."""

    @documented("List usage.", query=QUERY, responses={200: listed("tenant_usages", ITEM)})
    def get(self, request: WireRequest) -> Response:
        """The projects, with their servers when asked in detail."""
        now = timezone.now()
        period = _period(request.query, now)
        limit = parse_limit(request.query)
        found = usage_of_all(
            period=period,
            actor=request.actor,
            now=now,
            limit=limit,
            marker=request.query.get("marker"),
        )
        is_detailed = request.query.get("detailed") == "1"
        usages = [
            _shown(project_id, list(servers), period, detailed=is_detailed)
            for project_id, servers in groupby(found, lambda each: each.project_id)
        ]
        return Response(_with_next(self, request, {"tenant_usages": usages}, found, _PATH))


class UsageOfProject(ComputeView):
    """One project's usage in the period."""

    @documented("Show the usage of a project.", query=QUERY, responses={200: SHOWN})
    def get(self, request: WireRequest, tenant_id: str) -> Response:
        """The project with its servers; an empty object when there is no usage."""
        now = timezone.now()
        period = _period(request.query, now)
        found = usage_of_project(
            project_id=tenant_id,
            period=period,
            actor=request.actor,
            now=now,
            limit=parse_limit(request.query),
            marker=request.query.get("marker"),
        )
        usage = _shown(tenant_id, found, period, detailed=True) if found else {}
        body = {"tenant_usage": usage}
        return Response(_with_next(self, request, body, found, _PATH, tenant_id))


def _period(query: QueryDict, now: datetime) -> Period:
    start = _instant(query.get("start")) or now
    # Without an end, it is the moment after the one that the start was taken at.
    stop = _instant(query.get("end")) or now + timedelta(microseconds=1)
    if start >= stop:
        raise Invalid("Invalid start time. The start time cannot occur after the end time.")
    return Period(start, stop)


def _instant(text: str | None) -> datetime | None:
    if not text:
        return None
    for form in _FORMATS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise Invalid("Datetime is in invalid format")


def _shown(
    project_id: str, servers: Sequence[ServerUsage], period: Period, *, detailed: bool
) -> dict[str, Any]:
    usage: dict[str, Any] = {
        "tenant_id": project_id,
        "start": precise_instant(period.start),
        "stop": precise_instant(period.stop),
        "total_hours": sum(each.hours for each in servers),
        "total_vcpus_usage": sum(each.vcpus * each.hours for each in servers),
        "total_memory_mb_usage": sum(each.ram_mib * each.hours for each in servers),
        "total_local_gb_usage": sum(each.disk_gib * each.hours for each in servers),
    }
    if detailed:
        usage["server_usages"] = [_server(each) for each in servers]
    return usage


def _server(usage: ServerUsage) -> dict[str, Any]:
    return {
        "instance_id": str(usage.server_id),
        "name": usage.name,
        "tenant_id": usage.project_id,
        "flavor": usage.flavor_name,
        "vcpus": usage.vcpus,
        "memory_mb": usage.ram_mib,
        "local_gb": usage.disk_gib,
        "started_at": precise_instant(usage.started_at),
        "ended_at": precise_instant(usage.ended_at),
        "state": usage.state,
        "hours": usage.hours,
        "uptime": usage.uptime_s,
    }


def _with_next(
    view: ComputeView,
    request: WireRequest,
    body: dict[str, Any],
    found: Sequence[ServerUsage],
    *path: str,
) -> dict[str, Any]:
    limit = parse_limit(request.query, MAX_LIMIT)
    if request.microversion >= PAGED and found and len(found) == limit:
        [key] = body
        href = next_link(view.link(*path), request.query_params, str(found[-1].server_id))
        return {**body, f"{key}_links": [{"rel": "next", "href": href}]}
    return body
