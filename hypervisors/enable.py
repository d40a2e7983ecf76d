"""Take a host in and out of service by hand, declare it dead, or forget it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import hypervisors.rules  # noqa: F401 - declares the rules
from cloudportal.errors import Invalid
from hypervisors.errors import HypervisorInUse
from hypervisors.models import Hypervisor
from hypervisors.occupants import occupants_of
from hypervisors.register import remove_hypervisor
from identity import policy
from identity.actors import Actor

MAX_REASON = 255


@dataclass(frozen=True, kw_only=True)
class ServiceChange:
    """What to change of a host's service; None leaves it as it is."""

    is_enabled: bool | None = None
    disabled_reason: str | None = None
    is_forced_down: bool | None = None


def change_service(*, hypervisor: Hypervisor, change: ServiceChange, actor: Actor) -> Hypervisor:
    """Enable or disable a host for new servers, or say that it is dead whatever it looks like.

    Raises:
        Forbidden: only administrators do.
        Invalid: a reason without disabling, or too long a one.
    """
    policy.require(actor, "os_compute_api:os-services:update")
    if change.disabled_reason is not None:
        if change.is_enabled is not False:
            raise Invalid(
                "Specifying disabled_reason is only valid when changing status to disabled."
            )
        if len(change.disabled_reason) > MAX_REASON:
            raise Invalid(f"A reason has at most {MAX_REASON} characters.")
    fields = _fields(change)
    return _changed(hypervisor, fields)


@dataclass(frozen=True, kw_only=True)
class HostChange:
    """Which switches to turn; None leaves one as it is."""

    is_enabled: bool | None = None
    in_maintenance: bool | None = None


def change_host(*, hypervisor: Hypervisor, change: HostChange, actor: Actor) -> Hypervisor:
    """Enable or disable a host for new servers, or begin or end its maintenance.

    Raises:
        Forbidden: only administrators do.
    """
    policy.require(actor, "os_compute_api:os-hosts:update")
    fields = dict(_fields(ServiceChange(is_enabled=change.is_enabled)))
    if change.in_maintenance is not None:
        fields["in_maintenance"] = change.in_maintenance
    return _changed(hypervisor, fields)


def remove_service(*, hypervisor: Hypervisor, actor: Actor) -> None:
    """Forget a host, as its service's deletion means; what lies on it stays there.

    Raises:
        Forbidden: only administrators do.
        HypervisorInUse: servers are there, being built, moved or taken off.
    """
    policy.require(actor, "os_compute_api:os-services:delete")
    if occupants_of([hypervisor.pk])[hypervisor.pk]:
        raise HypervisorInUse(
            "Unable to delete compute service that is hosting instances. Migrate or delete the "
            "instances first."
        )
    remove_hypervisor(hypervisor=hypervisor)


def _changed(hypervisor: Hypervisor, fields: Mapping[str, object]) -> Hypervisor:
    for name, value in fields.items():
        setattr(hypervisor, name, value)
    Hypervisor.objects.filter(pk=hypervisor.pk).update(**fields)
    return hypervisor


def _fields(change: ServiceChange) -> Mapping[str, object]:
    fields: dict[str, object] = {}
    if change.is_enabled is not None:
        fields["is_enabled"] = change.is_enabled
        fields["disabled_reason"] = change.disabled_reason or ""
    if change.is_forced_down is not None:
        fields["is_forced_down"] = change.is_forced_down
        if not change.is_forced_down:
            fields.update(fenced_at=None, fence_note="")
    return fields
