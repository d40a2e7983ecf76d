"""Where somebody may hold a role: users and groups, in projects and domains, also inherited."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from identity.actors import Actor
from identity.errors import NoSuchThing
from identity.grant import check_grant, check_place, grant_role, granted_roles, revoke_role
from identity.implied import Implications
from identity.models import (
    Domain,
    Group,
    Membership,
    Project,
    Role,
    RoleAssignment,
    RoleGrant,
    User,
)
from identity.rules import require


@dataclass(frozen=True)
class Holding:
    """Who, and where; an inherited role of a domain counts in each of its projects."""

    holder: User | Group
    place: Project | Domain
    is_inherited: bool = False


@dataclass(frozen=True)
class HeldRole:
    """A role that somebody has; an effective one says by which group and which other role."""

    holding: Holding
    role: Role
    by_group: Group | None = None
    by_role: Role | None = None
    by_domain: Domain | None = None


def give_role(*, holding: Holding, role: Role, actor: Actor) -> None:
    """Give a role; giving it twice means it once.

    Raises:
        NotYours: the actor does not administer the cloud.
        RoleElsewhere: the role is of another domain.
    """
    holder, place = holding.holder, holding.place
    if isinstance(holder, User) and isinstance(place, Project):
        grant_role(project=place, user=holder, role=role, actor=actor)
        return
    require(actor, "identity:create_grant")
    check_place(role, place)
    with transaction.atomic():
        RoleGrant.objects.get_or_create(role=role, **_columns(holding))


def take_role(*, holding: Holding, role: Role, actor: Actor) -> None:
    """Take a role back; tokens lose it at once.

    Raises:
        NotYours: the actor does not administer the cloud.
        NoSuchThing: it is not held there.
    """
    holder, place = holding.holder, holding.place
    if isinstance(holder, User) and isinstance(place, Project):
        revoke_role(project=place, user=holder, role=role, actor=actor)
        return
    require(actor, "identity:revoke_grant")
    if not RoleGrant.objects.filter(role=role, **_columns(holding)).delete()[0]:
        raise NoSuchThing("role assignment with role", role.id)


def check_role(*, holding: Holding, role: Role, actor: Actor) -> None:
    """Pass if the role is held there, by assignment.

    Raises:
        NotYours: the actor does not administer the cloud.
        NoSuchThing: it is not held there.
    """
    holder, place = holding.holder, holding.place
    if isinstance(holder, User) and isinstance(place, Project):
        check_grant(project=place, user=holder, role=role, actor=actor)
        return
    require(actor, "identity:check_grant")
    if not RoleGrant.objects.filter(role=role, **_columns(holding)).exists():
        raise NoSuchThing("role assignment with role", role.id)


def held_roles(*, holding: Holding, actor: Actor) -> list[Role]:
    """The roles assigned there, by name.

    Raises:
        NotYours: the actor does not administer the cloud.
    """
    holder, place = holding.holder, holding.place
    if isinstance(holder, User) and isinstance(place, Project):
        return granted_roles(project=place, user=holder, actor=actor)
    require(actor, "identity:list_grants")
    grants = RoleGrant.objects.filter(**_columns(holding))
    return list(Role.objects.filter(pk__in=grants.values("role")))


def all_grants(*, actor: Actor) -> QuerySet[RoleGrant]:
    """Every grant that is not a user's in a project, with what it names read along.

    Raises:
        NotYours: the actor does not administer the cloud.
    """
    require(actor, "identity:list_role_assignments")
    return RoleGrant.objects.select_related(
        "role__domain", "user__domain", "group__domain", "project__domain", "domain"
    ).order_by("pk")


def as_held(assignments: Iterable[RoleAssignment], grants: Iterable[RoleGrant]) -> list[HeldRole]:
    """The rows of both tables in one form."""
    direct = [HeldRole(Holding(row.user, row.project), row.role) for row in assignments]
    return direct + [HeldRole(_holding(row), row.role) for row in grants]


def effective(held: Iterable[HeldRole]) -> Iterator[HeldRole]:
    """What each comes to for users: members of groups, projects of domains, implied roles.

    A role of a domain comes to those that it implies, and is none itself.
    """
    implications = Implications()
    members: dict[str, list[User]] = {}
    for row in Membership.objects.select_related("user__domain").order_by("user__name"):
        members.setdefault(str(row.group_id), []).append(row.user)
    projects: dict[str, list[Project]] = {}
    for project in Project.objects.select_related("domain"):
        projects.setdefault(str(project.domain_id), []).append(project)
    for entry in held:
        for each in _in_projects(entry, projects):
            for one in _for_members(each, members):
                if one.role.domain_id is None:
                    yield one
                for role in implications.of(one.role):
                    yield replace(one, role=role, by_role=one.role)


def _in_projects(entry: HeldRole, projects: dict[str, list[Project]]) -> list[HeldRole]:
    domain = entry.holding.place
    if not entry.holding.is_inherited or not isinstance(domain, Domain):
        return [entry]
    holder = entry.holding.holder
    return [
        replace(entry, holding=Holding(holder, project), by_domain=domain)
        for project in projects.get(domain.pk, [])
    ]


def _for_members(entry: HeldRole, members: dict[str, list[User]]) -> list[HeldRole]:
    group = entry.holding.holder
    if isinstance(group, User):
        return [entry]
    return [
        replace(entry, holding=replace(entry.holding, holder=user), by_group=group)
        for user in members.get(group.pk, [])
    ]


def _holding(row: RoleGrant) -> Holding:
    holder, place = row.user or row.group, row.project or row.domain
    if holder is None or place is None:
        raise ValueError(f"The grant {row.pk} is of nobody or nowhere.")
    return Holding(holder, place, row.is_inherited)


def _columns(holding: Holding) -> dict[str, Any]:
    holder, place = holding.holder, holding.place
    return {
        "user": holder if isinstance(holder, User) else None,
        "group": holder if isinstance(holder, Group) else None,
        "project": place if isinstance(place, Project) else None,
        "domain": place if isinstance(place, Domain) else None,
        "is_inherited": holding.is_inherited,
    }
