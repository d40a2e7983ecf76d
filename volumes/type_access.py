"""Which projects use which types: those that are not for all, and each project's default type."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from identity import policy
from identity.actors import Actor
from quotas.read import check_project
from volumes.errors import (
    InvalidVolumeRequest,
    VolumeTypeAccessExists,
    VolumeTypeAccessNotFound,
    VolumeTypeNotFound,
)
from volumes.models import DefaultVolumeType, VolumeType, VolumeTypeAccess

_RULE = "volume_extension:volume_type_access"


def projects_with_access(*, kind: VolumeType, actor: Actor) -> list[str]:
    """The projects that may use a type that is not for all.

    Raises:
        VolumeTypeNotFound: the type is for all, so there is no list.
        Forbidden: the actor is no administrator.
    """
    policy.require(actor, f"{_RULE}:get_all_for_type")
    if kind.is_public:
        raise VolumeTypeNotFound("Access list not available for public volume types.")
    return list(kind.access.values_list("project_id", flat=True))


def grant_type(*, kind: VolumeType, project_id: str, actor: Actor) -> None:
    """Let a project use a type that is not for all.

    Raises:
        InvalidVolumeRequest: the type is for all.
        UnknownProject: there is no such project.
        VolumeTypeAccessExists: the project may use it already.
        Forbidden: the actor is no administrator.
    """
    policy.require(actor, f"{_RULE}:addProjectAccess")
    _refuse_public(kind)
    check_project(project_id)
    try:
        with transaction.atomic():
            VolumeTypeAccess.objects.create(type=kind, project_id=project_id)
    except IntegrityError as error:
        raise VolumeTypeAccessExists(
            f"Volume type access for {kind.pk} / {project_id} combination already exists.",
            detail=str(error),
        ) from error


def revoke_type(*, kind: VolumeType, project_id: str, actor: Actor) -> None:
    """Let a project make no more volumes of a type; those that it has stay as they are.

    Raises:
        InvalidVolumeRequest: the type is for all.
        VolumeTypeAccessNotFound: the project may not use it anyway.
        Forbidden: the actor is no administrator.
    """
    policy.require(actor, f"{_RULE}:removeProjectAccess")
    _refuse_public(kind)
    with transaction.atomic():
        if not kind.access.filter(project_id=project_id).delete()[0]:
            raise VolumeTypeAccessNotFound(
                f"Volume type access not found for {kind.pk} / {project_id} combination."
            )
        DefaultVolumeType.objects.filter(project_id=project_id, type=kind).delete()


def set_default_type(*, project_id: str, kind: VolumeType, actor: Actor) -> DefaultVolumeType:
    """Let a project's volumes be of this type where their makers name none.

    Raises:
        InvalidVolumeRequest: the project may not use the type.
        UnknownProject: there is no such project.
        Forbidden: the actor is no administrator.
    """
    policy.require(actor, "volume_extension:default_set_or_update")
    check_project(project_id)
    if not kind.is_public and not kind.access.filter(project_id=project_id).exists():
        raise InvalidVolumeRequest(f"Project {project_id} has no access to the type {kind.name}.")
    found, _ = DefaultVolumeType.objects.update_or_create(
        project_id=project_id, defaults={"type": kind}
    )
    return found


def unset_default_type(*, project_id: str, actor: Actor) -> None:
    """Let the default type of all be the project's again; it may be so already.

    Raises:
        Forbidden: the actor is no administrator.
    """
    policy.require(actor, "volume_extension:default_unset")
    DefaultVolumeType.objects.filter(project_id=project_id).delete()


def _refuse_public(kind: VolumeType) -> None:
    if kind.is_public:
        raise InvalidVolumeRequest(
            "Invalid volume type: Type access modification is not applicable to public volume type."
        )
