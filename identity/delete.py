"""Deleting projects, users and roles."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db import transaction

from identity.actors import Actor
from identity.errors import BuiltIn, StillInUse
from identity.models import Project, Role, User
from identity.options import check_deletable
from identity.rules import require

# Says, for a project's id, in words what it still holds; "" when nothing.
Holder = Callable[[str], str]
_holders: list[Holder] = []
# Lets nothing more be made in the project of this id; what it has stays.
Closer = Callable[[str, datetime], None]
_closers: list[Closer] = []
# Forgets what is known of the project of this id beside what it holds, such as its limits.
Forgetter = Callable[[str, datetime], None]
_forgetters: list[Forgetter] = []


def keep_project_while(holder: Holder) -> None:
    """Let another room keep a project from being deleted while it has something there.

    The rooms above register themselves, since this one may not know them.
    """
    if holder not in _holders:
        _holders.append(holder)


def held_by(project_id: str) -> str:
    """What a project still holds, in words; "" when nothing."""
    return ", ".join(filter(None, (holder(project_id) for holder in _holders)))


def end_with_project(*, close: Closer | None = None, forget: Forgetter | None = None) -> None:
    """Let another room end what it knows of a project together with it.

    Both are called in the transaction of the deletion: `close` before it is looked what the
    project still holds, `forget` once that is nothing.
    """
    if close is not None and close not in _closers:
        _closers.append(close)
    if forget is not None and forget not in _forgetters:
        _forgetters.append(forget)


def close_project(*, project_id: str, now: datetime) -> None:
    """Let nothing more be made in a project; what was begun before is there when this returns."""
    with transaction.atomic():
        for close in _closers:
            close(project_id, now)


def forget_project(*, project_id: str, now: datetime) -> None:
    """Let the other rooms forget a project that holds nothing; in the deletion's transaction."""
    for forget in _forgetters:
        forget(project_id, now)


def delete_project(*, project: Project, actor: Actor, now: datetime) -> None:
    """Delete an empty project with its role assignments.

    Raises:
        NotYours: the actor does not administer the cloud.
        StillInUse: it still holds something.
        Immutable: its option says that it stays.
    """
    require(actor, "identity:delete_project")
    check_deletable(project)
    with transaction.atomic():
        close_project(project_id=project.id, now=now)
        held = held_by(project.id)
        if held:
            raise StillInUse(
                f"The project {project.name} still has {held}. "
                f"GET /identity/v3/projects/{project.id}/cloudportal:contents shows all that it "
                "owns; POST there removes the project with it."
            )
        forget_project(project_id=project.id, now=now)
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
