"""Where a user stands: the roles in a project or a domain, directly, by a group or inherited.

Every request asks this, so it is one statement: the framework's own form of it would be several
queries, or take longer to put together than to run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from identity.models import Domain, Project, RoleAssignment, RoleGrant, User

# What both statements end with: a row for the user, one for the place, one a role. Roles are
# followed to those that they imply, and what a domain calls a role is none by itself. The database
# takes longer to plan it than to run it, and one large join takes it longest.
_ROWS = """
), held (role_id) AS (
       SELECT role_id FROM given
       UNION
       SELECT i.implied_id FROM held JOIN identity_impliedrole i ON i.prior_id = held.role_id
)
SELECT 'user' AS kind, u.id, u.name, u.is_active, d.id, d.name, d.enabled,
       u.tokens_valid_from, u.default_project_id,
       EXISTS (SELECT 1 FROM identity_revokedtoken WHERE audit_id = %(audit)s)
  FROM identity_user u JOIN identity_domain d ON d.id = u.domain_id
 WHERE u.id = %(user)s
UNION ALL
SELECT 'place', p.id, p.name, p.enabled, d.id, d.name, d.enabled, NULL, NULL, NULL
  FROM place p JOIN identity_domain d ON d.id = p.domain_id
UNION ALL
SELECT 'role', NULL, r.name, NULL, NULL, NULL, NULL, NULL, NULL, NULL
  FROM held JOIN identity_role r ON r.id = held.role_id
 WHERE r.domain_id IS NULL
"""
_IN_PROJECT = (
    """
WITH RECURSIVE place AS (
       SELECT id, name, enabled, domain_id FROM identity_project WHERE id = %(place)s
), given (role_id) AS (
       SELECT a.role_id FROM identity_roleassignment a
        WHERE a.user_id = %(user)s AND a.project_id = %(place)s
       UNION
       SELECT g.role_id FROM identity_rolegrant g
         JOIN identity_membership m ON m.group_id = g.group_id
        WHERE m.user_id = %(user)s AND g.project_id = %(place)s
       UNION
       SELECT g.role_id FROM identity_rolegrant g
         JOIN place ON place.domain_id = g.domain_id
        WHERE g.is_inherited AND (g.user_id = %(user)s OR g.group_id IN (
              SELECT m.group_id FROM identity_membership m WHERE m.user_id = %(user)s))"""  # noqa: S608 - made of constants
    + _ROWS
)
_IN_DOMAIN = (
    """
WITH RECURSIVE place AS (
       SELECT id, name, enabled, id AS domain_id FROM identity_domain WHERE id = %(place)s
), given (role_id) AS (
       SELECT g.role_id FROM identity_rolegrant g
        WHERE g.domain_id = %(place)s AND NOT g.is_inherited AND (
              g.user_id = %(user)s OR g.group_id IN (
              SELECT m.group_id FROM identity_membership m WHERE m.user_id = %(user)s))"""  # noqa: S608 - made of constants
    + _ROWS
)


@dataclass(frozen=True)
class Standing:
    """A user with the names of the roles in one place and of those they imply."""

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
    found = _asked(_IN_PROJECT, user_id, project_id, audit_id)
    if found is None:
        return None
    user, (identifier, name, enabled, *of_domain), roles = found
    domain = _domain(of_domain[:3])
    columns = ["id", "domain_id", "name", "enabled"]
    project = Project.from_db("default", columns, [identifier, domain.pk, name, bool(enabled)])
    project.domain = domain
    return _standing(user, project, roles)


def standing_in_domain(user_id: str, domain_id: str, audit_id: str = "") -> Standing | None:
    """The same in a domain; what is inherited counts in its projects only."""
    found = _asked(_IN_DOMAIN, user_id, domain_id, audit_id)
    if found is None:
        return None
    user, place, roles = found
    return _standing(user, _domain(place[:3]), roles)


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


def _asked(
    statement: str, user_id: str, place_id: str, audit_id: str
) -> tuple[Sequence[Any], Sequence[Any], frozenset[str]] | None:
    """The columns of the user and of the place, and the names of the roles, if there are all."""
    # SQLite keeps its plans by itself.
    with getattr(connection, "prepared_cursor", connection.cursor)() as cursor:
        cursor.execute(statement, {"user": user_id, "place": place_id, "audit": audit_id})
        rows = cursor.fetchall()
    things = {kind: columns for kind, *columns in rows if kind != "role"}
    roles = frozenset(row[2] for row in rows if row[0] == "role")
    if not roles or len(things) != 2:
        return None
    return things["user"], things["place"], roles


def _standing(columns: Sequence[Any], place: Project | Domain, roles: frozenset[str]) -> Standing:
    identifier, name, is_active, *of_domain, valid_from, default_project_id, is_revoked = columns
    domain = _domain(of_domain)
    # In the order of the model's columns, which the framework asks for.
    names = ["id", "domain_id", "name", "default_project_id", "is_active", "tokens_valid_from"]
    values = [identifier, domain.pk, name, default_project_id, bool(is_active)]
    user = User.from_db("default", names, [*values, _instant(valid_from)])
    user.domain = domain
    return Standing(user, place, roles, bool(is_revoked))


def _domain(columns: Sequence[Any]) -> Domain:
    identifier, name, enabled = columns
    return Domain.from_db("default", ["id", "name", "enabled"], [identifier, name, bool(enabled)])


def _instant(value: datetime) -> datetime:
    """SQLite has no zones: there it is one in UTC that does not say so."""
    return value if value.tzinfo else value.replace(tzinfo=UTC)
