"""Who acts when somebody is logged in to the pages."""

from __future__ import annotations

from identity.actors import Actor, with_implied
from identity.models import Project, RoleAssignment, User


def projects_of(user: User) -> list[Project]:
    """The enabled projects in which the user has a role, by name."""
    return list(
        Project.objects.filter(
            enabled=True, domain__enabled=True, assignments__user=user
        ).distinct()
    )


def actor_for(user: User, project_id: str | None, request_id: str = "") -> Actor:
    """The user acting in a project, or in none if there is no role in it any more.

    An administrator's roles elsewhere do not count here: what one may do depends on the project
    that is open, as it does with a token.
    """
    assignments = RoleAssignment.objects.none()
    if project_id and user.is_active:
        assignments = RoleAssignment.objects.filter(
            user=user, project_id=project_id, project__enabled=True, project__domain__enabled=True
        ).select_related("role", "project")
    found = list(assignments)
    return Actor(
        user_id=user.id,
        user_name=user.name,
        project_id=found[0].project_id if found else None,
        project_name=found[0].project.name if found else "",
        roles=with_implied(assignment.role.name for assignment in found),
        request_id=request_id,
    )
