"""Pages of lists: a client that names no `limit` gets the whole list, since few follow links."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from django.conf import settings
from django.db.models import Model, QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.paging import SortKey, after, next_link, parse_limit
from cloudportal.errors import Invalid
from identity.api.forms import Json, listing

M = TypeVar("M", bound=Model)
# More than any database has rows of people.
_ALL = 10**9


def paged(
    request: Request,
    name: str,
    rows: QuerySet[M],
    form: Callable[[M], Json],
    order: Sequence[str] = ("name", "id"),
) -> Response:
    """The rows behind the `marker`, at most `limit`; the order must end in a unique column."""
    query = request.query_params
    limit = parse_limit(query, _ALL)
    keys = [SortKey(column) for column in order]
    found = after(rows, keys, _marked(rows, query.get("marker")), limit + 1 if limit else 0)
    forms = [form(row) for row in found[:limit]]
    last = str(found[limit - 1].pk) if len(found) > limit > 0 else None
    return Response(listing(name, forms, _address(request), _following(request, last)))


def paged_forms(
    request: Request,
    name: str,
    forms: Sequence[Json],
    key: Callable[[Json], str] = lambda each: str(each["id"]),
) -> Response:
    """The same of a list that is not in the database, or not in one table."""
    query = request.query_params
    limit = parse_limit(query, _ALL)
    keys = [key(each) for each in forms] if "marker" in query else []
    marker = query.get("marker")
    if marker is not None and marker not in keys:
        raise _unknown(marker)
    start = 0 if marker is None else keys.index(marker) + 1
    page = forms[start : start + limit]
    last = key(page[-1]) if page and start + limit < len(forms) else None
    return Response(listing(name, page, _address(request), _following(request, last)))


def _marked(rows: QuerySet[M], marker: str | None) -> M | None:
    if marker is None:
        return None
    found = rows.filter(pk=marker).first()
    if found is None:
        raise _unknown(marker)
    return found


def _unknown(marker: str) -> Invalid:
    return Invalid(f"The marker {marker} is not in this list.")


def _address(request: Request) -> str:
    return f"{settings.PUBLIC_URL}{request.get_full_path()}"


def _following(request: Request, last: str | None) -> str | None:
    if last is None:
        return None
    return next_link(f"{settings.PUBLIC_URL}{request.path}", request.query_params, last)
