"""The option `immutable` of domains, projects and roles: until it is off, nothing else changes."""

from __future__ import annotations

from typing import Any

from identity.changes import DomainFields, ProjectFields, RoleFields, given
from identity.errors import Immutable
from identity.models import Domain, Project, Role

IMMUTABLE = "immutable"
_Thing = Domain | Project | Role


def check_changeable(thing: _Thing, fields: DomainFields | ProjectFields | RoleFields) -> None:
    """Pass if the change is none of an immutable thing, or takes just the option away.

    Raises:
        Immutable: it is another.
    """
    if not is_immutable(thing):
        return
    changes = given(fields)
    options = changes.get("options", {})
    if changes.keys() != {"options"} or options.get(IMMUTABLE, True):
        raise Immutable(_kind(thing), thing.pk, "update")


def check_deletable(thing: _Thing) -> None:
    """Pass if it is not immutable.

    Raises:
        Immutable: it is.
    """
    if is_immutable(thing):
        raise Immutable(_kind(thing), thing.pk, "delete")


def is_immutable(thing: _Thing) -> bool:
    """Whether the option is on."""
    return bool(thing.options.get(IMMUTABLE))


def values_for(
    thing: _Thing | None, fields: DomainFields | ProjectFields | RoleFields
) -> dict[str, Any]:
    """What a create or a change sets; options join those of before, and one that is None goes."""
    values = given(fields)
    if "options" in values:
        options = {**(thing.options if thing else {}), **values["options"]}
        values["options"] = {key: value for key, value in options.items() if value is not None}
    return values


def _kind(thing: _Thing) -> str:
    return type(thing).__name__.lower()
