"""`/os-quota-sets/{id}/cloudportal:statement`: what a project used in a period."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api import paging
from cloudportal.api.openapi import documented, wrapped
from cloudportal.api.query import ANY, NON_NEGATIVE_TEXT, QuerySchema
from cloudportal.api.representation import INTEGER, LINKS, STRING, array, nullable, record
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid
from quotas.resources import COUNTED
from quotas.statements import Entry, Wish, read_statement

# Without a start, so much before the end.
PERIOD = timedelta(days=30)
# So that a period may be reckoned with at both ends.
FIRST_YEAR, LAST_YEAR = 1970, 9000
_TEXT = {"type": "string", "minLength": 1}
QUERY = QuerySchema(
    {
        **dict.fromkeys(("start", "end"), _TEXT),
        "user_id": ANY,
        "resource": {"enum": list(COUNTED)},
        "limit": NON_NEGATIVE_TEXT,
        "marker": _TEXT,
    },
    closed=True,
    single={"start", "end", "user_id", "resource", "limit", "marker"},
)
_NUMBER: dict[str, Any] = {"type": "number"}
ENTRY = record(
    {
        **dict.fromkeys(("resource", "user_id", "subject", "started_at"), STRING),
        "amount": INTEGER,
        "ended_at": nullable(STRING),
    }
)
STATEMENT = record(
    {
        **dict.fromkeys(("project_id", "start", "end"), STRING),
        "totals": array(record({"resource": STRING, "unit_hours": _NUMBER})),
        "entries": array(ENTRY),
    },
    {"entries_links": LINKS},
)


class StatementView(ComputeView):
    """What a project used."""

    @documented(
        "Show what a project used in a period.",
        query=QUERY,
        responses={200: wrapped("statement", STATEMENT)},
    )
    def get(self, request: WireRequest, target_id: str) -> Response:
        """Answer with the sums of the period, and a page of what they are made of."""
        now = timezone.now()
        query = request.query
        end = _instant("end", query.get("end")) or now
        start = _instant("start", query.get("start")) or end - PERIOD
        limit = paging.parse_limit(query)
        statement = read_statement(
            wish=Wish(
                target_id, start, end, query.get("user_id") or "", query.get("resource") or ""
            ),
            limit=limit,
            marker=query.get("marker") or "",
            actor=request.actor,
            now=now,
        )
        body: dict[str, Any] = {
            "project_id": target_id,
            "start": _text(start),
            "end": _text(end),
            "totals": [
                {"resource": name, "unit_hours": hours}
                for name, hours in statement.unit_hours.items()
            ],
            "entries": [_shown(each) for each in statement.entries],
        }
        if statement.entries and len(statement.entries) == limit:
            url = self.link("os-quota-sets", target_id, "cloudportal:statement")
            params = query.copy()
            # A period that ends now would be another one on the next page.
            params["start"], params["end"] = _text(start), _text(end)
            href = paging.next_link(url, params, statement.entries[-1].marker)
            body["entries_links"] = [{"rel": "next", "href": href}]
        return Response({"statement": body})


def _instant(name: str, text: str | None) -> datetime | None:
    """A date and time in ISO 8601, in UTC where no zone is named; a date is its first instant."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Invalid(f"{name} is not a date and time in ISO 8601: {text}") from None
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise Invalid(f"{name} is not of a year from {FIRST_YEAR} to {LAST_YEAR}: {text}")
    return found


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _shown(entry: Entry) -> dict[str, Any]:
    return {
        "resource": entry.resource,
        "user_id": entry.user_id,
        "subject": str(entry.subject),
        "amount": entry.amount,
        "started_at": _text(entry.started_at),
        "ended_at": None if entry.ended_at is None else _text(entry.ended_at),
    }
