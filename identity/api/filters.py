"""The query strings of lists: exact matches, which is what clients' searches by name rely on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from django.db.models import Model, QuerySet
from django.http import QueryDict

from identity.models import Project

M = TypeVar("M", bound=Model)
_FALSE = {"0", "false", "f", "no", "n", "off"}


def narrowed(queryset: QuerySet[M], query: QueryDict, columns: Mapping[str, str]) -> QuerySet[M]:
    """Only the rows that match the query's values of the named columns; other keys are ignored."""
    for key, column in columns.items():
        value = query.get(key)
        if value is None:
            continue
        queryset = queryset.filter(**{column: value})
    return queryset


def flag(query: QueryDict, key: str) -> bool | None:
    """A boolean of the query; None when it is absent."""
    return str(query[key]).strip().lower() not in _FALSE if key in query else None


def present(query: QueryDict, key: str) -> bool:
    """A flag that is set by being there, unless it says 0."""
    return key in query and str(query[key]).strip() != "0"


def wanted_projects(projects: QuerySet[Project], query: QueryDict) -> QuerySet[Project]:
    """The projects that the query of a list asks for."""
    columns = {"name": "name", "domain_id": "domain_id", "parent_id": "domain_id"}
    projects = narrowed(projects, query, columns)
    enabled = flag(query, "enabled")
    if enabled is not None:
        projects = projects.filter(enabled=enabled)
    if flag(query, "is_domain"):
        return projects.none()
    return _tagged(projects, query)


def _tagged(projects: QuerySet[Project], query: QueryDict) -> QuerySet[Project]:
    """Narrowed by tags, which are few and read with the ids: JSON lists differ by database."""
    every, some, not_every, none = (
        {tag for tag in query.get(key, "").split(",") if tag}
        for key in ("tags", "tags-any", "not-tags", "not-tags-any")
    )
    if not (every or some or not_every or none):
        return projects
    found = [
        pk
        for pk, tags in projects.order_by().values_list("pk", "tags")
        if every.issubset(tags)
        and not (some and some.isdisjoint(tags))
        and not (not_every and not_every.issubset(tags))
        and none.isdisjoint(tags)
    ]
    return projects.filter(pk__any_of=found)
