"""Limits of projects in the volume service's own form; the ledger is the one of all services."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from identity import policy
from identity.actors import Actor
from quotas.consume import default_limits, limits, usage
from quotas.errors import InvalidLimit
from quotas.models import QuotaLimit
from quotas.resources import UNLIMITED
from quotas.set_limits import set_class_limits, set_project_limits
from volumes import rules as rules
from volumes.type_limits import type_usage, wire_names

# What is limited; backups and groups, which this cloud does not make, are always 0.
LIMITED = ("volumes", "snapshots", "gigabytes", "per_volume_gigabytes")
_NONE = ("backups", "backup_gigabytes", "groups")
SHOWN = (*LIMITED, *_NONE)


def project_limits(*, project_id: str, actor: Actor) -> dict[str, int]:
    """A project's limits, those of each type of volumes too.

    Raises:
        Forbidden: the actor has no role there and is no administrator.
    """
    policy.require(actor, "volume_extension:quotas:show", project_id=project_id)
    return _shown(limits(project_id))


def project_usage(*, project_id: str) -> dict[str, int]:
    """What a project uses of all that is limited, each type of volumes too."""
    used, by_type = usage(project_id), type_usage(project_id)
    return {
        **{name: used.get(name, 0) for name in SHOWN},
        **{name: by_type.get(kept, 0) for name, kept in wire_names().items()},
    }


def default_limits_shown(*, project_id: str, actor: Actor) -> dict[str, int]:
    """The limits of a project that has none of its own.

    Raises:
        Forbidden: the actor has no role there and is no administrator.
    """
    policy.require(actor, "volume_extension:quotas:show", project_id=project_id)
    return _shown(default_limits())


def set_limits(
    *, project_id: str, wanted: Mapping[str, int], force: bool, actor: Actor, now: datetime
) -> dict[str, int]:
    """Set some of a project's limits; those of what is not made here have no effect to set.

    Raises:
        InvalidLimit: out of range, a name that there is no limit of, or, without `force`, less
            than the project uses.
        UnknownProject: there is no such project.
        Forbidden: the actor is no administrator.
    """
    policy.require(actor, "volume_extension:quotas:update")
    known = _known(wanted)
    if not force:
        _check_type_usage(project_id, known)
    found = set_project_limits(
        project_id=project_id, wanted=known, force=force, actor=actor, now=now
    )
    return _shown(found)


def reset_limits(*, project_id: str, actor: Actor) -> None:
    """Let the defaults hold for a project again, as far as volumes go.

    Raises:
        Forbidden: the actor is no administrator.
    """
    policy.require(actor, "volume_extension:quotas:delete")
    names = [*LIMITED, *wire_names().values()]
    QuotaLimit.objects.filter(project_id=project_id, resource__in=names).delete()


def class_limits(*, class_name: str, actor: Actor) -> dict[str, int]:
    """The limits of a class of projects; only the class `default` feeds any.

    Raises:
        Forbidden: the actor is no administrator.
    """
    policy.require(actor, "volume_extension:quota_classes:get")
    return _shown(default_limits(class_name))


def set_limits_of_class(
    *, class_name: str, wanted: Mapping[str, int], actor: Actor
) -> dict[str, int]:
    """Set some of a class's limits.

    Raises:
        InvalidLimit: out of range, or a name that there is no limit of.
        Forbidden: the actor is no administrator.
    """
    policy.require(actor, "volume_extension:quota_classes:update")
    set_class_limits(class_name=class_name, wanted=_known(wanted), actor=actor)
    return _shown(default_limits(class_name))


def _known(wanted: Mapping[str, int]) -> dict[str, int]:
    """The limits by the names that they are kept under."""
    by_type = wire_names()
    unknown = sorted(name for name in wanted if name not in SHOWN and name not in by_type)
    if unknown:
        raise InvalidLimit(f"Bad key(s) in quota set: {', '.join(unknown)[:255]}")
    return {by_type.get(name, name): limit for name, limit in wanted.items() if name not in _NONE}


def _check_type_usage(project_id: str, wanted: Mapping[str, int]) -> None:
    used = type_usage(project_id)
    for name, limit in wanted.items():
        if UNLIMITED < limit < used.get(name, 0):
            raise InvalidLimit(
                f"Quota limit {limit} must be equal to or greater than what is used of the type, "
                f"{used[name]}."
            )


def _shown(found: Mapping[str, int]) -> dict[str, int]:
    return {
        **{name: found[name] for name in LIMITED},
        **dict.fromkeys(_NONE, 0),
        **{name: found.get(kept, UNLIMITED) for name, kept in wire_names().items()},
    }
