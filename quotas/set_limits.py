"""Set what a project, or a class of projects, may take."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from django.db import transaction

import quotas.rules  # noqa: F401 - declares the rules
from identity import policy
from identity.actors import Actor
from quotas.consume import limits, lock_ledger, usage
from quotas.errors import InvalidLimit
from quotas.models import QuotaDefault, QuotaLimit, UserQuotaLimit
from quotas.read import check_project
from quotas.resources import COUNTED, MAX_LIMIT, UNLIMITED, check_known

MAX_NAME_LENGTH = 255
MAX_USER_LENGTH = 64


def set_project_limits(
    *, project_id: str, wanted: Mapping[str, int], force: bool, actor: Actor, now: datetime
) -> dict[str, int]:
    """Set some of a project's limits; returns all of them as they are then.

    Raises:
        Forbidden: only administrators set limits.
        UnknownProject: there is no such project.
        InvalidLimit: out of range; or, without `force`, less than the project uses now.
    """
    policy.require(actor, "os_compute_api:os-quota-sets:update")
    check_project(project_id)
    _check_range(wanted)
    with transaction.atomic():
        # Nobody may take more between the comparison with the usage and the new limit.
        lock_ledger(project_id, now=now)
        if not force:
            _check_usage(wanted, usage(project_id))
        QuotaLimit.objects.bulk_create(
            [
                QuotaLimit(project_id=project_id, resource=name, limit=limit)
                for name, limit in wanted.items()
            ],
            update_conflicts=True,
            unique_fields=["project_id", "resource"],
            update_fields=["limit"],
        )
        return limits(project_id)


def set_user_limits(
    *,
    project_id: str,
    user_id: str,
    wanted: Mapping[str, int],
    force: bool,
    actor: Actor,
    now: datetime,
) -> dict[str, int]:
    """Set some of a user's limits in a project; returns all that hold for the user then.

    Raises:
        Forbidden: only administrators set limits.
        UnknownProject: there is no such project.
        InvalidLimit: out of range; or, without `force`, less than the user uses now or more than
            the project may.
    """
    policy.require(actor, "os_compute_api:os-quota-sets:update")
    check_project(project_id)
    _check_range(wanted)
    if len(user_id) > MAX_USER_LENGTH:
        raise InvalidLimit(f"A user's id has at most {MAX_USER_LENGTH} characters.")
    with transaction.atomic():
        lock_ledger(project_id, now=now)
        if not force:
            _check_usage(wanted, usage(project_id, user_id))
            _check_maximum(wanted, limits(project_id))
        UserQuotaLimit.objects.bulk_create(
            [
                UserQuotaLimit(project_id=project_id, user_id=user_id, resource=name, limit=limit)
                for name, limit in wanted.items()
            ],
            update_conflicts=True,
            unique_fields=["project_id", "user_id", "resource"],
            update_fields=["limit"],
        )
        return limits(project_id, user_id)


def reset_user_limits(*, project_id: str, user_id: str, actor: Actor) -> None:
    """Let the project's limits hold for a user again.

    Raises:
        Forbidden: only administrators do.
        UnknownProject: there is no such project.
    """
    policy.require(actor, "os_compute_api:os-quota-sets:delete")
    check_project(project_id)
    UserQuotaLimit.objects.filter(project_id=project_id, user_id=user_id).delete()


def reset_project_limits(
    *, project_id: str, actor: Actor, resources: Collection[str] | None = None
) -> None:
    """Let the defaults hold for a project again, and for its users; of all resources, or of some.

    Raises:
        Forbidden: only administrators do.
        UnknownProject: there is no such project.
    """
    policy.require(actor, "os_compute_api:os-quota-sets:delete")
    check_project(project_id)
    with transaction.atomic():
        for model in (QuotaLimit, UserQuotaLimit):
            rows = model._default_manager.filter(project_id=project_id)
            (rows if resources is None else rows.filter(resource__in=resources)).delete()


def set_class_limits(*, class_name: str, wanted: Mapping[str, int], actor: Actor) -> None:
    """Set some of the limits of a quota class; those of `default` feed every project.

    Raises:
        Forbidden: only administrators do.
        InvalidLimit: out of range, or too long a name.
    """
    policy.require(actor, "os_compute_api:os-quota-class-sets:update")
    if len(class_name) > MAX_NAME_LENGTH:
        raise InvalidLimit(f"The name of a quota class has at most {MAX_NAME_LENGTH} characters.")
    _check_range(wanted)
    QuotaDefault.objects.bulk_create(
        [
            QuotaDefault(class_name=class_name, resource=name, limit=limit)
            for name, limit in wanted.items()
        ],
        update_conflicts=True,
        unique_fields=["class_name", "resource"],
        update_fields=["limit"],
    )


def _check_range(wanted: Mapping[str, int]) -> None:
    for name, limit in wanted.items():
        check_known(name)
        if not UNLIMITED <= limit <= MAX_LIMIT:
            raise InvalidLimit(
                f"Invalid input received: '{name}' must be between {UNLIMITED} and {MAX_LIMIT}."
            )


def _check_usage(wanted: Mapping[str, int], used: Mapping[str, int]) -> None:
    for name, limit in wanted.items():
        if name in COUNTED and limit != UNLIMITED and limit < used[name]:
            raise InvalidLimit(
                f"Quota limit {limit} for {name} must be greater than or equal to "
                f"already used and reserved {used[name]}."
            )


def _check_maximum(wanted: Mapping[str, int], allowed: Mapping[str, int]) -> None:
    for name, limit in wanted.items():
        most = allowed[name]
        if most != UNLIMITED and (limit == UNLIMITED or limit > most):
            raise InvalidLimit(
                f"Quota limit {limit} for {name} must be less than or equal to {most}."
            )
