"""Giving users roles in projects, and taking them back."""

from __future__ import annotations

from identity.actors import Actor
from identity.application_credentials import forget_lapsed
from identity.errors import NoSuchThing, RoleElsewhere
from identity.models import Domain, Project, Role, RoleAssignment, User
from identity.rules import require


def grant_role(*, project: Project, user: User, role: Role, actor: Actor) -> RoleAssignment:
    """Give a role; giving it twice means it once.

    Raises:
        NotYours: the actor does not administer the cloud.
        RoleElsewhere: the role is of another domain.
    """
    require(actor, "identity:create_grant")
    check_place(role, project)
    return RoleAssignment.objects.get_or_create(project=project, user=user, role=role)[0]


def check_place(role: Role, place: Project | Domain) -> None:
    """Pass if the role may be given there: one of a domain only in that domain and its projects.

    Raises:
        RoleElsewhere: it is of another domain.
    """
    domain_id = place.domain_id if isinstance(place, Project) else place.pk
    if role.domain_id not in (None, domain_id):
        raise RoleElsewhere(role.id, place.pk)


def revoke_role(*, project: Project, user: User, role: Role, actor: Actor) -> None:
    """Take a role back; tokens lose it at once, and application credentials with it end.

    Raises:
        NotYours: the actor does not administer the cloud.
        NoSuchThing: the user does not have it there.
    """
    require(actor, "identity:revoke_grant")
    if not RoleAssignment.objects.filter(project=project, user=user, role=role).delete()[0]:
        raise NoSuchThing("role assignment with role", role.id)
    forget_lapsed(user=user, project=project)


def check_grant(*, project: Project, user: User, role: Role, actor: Actor) -> None:
    """Pass if the user has the role there, by assignment.

    Raises:
        NotYours: the actor does not administer the cloud.
        NoSuchThing: the user does not have it there.
    """
    require(actor, "identity:check_grant")
    if not RoleAssignment.objects.filter(project=project, user=user, role=role).exists():
        raise NoSuchThing("role assignment with role", role.id)


def granted_roles(*, project: Project, user: User, actor: Actor) -> list[Role]:
    """The roles assigned to a user in a project.

    Raises:
        NotYours: the actor does not administer the cloud.
    """
    require(actor, "identity:list_grants")
    return list(Role.objects.filter(assignments__project=project, assignments__user=user))
