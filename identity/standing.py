"""Where a user stands: the roles in a project or a domain, directly, by a group or inherited.

Every request asks this, so it is one statement: the framework's own form of it would be several
queries, or take longer to put together than to run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from identity.models import Domain, Project, RoleAssignment, RoleGrant, User

_IN_PROJECT = """
SELECT u.id, u.name, u.is_active, u.tokens_valid_from, u.default_project_id, u.domain_id,
       ud.name AS own_domain_name, ud.enabled AS own_domain_enabled, r.name AS role_name,
       EXISTS (SELECT 1 FROM identity_revokedtoken WHERE audit_id = %(audit)s) AS is_revoked,
       d.id AS place_domain_id, d.name AS place_domain_name, d.enabled AS place_domain_enabled,
       p.id AS place_id, p.name AS place_name, p.enabled AS place_enabled
  FROM identity_user u
  JOIN identity_domain ud ON ud.id = u.domain_id
  JOIN identity_project p ON p.id = %(place)s
  JOIN identity_domain d ON d.id = p.domain_id
  JOIN identity_role r ON r.id IN (
       SELECT a.role_id FROM identity_roleassignment a
        WHERE a.user_id = %(user)s AND a.project_id = %(place)s
       UNION
       SELECT g.role_id FROM identity_rolegrant g
         JOIN identity_membership m ON m.group_id = g.group_id
        WHERE m.user_id = %(user)s AND g.project_id = %(place)s
       UNION
       SELECT g.role_id FROM identity_rolegrant g
         JOIN identity_project own ON own.domain_id = g.domain_id AND own.id = %(place)s
        WHERE g.is_inherited AND (g.user_id = %(user)s OR g.group_id IN (
              SELECT m.group_id FROM identity_membership m WHERE m.user_id = %(user)s)))
 WHERE u.id = %(user)s
"""
_IN_DOMAIN = """
SELECT u.id, u.name, u.is_active, u.tokens_valid_from, u.default_project_id, u.domain_id,
       ud.name AS own_domain_name, ud.enabled AS own_domain_enabled, r.name AS role_name,
       EXISTS (SELECT 1 FROM identity_revokedtoken WHERE audit_id = %(audit)s) AS is_revoked,
       d.id AS place_domain_id, d.name AS place_domain_name, d.enabled AS place_domain_enabled
  FROM identity_user u
  JOIN identity_domain ud ON ud.id = u.domain_id
  JOIN identity_domain d ON d.id = %(place)s
  JOIN identity_role r ON r.id IN (
       SELECT g.role_id FROM identity_rolegrant g
        WHERE g.domain_id = %(place)s AND NOT g.is_inherited AND (
              g.user_id = %(user)s OR g.group_id IN (
              SELECT m.group_id FROM identity_membership m WHERE m.user_id = %(user)s)))
 WHERE u.id = %(user)s
"""


@dataclass(frozen=True)
class Standing:
    """A user with the names of the roles in one place, without those they imply."""

    user: User
    place: Project | Domain
    roles: frozenset[str]
    is_revoked: bool

    @property
    def is_enabled(self) -> bool:
        """Whether the place may be used."""
        domain = self.place.domain if isinstance(self.place, Project) else self.place
        return self.place.enabled and domain.enabled


def standing_in_project(user_id: str, project_id: str, audit_id: str = "") -> Standing | None:
    """The user's standing in the project, None without any role there; one query.

    `is_revoked` says whether the token of that audit id was taken back.
    """
    rows = _asked(_IN_PROJECT, user_id, project_id, audit_id)
    if not rows:
        return None
    row = rows[0]
    names = ["id", "domain_id", "name", "enabled"]
    values = [row.place_id, row.place_domain_id, row.place_name, bool(row.place_enabled)]
    project = Project.from_db("default", names, values)
    project.domain = _domain(row)
    return _standing(rows, project)


def standing_in_domain(user_id: str, domain_id: str, audit_id: str = "") -> Standing | None:
    """The same in a domain; what is inherited counts in its projects only."""
    rows = _asked(_IN_DOMAIN, user_id, domain_id, audit_id)
    return _standing(rows, _domain(rows[0])) if rows else None


def projects_with_a_role(user: User) -> QuerySet[Project]:
    """The projects in which a user has a role in whatever way."""
    grants = _grants_of(user)
    return Project.objects.filter(
        Q(pk__in=RoleAssignment.objects.filter(user=user).values("project"))
        | Q(pk__in=grants.filter(project__isnull=False).values("project"))
        | Q(domain__in=grants.filter(is_inherited=True).values("domain"))
    ).order_by("name", "id")


def usable_projects(user: User) -> QuerySet[Project]:
    """Those of them that are enabled, as their domains are: what a token may be scoped to."""
    return projects_with_a_role(user).filter(enabled=True, domain__enabled=True)


def domains_with_a_role(user: User) -> QuerySet[Domain]:
    """The domains in which a user has a role of the domain itself."""
    grants = _grants_of(user).filter(is_inherited=False, domain__isnull=False)
    return Domain.objects.filter(pk__in=grants.values("domain")).order_by("name")


def _grants_of(user: User) -> QuerySet[RoleGrant]:
    groups = user.memberships.values("group")
    return RoleGrant.objects.filter(Q(user=user) | Q(group__in=groups))


def _asked(statement: str, user_id: str, place_id: str, audit_id: str) -> Sequence[Any]:
    params = {"user": user_id, "place": place_id, "audit": audit_id}
    return list(User.objects.raw(statement, params))


def _standing(rows: Sequence[Any], place: Project | Domain) -> Standing:
    user: Any = rows[0]
    names = ["id", "name", "enabled"]
    values = [user.domain_id, user.own_domain_name, bool(user.own_domain_enabled)]
    user.domain = Domain.from_db("default", names, values)
    return Standing(user, place, frozenset(row.role_name for row in rows), bool(user.is_revoked))


def _domain(row: Any) -> Domain:
    names = ["id", "name", "enabled"]
    values = [row.place_domain_id, row.place_domain_name, bool(row.place_domain_enabled)]
    return Domain.from_db("default", names, values)
