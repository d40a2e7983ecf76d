"""Deleting projects, users and roles."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

from identity.actors import Actor
from identity.errors import BuiltIn, StillInUse
from identity.models import Project, Role, User
from identity.options import check_deletable
from identity.rules import require

# Says, for a project's id, in words what it still holds; "" when nothing.
Holder = Callable[[str], str]
_holders: list[Holder] = []


def keep_project_while(holder: Holder) -> None:
    """Let another room keep a project from being deleted while it has something there.

    The rooms above register themselves, since this one may not know them.
    """
    if holder not in _holders:
        _holders.append(holder)


def held_by(project_id: str) -> str:
    """What a project still holds, in words; "" when nothing."""
    return ", ".join(filter(None, (holder(project_id) for holder in _holders)))


def delete_project(*, project: Project, actor: Actor) -> None:
    """Delete an empty project with its role assignments.

    Raises:
        NotYours: the actor does not administer the cloud.
        StillInUse: it still holds something.
        Immutable: its option says that it stays.
    """
    require(actor, "identity:delete_project")
    check_deletable(project)
    with transaction.atomic():
        held = held_by(project.id)
        if held:
            raise StillInUse(f"The project {project.name} still has {held}.")
        project.delete()


def delete_user(*, user: User, actor: Actor) -> None:
    """Delete a user; the user's tokens end with it, what the user made stays with its project.

    Raises:
        NotYours: the actor does not administer the cloud.
    """
    require(actor, "identity:delete_user")
    user.delete()


def delete_role(*, role: Role, actor: Actor) -> None:
    """Delete a role and take it from everybody.

    Raises:
        NotYours: the actor does not administer the cloud.
        BuiltIn: one of the roles that the policy stands on.
        Immutable: its option says that it stays.
    """
    require(actor, "identity:delete_role")
    if role.is_built_in:
        raise BuiltIn(role.name)
    check_deletable(role)
    role.delete()
