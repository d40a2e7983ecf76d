"""Limits of projects in the volume service's own form; the ledger is the one of all services."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from identity import policy
from identity.actors import Actor
from quotas.consume import default_limits, limits
from quotas.models import QuotaLimit
from quotas.set_limits import set_project_limits
from volumes import rules as rules

# What is limited; backups and groups, which this cloud does not make, are always 0.
LIMITED = ("volumes", "snapshots", "gigabytes", "per_volume_gigabytes")
_NONE = ("backups", "backup_gigabytes", "groups")
SHOWN = (*LIMITED, *_NONE)


def project_limits(*, project_id: str, actor: Actor) -> dict[str, int]:
    """A project's limits.

    Raises:
        Forbidden: the actor has no role there and is no administrator.
    """
    policy.require(actor, "volume_extension:quotas:show", project_id=project_id)
    return _shown(limits(project_id))


def default_limits_shown(*, project_id: str, actor: Actor) -> dict[str, int]:
    """The limits of a project that has none of its own.

    Raises:
        Forbidden: the actor has no role there and is no administrator.
    """
    policy.require(actor, "volume_extension:quotas:show", project_id=project_id)
    return _shown(default_limits())


def set_limits(
    *, project_id: str, wanted: Mapping[str, int], actor: Actor, now: datetime
) -> dict[str, int]:
    """Set some of a project's limits; those of what is not made here have no effect to set.

    Raises:
        InvalidLimit: out of range.
        UnknownProject: there is no such project.
        Forbidden: the actor is no administrator.
    """
    policy.require(actor, "volume_extension:quotas:update")
    known = {name: limit for name, limit in wanted.items() if name in LIMITED}
    found = set_project_limits(
        project_id=project_id, wanted=known, force=True, actor=actor, now=now
    )
    return _shown(found)


def reset_limits(*, project_id: str, actor: Actor) -> None:
    """Let the defaults hold for a project again, as far as volumes go.

    Raises:
        Forbidden: the actor is no administrator.
    """
    policy.require(actor, "volume_extension:quotas:delete")
    QuotaLimit.objects.filter(project_id=project_id, resource__in=LIMITED).delete()


def _shown(found: Mapping[str, int]) -> dict[str, int]:
    return {**{name: found[name] for name in LIMITED}, **dict.fromkeys(_NONE, 0)}
