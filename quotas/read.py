"""Read limits and usage, for those who may."""

from __future__ import annotations

import quotas.rules  # noqa: F401 - declares the rules
from identity import policy
from identity.actors import Actor
from identity.models import Project
from quotas.consume import default_limits, limits, usage
from quotas.errors import UnknownProject


def check_project(project_id: str) -> None:
    """Refuse an id that no project has.

    Raises:
        UnknownProject: there is no such project.
    """
    if not Project.objects.filter(pk=project_id).exists():
        raise UnknownProject(project_id)


def read_limits(*, project_id: str, user_id: str = "", actor: Actor) -> dict[str, int]:
    """A project's limits, or those of a user in it.

    Raises:
        Forbidden: the actor has no role in that project and is no administrator.
        UnknownProject: there is no such project.
    """
    policy.require(actor, "os_compute_api:os-quota-sets:show", project_id=project_id)
    check_project(project_id)
    return limits(project_id, user_id)


def read_usage(
    *, project_id: str, user_id: str = "", actor: Actor
) -> tuple[dict[str, int], dict[str, int]]:
    """Limits and use of a project, or of a user in it; what no sum is kept of counts as unused.

    Raises:
        Forbidden: the actor has no role in that project and is no administrator.
        UnknownProject: there is no such project.
    """
    policy.require(actor, "os_compute_api:os-quota-sets:detail", project_id=project_id)
    check_project(project_id)
    return limits(project_id, user_id), usage(project_id, user_id)


def read_defaults(*, actor: Actor) -> dict[str, int]:
    """The limits of a project that has none of its own."""
    policy.require(actor, "os_compute_api:os-quota-sets:defaults")
    return default_limits()


def read_class(*, class_name: str, actor: Actor) -> dict[str, int]:
    """The limits of a quota class.

    Raises:
        Forbidden: only administrators see classes.
    """
    policy.require(actor, "os_compute_api:os-quota-class-sets:show")
    return default_limits(class_name)


def read_own(*, project_id: str | None, actor: Actor) -> tuple[dict[str, int], dict[str, int]]:
    """Limits and usage of the actor's project; an administrator may name another.

    Raises:
        Forbidden: another project was named by somebody else.
    """
    policy.require(actor, "os_compute_api:limits")
    asked = project_id or actor.project_id or ""
    if asked != (actor.project_id or ""):
        policy.require(actor, "os_compute_api:limits:other_project")
    return limits(asked), usage(asked)
