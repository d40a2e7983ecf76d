"""Who may do what: every rule of every API, as one table of names and marks.

Marks: ANY an authenticated caller; READER, MEMBER, MANAGER that role in the owning project, or
admin; ADMIN the role admin in any project; SERVICE that role, or admin; OWNER the user it belongs
to, or admin. Each room registers its own rules with `declare`; an unknown rule is a programming
error, never a permission.
"""

from __future__ import annotations

from enum import Enum

from cloudportal.errors import Forbidden
from identity.actors import Actor


class Mark(Enum):
    """Who may call."""

    ANY = "any"
    READER = "reader"
    MEMBER = "member"
    MANAGER = "manager"
    ADMIN = "admin"
    SERVICE = "service"
    OWNER = "owner"


_rules: dict[str, Mark] = {}
_PROJECT_ROLES = {Mark.READER: "reader", Mark.MEMBER: "member", Mark.MANAGER: "manager"}


def declare(rules: dict[str, Mark]) -> None:
    """Add rules; a name is declared once.

    Raises:
        ValueError: a name is taken with another mark.
    """
    for name, mark in rules.items():
        if _rules.setdefault(name, mark) is not mark:
            raise ValueError(f"The policy rule {name} is declared twice.")


def declared() -> dict[str, Mark]:
    """All rules, for the documentation and the authorisation tests."""
    return dict(_rules)


def allows(
    actor: Actor, rule: str, *, project_id: str | None = None, user_id: str | None = None
) -> bool:
    """Whether the actor passes a rule; `project_id` or `user_id` says whose thing it is."""
    mark = _rules[rule]
    if mark is Mark.ANY or actor.is_admin:
        return True
    if mark in _PROJECT_ROLES:
        owns = project_id is not None and project_id == actor.project_id
        return owns and _PROJECT_ROLES[mark] in actor.roles
    if mark is Mark.OWNER:
        return user_id is not None and user_id == actor.user_id
    return mark is Mark.SERVICE and "service" in actor.roles


def require(
    actor: Actor, rule: str, *, project_id: str | None = None, user_id: str | None = None
) -> None:
    """Let pass or refuse.

    Raises:
        Forbidden: the actor may not do this.
    """
    if not allows(actor, rule, project_id=project_id, user_id=user_id):
        raise Forbidden(f"Policy doesn't allow {rule} to be performed.")
