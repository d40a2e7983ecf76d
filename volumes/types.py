"""Volume types: names for kinds of volumes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from identity import policy
from identity.actors import Actor
from quotas.models import QuotaDefault, QuotaLimit
from quotas.resources import BY_TYPE
from volumes.errors import InvalidVolumeRequest, VolumeTypeExists, VolumeTypeInUse
from volumes.models import DEFAULT_TYPE, VolumeType
from volumes.type_limits import limit_name

_RULE = "volume_extension"


def create_type(*, fields: Mapping[str, Any], actor: Actor) -> VolumeType:
    """Make a type.

    Raises:
        VolumeTypeExists: the name is taken.
        Forbidden: the actor is no administrator.
    """
    policy.require(actor, f"{_RULE}:type_create")
    try:
        with transaction.atomic():
            return VolumeType.objects.create(**fields)
    except IntegrityError as error:
        raise VolumeTypeExists(
            f"Volume Type {fields['name']} already exists.", detail=str(error)
        ) from error


def update_type(*, kind: VolumeType, changes: Mapping[str, Any], actor: Actor) -> VolumeType:
    """Set name, description or whether all see it.

    Raises:
        VolumeTypeExists: the name is taken.
        InvalidVolumeRequest: it is the default one, of which only the description changes.
        Forbidden: the actor is no administrator.
    """
    policy.require(actor, f"{_RULE}:type_update")
    if kind.name == DEFAULT_TYPE and not {"name", "is_public"}.isdisjoint(changes):
        raise InvalidVolumeRequest("The default volume type keeps its name and is for all.")
    for key, value in changes.items():
        setattr(kind, key, value)
    try:
        with transaction.atomic():
            kind.save(update_fields=list(changes))
    except IntegrityError as error:
        raise VolumeTypeExists(
            f"Volume Type {kind.name} already exists.", detail=str(error)
        ) from error
    return kind


def delete_type(*, kind: VolumeType, actor: Actor) -> None:
    """Delete a type that no volume is of, and its limits.

    Raises:
        VolumeTypeInUse: volumes are of it.
        InvalidVolumeRequest: it is the default one, or that of a project.
        Forbidden: the actor is no administrator.
    """
    policy.require(actor, f"{_RULE}:type_delete")
    if kind.name == DEFAULT_TYPE:
        raise InvalidVolumeRequest("The default volume type cannot be deleted.")
    if kind.default_of.exists():
        raise InvalidVolumeRequest(
            f"Volume Type {kind.pk} is the default type of projects: unset that first."
        )
    names = [limit_name(resource, kind.pk) for resource in BY_TYPE]
    try:
        with transaction.atomic():
            kind.delete()
            QuotaLimit.objects.filter(resource__in=names).delete()
            QuotaDefault.objects.filter(resource__in=names).delete()
    except ProtectedError as error:
        raise VolumeTypeInUse(
            f"Volume Type {kind.pk} deletion is not allowed with existing volumes with the type."
        ) from error


def set_extra_specs(*, kind: VolumeType, specs: Mapping[str, str], actor: Actor) -> dict[str, str]:
    """Merge into the type's extra specs; returns what they are now.

    Raises:
        InvalidVolumeRequest: one that asks for what volumes here are not.
        Forbidden: the actor is no administrator.
    """
    policy.require(actor, f"{_RULE}:types_extra_specs:create")
    if str(specs.get("multiattach", "")).lower().replace("<is> ", "") == "true":
        raise InvalidVolumeRequest("A volume is with one server at the most in this cloud.")
    with transaction.atomic():
        current = VolumeType.objects.select_for_update().get(pk=kind.pk)
        current.extra_specs = {**current.extra_specs, **specs}
        current.save(update_fields=["extra_specs"])
    return dict(current.extra_specs)


def delete_extra_spec(*, kind: VolumeType, key: str, actor: Actor) -> bool:
    """Take one extra spec out; False: there was none.

    Raises:
        Forbidden: the actor is no administrator.
    """
    policy.require(actor, f"{_RULE}:types_extra_specs:delete")
    with transaction.atomic():
        current = VolumeType.objects.select_for_update().get(pk=kind.pk)
        if key not in current.extra_specs:
            return False
        del current.extra_specs[key]
        current.save(update_fields=["extra_specs"])
    return True
