"""Finding what there is, as far as the caller may know it."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, QuerySet

from identity.actors import Actor
from identity.errors import NoSuchThing
from identity.models import Domain, Project, Role, RoleAssignment, User
from identity.rules import require
from identity.standing import projects_with_a_role

M = TypeVar("M", bound=Model)


def _one(queryset: QuerySet[M], kind: str, identifier: str) -> M:
    found = queryset.filter(pk=identifier).first()
    if found is None:
        raise NoSuchThing(kind, identifier)
    return found


def find_domain(*, domain_id: str, actor: Actor) -> Domain:
    """One domain.

    Raises:
        NoSuchThing: there is none of that id.
    """
    require(actor, "identity:get_domain")
    return _one(Domain.objects.all(), "domain", domain_id)


def all_domains(*, actor: Actor) -> QuerySet[Domain]:
    """Every domain, by name."""
    require(actor, "identity:list_domains")
    return Domain.objects.order_by("name", "id")


def find_project(*, project_id: str, actor: Actor) -> Project:
    """One project: one's own, or any for an administrator.

    Raises:
        NotYours: another project, whether there is one of that id or not.
        NoSuchThing: there is none of that id.
    """
    require(actor, "identity:get_project", project_id=project_id)
    return _one(Project.objects.all(), "project", project_id)


def all_projects(*, actor: Actor) -> QuerySet[Project]:
    """Every project, by name.

    Raises:
        NotYours: the actor does not administer the cloud.
    """
    require(actor, "identity:list_projects")
    return Project.objects.order_by("name", "id")


def projects_of_user(*, user_id: str, actor: Actor) -> QuerySet[Project]:
    """The projects in which a user has a role.

    Raises:
        NotYours: another user's.
        NoSuchThing: there is no such user.
    """
    require(actor, "identity:list_user_projects", user_id=user_id)
    user = _one(User.objects.all(), "user", user_id)
    return projects_with_a_role(user)


def find_user(*, user_id: str, actor: Actor) -> User:
    """One user: oneself, or any for an administrator.

    Raises:
        NotYours: another user, whether there is one of that id or not.
        NoSuchThing: there is none of that id.
    """
    require(actor, "identity:get_user", user_id=user_id)
    return _one(User.objects.all(), "user", user_id)


def all_users(*, actor: Actor) -> QuerySet[User]:
    """Every user, by name.

    Raises:
        NotYours: the actor does not administer the cloud.
    """
    require(actor, "identity:list_users")
    return User.objects.order_by("name", "id")


def find_role(*, role_id: str, actor: Actor) -> Role:
    """One role.

    Raises:
        NotYours: the actor does not administer the cloud.
        NoSuchThing: there is none of that id.
    """
    require(actor, "identity:get_role")
    return _one(Role.objects.all(), "role", role_id)


def all_roles(*, actor: Actor) -> QuerySet[Role]:
    """Every role of the cloud and of the domains, by name.

    Raises:
        NotYours: the actor does not administer the cloud.
    """
    require(actor, "identity:list_roles")
    return Role.objects.order_by("name", "id")


def all_assignments(*, actor: Actor) -> QuerySet[RoleAssignment]:
    """Who has which role where, with the user, the role and the project read along.

    Raises:
        NotYours: the actor does not administer the cloud.
    """
    require(actor, "identity:list_role_assignments")
    return RoleAssignment.objects.select_related(
        "role__domain", "user__domain", "project__domain"
    ).order_by("pk")
