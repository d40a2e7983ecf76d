"""The first page: what the project uses, and its newest servers."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from dashboard.page import MemberPage, is_partial
from dashboard.quota import bars_of
from dashboard.rows import rows_of
from servers.find import visible_servers
from servers.models import KeyPair

NEWEST = 6


class Overview(MemberPage):
    """Quota and the newest servers; the first steps while there are none."""

    section = "overview"

    def get(self, request: HttpRequest) -> HttpResponse:
        """The page, or its live part."""
        self.require("os_compute_api:servers:index")
        newest = visible_servers(self.actor).alive().order_by("-created_at", "-pk")[:NEWEST]
        rows = rows_of(list(newest), actor=self.actor)
        context = {
            "bars": bars_of(self.actor.project_id or ""),
            "rows": rows,
            "is_changing": any(row.is_changing for row in rows),
            "may_create": self.may("os_compute_api:servers:create"),
            "has_key_pair": bool(rows)
            or KeyPair.objects.filter(user_id=self.actor.user_id).exists(),
        }
        name = "_overview.html" if is_partial(request) else "overview.html"
        return self.render(f"dashboard/{name}", context)
