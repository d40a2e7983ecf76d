"""`/os-instance_usage_audit_log`: the hosts' monthly audits of usage.

No host here runs that audit (usage is read from the servers' rows, see `usage.py`), so the answer
is that of a cloud whose audit task is off, as it is by default: every host has not run.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.openapi import documented, wrapped
from cloudportal.api.representation import INTEGER, STRING, array, record
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid
from hypervisors.models import Hypervisor
from identity import policy
from servers import rules as rules

_RULE = "os_compute_api:os-instance-usage-audit-log"
LOG = record(
    {
        **dict.fromkeys(("period_beginning", "period_ending", "overall_status"), STRING),
        **dict.fromkeys(
            ("num_hosts", "num_hosts_done", "num_hosts_running", "num_hosts_not_run"), INTEGER
        ),
        **dict.fromkeys(("total_instances", "total_errors"), INTEGER),
        "hosts_not_run": array(STRING),
        "log": record({}),
    }
)


class AuditLogs(ComputeView):
    """The audit of the last whole month."""

    @documented(
        "Show the last audit of usage.", responses={200: wrapped("instance_usage_audit_logs", LOG)}
    )
    def get(self, request: WireRequest) -> Response:
        """What each host did of it."""
        policy.require(request.actor, f"{_RULE}:list")
        return Response({"instance_usage_audit_logs": _log(timezone.now())})


class AuditLogBefore(ComputeView):
    """The audit of the last whole month before a moment."""

    @documented(
        "Show the last audit of usage before a moment.",
        responses={200: wrapped("instance_usage_audit_log", LOG)},
    )
    def get(self, request: WireRequest, before: str) -> Response:
        """What each host did of it."""
        policy.require(request.actor, f"{_RULE}:show")
        form = "%Y-%m-%d %H:%M:%S.%f" if "." in before else "%Y-%m-%d %H:%M:%S"
        try:
            moment = datetime.strptime(before, form).replace(tzinfo=UTC)
            return Response({"instance_usage_audit_log": _log(moment)})
        except (ValueError, OverflowError):
            raise Invalid(f"Invalid timestamp for date {before}") from None


def _log(before: datetime) -> dict[str, Any]:
    ending = before.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    beginning = (ending - timedelta(days=1)).replace(day=1)
    hosts = list(Hypervisor.objects.order_by("name").values_list("name", flat=True))
    done = f"0 of {len(hosts)}" if hosts else "ALL"
    return {
        "period_beginning": f"{beginning:%Y-%m-%d %H:%M:%S}",
        "period_ending": f"{ending:%Y-%m-%d %H:%M:%S}",
        "num_hosts": len(hosts),
        "num_hosts_done": 0,
        "num_hosts_running": 0,
        "num_hosts_not_run": len(hosts),
        "hosts_not_run": hosts,
        "total_instances": 0,
        "total_errors": 0,
        "overall_status": f"{done} hosts done. 0 errors.",
        "log": {},
    }
