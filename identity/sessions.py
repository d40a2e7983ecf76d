"""Who acts when somebody is logged in to the pages."""

from __future__ import annotations

from identity.actors import Actor, with_implied
from identity.models import Project, User
from identity.standing import standing_in_project, usable_projects


def projects_of(user: User) -> list[Project]:
    """The enabled projects in which the user has a role, by name."""
    return list(usable_projects(user))


def actor_for(user: User, project_id: str | None, request_id: str = "") -> Actor:
    """The user acting in a project, or in none if there is no role in it any more.

    An administrator's roles elsewhere do not count here: what one may do depends on the project
    that is open, as it does with a token.
    """
    standing = standing_in_project(user.pk, project_id) if project_id and user.is_active else None
    found = standing if standing is not None and standing.is_enabled else None
    return Actor(
        user_id=user.id,
        user_name=user.name,
        project_id=found.place.pk if found else None,
        project_name=found.place.name if found else "",
        roles=with_implied(found.roles) if found else frozenset(),
        request_id=request_id,
    )
