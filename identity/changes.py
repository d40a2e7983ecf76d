"""What a create or an update may say about each thing; what is None or absent stays as it is."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class DomainFields:
    """A domain's fields."""

    name: str | None = None
    description: str | None = None
    enabled: bool | None = None
    tags: list[str] | None = None
    options: dict[str, Any] | None = None


@dataclass(frozen=True)
class ProjectFields:
    """A project's fields."""

    name: str | None = None
    domain_id: str | None = None
    description: str | None = None
    enabled: bool | None = None
    tags: list[str] | None = None
    options: dict[str, Any] | None = None


@dataclass(frozen=True)
class UserFields:
    """A user's fields; `default_project_id` and `email` may be "" for none."""

    name: str | None = None
    domain_id: str | None = None
    description: str | None = None
    email: str | None = None
    enabled: bool | None = None
    default_project_id: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class RoleFields:
    """A role's fields."""

    name: str | None = None
    domain_id: str | None = None
    description: str | None = None
    options: dict[str, Any] | None = None


@dataclass(frozen=True)
class GroupFields:
    """A group's fields."""

    name: str | None = None
    domain_id: str | None = None
    description: str | None = None


def given(
    changes: DomainFields | ProjectFields | UserFields | RoleFields | GroupFields,
) -> dict[str, Any]:
    """The fields that say something."""
    pairs = ((entry.name, getattr(changes, entry.name)) for entry in fields(changes))
    return {name: value for name, value in pairs if value is not None}
