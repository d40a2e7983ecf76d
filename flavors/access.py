"""Which projects may use a private flavor."""

from __future__ import annotations

from django.db import IntegrityError, transaction

import flavors.rules  # noqa: F401 - declares the rules
from flavors.errors import FlavorAccessExists, FlavorAccessNotFound, UnknownProject
from flavors.models import Flavor, FlavorAccess
from identity import policy
from identity.actors import Actor
from identity.models import Project


def list_access(*, flavor: Flavor, actor: Actor) -> list[str]:
    """The ids of the projects that a private flavor is shared with.

    Raises:
        Forbidden: only administrators see it.
        FlavorAccessNotFound: the flavor is public.
    """
    policy.require(actor, "os_compute_api:os-flavor-access")
    if flavor.is_public:
        raise FlavorAccessNotFound("Access list not available for public flavors.")
    return _projects(flavor)


def add_access(*, flavor: Flavor, project_id: str, actor: Actor, refuse_public: bool) -> list[str]:
    """Share a flavor with a project; returns the projects it is shared with.

    Raises:
        Forbidden: only administrators do.
        UnknownProject: there is no such project.
        FlavorAccessExists: shared already; or the flavor is public and that is to be refused.
    """
    policy.require(actor, "os_compute_api:os-flavor-access:add_tenant_access")
    if refuse_public and flavor.is_public:
        raise FlavorAccessExists("Can not add access to a public flavor.")
    _check_project(project_id)
    try:
        with transaction.atomic():
            FlavorAccess.objects.create(flavor=flavor, project_id=project_id)
    except IntegrityError as error:
        raise FlavorAccessExists(
            f"Flavor access already exists for flavor {flavor.flavorid} "
            f"and project {project_id} combination."
        ) from error
    return _projects(flavor)


def remove_access(*, flavor: Flavor, project_id: str, actor: Actor) -> list[str]:
    """Stop sharing a flavor with a project; returns the projects it is still shared with.

    Raises:
        Forbidden: only administrators do.
        UnknownProject: there is no such project.
        FlavorAccessNotFound: it is not shared with the project.
    """
    policy.require(actor, "os_compute_api:os-flavor-access:remove_tenant_access")
    _check_project(project_id)
    deleted, _ = FlavorAccess.objects.filter(flavor=flavor, project_id=project_id).delete()
    if not deleted:
        raise FlavorAccessNotFound(
            f"Flavor access not found for {flavor.flavorid} / {project_id} combination."
        )
    return _projects(flavor)


def _projects(flavor: Flavor) -> list[str]:
    return list(
        FlavorAccess.objects.filter(flavor=flavor)
        .order_by("project_id")
        .values_list("project_id", flat=True)
    )


def _check_project(project_id: str) -> None:
    if not Project.objects.filter(pk=project_id).exists():
        raise UnknownProject(project_id)
