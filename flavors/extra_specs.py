"""Read and change a flavor's extra specs; servers that exist keep the ones they were made with."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction

import flavors.rules  # noqa: F401 - declares the rules
from flavors.errors import ExtraSpecNotFound, FlavorNotFound
from flavors.known_specs import check_known_specs
from flavors.models import Flavor
from identity import policy
from identity.actors import Actor

_RULE = "os_compute_api:os-flavor-extra-specs:"


def may_read_extra_specs(actor: Actor) -> bool:
    """Whether the actor may see extra specs at all."""
    return policy.allows(actor, f"{_RULE}index", project_id=actor.project_id)


def read_extra_specs(*, flavor: Flavor, actor: Actor) -> dict[str, str]:
    """All extra specs of a flavor.

    Raises:
        Forbidden: the actor has no role in a project.
    """
    policy.require(actor, f"{_RULE}index", project_id=actor.project_id)
    return dict(flavor.extra_specs)


def read_extra_spec(*, flavor: Flavor, key: str, actor: Actor) -> str:
    """One extra spec.

    Raises:
        Forbidden: the actor has no role in a project.
        ExtraSpecNotFound: the flavor has none of that name.
    """
    policy.require(actor, f"{_RULE}show", project_id=actor.project_id)
    if key not in flavor.extra_specs:
        raise ExtraSpecNotFound(flavor.flavorid, key)
    return str(flavor.extra_specs[key])


def add_extra_specs(
    *, flavor: Flavor, specs: Mapping[str, str], actor: Actor, check_known: bool
) -> None:
    """Merge specs into a flavor's; with `check_known`, names and values must mean something.

    Raises:
        Forbidden: only administrators do.
        InvalidExtraSpec: a name in a known name space, or its value, means nothing.
        FlavorNotFound: the flavor has gone meanwhile.
    """
    policy.require(actor, f"{_RULE}create")
    _merge(flavor, specs, check_known)


def set_extra_spec(
    *, flavor: Flavor, key: str, value: str, actor: Actor, check_known: bool
) -> None:
    """Set one spec.

    Raises:
        Forbidden: only administrators do.
        InvalidExtraSpec: the name in a known name space, or its value, means nothing.
        FlavorNotFound: the flavor has gone meanwhile.
    """
    policy.require(actor, f"{_RULE}update")
    _merge(flavor, {key: value}, check_known)


def delete_extra_spec(*, flavor: Flavor, key: str, actor: Actor) -> None:
    """Remove one spec.

    Raises:
        Forbidden: only administrators do.
        ExtraSpecNotFound: the flavor has none of that name.
        FlavorNotFound: the flavor has gone meanwhile.
    """
    policy.require(actor, f"{_RULE}delete")
    with transaction.atomic():
        specs = _locked_specs(flavor)
        if key not in specs:
            raise ExtraSpecNotFound(flavor.flavorid, key)
        del specs[key]
        _store(flavor, specs)


def _merge(flavor: Flavor, specs: Mapping[str, str], check_known: bool) -> None:
    if check_known:
        check_known_specs(specs)
    with transaction.atomic():
        _store(flavor, {**_locked_specs(flavor), **specs})


def _locked_specs(flavor: Flavor) -> dict[str, str]:
    # Two writers that merge at once must both find their keys in the end.
    row = Flavor.objects.select_for_update().filter(pk=flavor.pk).first()
    if row is None:
        raise FlavorNotFound(flavor.flavorid)
    return dict(row.extra_specs)


def _store(flavor: Flavor, specs: dict[str, str]) -> None:
    flavor.extra_specs = specs
    Flavor.objects.filter(pk=flavor.pk).update(extra_specs=specs)
