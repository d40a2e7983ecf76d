"""Empty a host by a plan: work it out, start it, pause, resume or cancel it.

The plan is carried on by the keeper (`carry.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

import maintenance.rules  # noqa: F401 - declares the rules
from cloudportal.errors import Invalid
from hypervisors.models import Hypervisor
from identity import policy
from identity.actors import Actor
from maintenance.errors import DrainNotFound, InvalidDrainState
from maintenance.forecast import forecast
from maintenance.models import MAX_AT_ONCE, Drain
from maintenance.states import OPEN, STARTABLE, DrainState, ItemState
from operations.timers import bring_forward

SHOW = "cloudportal:hypervisors:drain:show"
TIMER = "maintenance.drains"
CHANGE = "cloudportal:hypervisors:drain:change"


@dataclass(frozen=True)
class DrainWish:
    """How a host is to be emptied; see `Drain`."""

    max_at_once: int = 1
    moves_stopped: bool = True


def newest_drain(*, hypervisor: Hypervisor, actor: Actor) -> Drain:
    """The host's plan that is open, or the last one that was.

    Raises:
        DrainNotFound: it never had one.
        Forbidden: the actor may not.
    """
    policy.require(actor, SHOW)
    found = hypervisor.drains.select_related("hypervisor").order_by("-pk").first()
    if found is None:
        raise DrainNotFound(f"Hypervisor {hypervisor.name} has no plan to be drained.")
    return found


def plan_drain(*, hypervisor: Hypervisor, wish: DrainWish, actor: Actor, now: datetime) -> Drain:
    """Work out where the host's servers would go; nothing is done. Planned again, it is anew.

    Raises:
        InvalidDrainState: the host is being drained.
        Invalid: too many at a time, or none.
        Forbidden: the actor may not.
    """
    policy.require(actor, CHANGE)
    if not 1 <= wish.max_at_once <= MAX_AT_ONCE:
        raise Invalid(f"From 1 to {MAX_AT_ONCE} servers leave a host at a time.")
    with transaction.atomic():
        drain = _open_one(hypervisor, now)
        if drain.state != DrainState.PLANNED:
            raise _refused(drain, "planned")
        drain.max_at_once, drain.moves_stopped = wish.max_at_once, wish.moves_stopped
        drain.planned_at = now
        _sign(drain, "plan", actor, now)
        drain.save()
        # What hosts refused may have been mended: they are asked anew.
        drain.items.all().delete()
        forecast(drain, now)
    return drain


def start_drain(*, hypervisor: Hypervisor, actor: Actor, now: datetime) -> Drain:
    """Begin to empty the host as planned; it is disabled for new servers.

    Raises:
        DrainNotFound: there is no plan.
        InvalidDrainState: the newest one is not just planned.
        Forbidden: the actor may not.
    """
    with transaction.atomic():
        drain = _locked(hypervisor, actor, {DrainState.PLANNED}, "started")
        host = Hypervisor.objects.select_for_update(no_key=True).get(pk=hypervisor.pk)
        drain.was_enabled, drain.was_reason = host.is_enabled, host.disabled_reason
        drain.state, drain.started_at = DrainState.RUNNING, now
        _sign(drain, "start", actor, now)
        drain.save()
        Hypervisor.objects.filter(pk=host.pk).update(is_enabled=False, disabled_reason=drain.reason)
    return drain


def pause_drain(*, hypervisor: Hypervisor, actor: Actor, now: datetime) -> Drain:
    """Begin no more moves; those under way go on to their end.

    Raises:
        DrainNotFound: there is no plan.
        InvalidDrainState: it does not run.
        Forbidden: the actor may not.
    """
    with transaction.atomic():
        drain = _locked(hypervisor, actor, {DrainState.RUNNING}, "paused")
        drain.state = DrainState.PAUSED
        drain.note = "It is paused: moves under way end, no others begin."
        _sign(drain, "pause", actor, now, in_its_name=False)
        drain.save()
    return drain


def resume_drain(*, hypervisor: Hypervisor, actor: Actor, now: datetime) -> Drain:
    """Go on; what had failed too often, or been refused by hosts, is tried anew.

    One that runs may be told so too, once what is in the way of its servers has been seen to.

    Raises:
        DrainNotFound: there is no plan.
        InvalidDrainState: it has not been started, or is over.
        Forbidden: the actor may not.
    """
    with transaction.atomic():
        drain = _locked(hypervisor, actor, {DrainState.PAUSED, DrainState.RUNNING}, "resumed")
        drain.state, drain.note = DrainState.RUNNING, ""
        _sign(drain, "resume", actor, now)
        drain.save()
        drain.items.filter(state__in=STARTABLE).update(
            state=ItemState.WAITING, tries=0, refused={}, due_at=None, updated_at=now
        )
        bring_forward(TIMER, now=now)
    return drain


def cancel_drain(*, hypervisor: Hypervisor, actor: Actor, now: datetime) -> Drain:
    """Give the plan up: servers stay where they are now, and the host takes new ones as before.

    Moves under way go on to their end.

    Raises:
        DrainNotFound: there is no plan.
        InvalidDrainState: it is over.
        Forbidden: the actor may not.
    """
    with transaction.atomic():
        drain = _locked(hypervisor, actor, set(OPEN), "cancelled")
        drain.state, drain.ended_at, drain.note = DrainState.CANCELLED, now, ""
        _sign(drain, "cancel", actor, now, in_its_name=False)
        drain.save()
        give_service_back(drain)
    return drain


def pause_all(*, note: str) -> None:
    """Pause every plan that runs, since nobody knows whether it should."""
    Drain.objects.filter(state=DrainState.RUNNING).update(state=DrainState.PAUSED, note=note)


def give_service_back(drain: Drain, **changes: Any) -> None:
    """Let the host be as enabled as it was, unless somebody has changed that meanwhile."""
    disabled = Hypervisor.objects.filter(
        pk=drain.hypervisor_id, is_enabled=False, disabled_reason=drain.reason
    )
    disabled.update(is_enabled=drain.was_enabled, disabled_reason=drain.was_reason, **changes)


def _open_one(hypervisor: Hypervisor, now: datetime) -> Drain:
    """The host's open plan, made if there is none, held until the caller's transaction ends."""
    rows = Drain.objects.select_for_update(of=("self",)).select_related("hypervisor")
    found = rows.filter(hypervisor=hypervisor, state__in=OPEN).first()
    if found is not None:
        return found
    try:
        with transaction.atomic():
            return Drain.objects.create(hypervisor=hypervisor, planned_at=now)
    except IntegrityError as error:
        raise InvalidDrainState(
            f"Somebody else is just planning to drain {hypervisor.name}."
        ) from error


def _locked(
    hypervisor: Hypervisor, actor: Actor, expected: Collection[DrainState], asked: str
) -> Drain:
    """The host's newest plan, held until the caller's transaction ends."""
    policy.require(actor, CHANGE)
    key = newest_drain(hypervisor=hypervisor, actor=actor).pk
    rows = Drain.objects.select_for_update(of=("self",)).select_related("hypervisor")
    drain = rows.get(pk=key)
    if drain.state not in expected:
        raise _refused(drain, asked)
    return drain


def _refused(drain: Drain, asked: str) -> InvalidDrainState:
    return InvalidDrainState(
        f"The plan {drain.pk} to drain {drain.hypervisor.name} is {drain.state} and cannot be "
        f"{asked}."
    )


def _sign(drain: Drain, did: str, actor: Actor, now: datetime, *, in_its_name: bool = True) -> None:
    """Note who asked for it; with `in_its_name` the moves are in that name from now on."""
    if in_its_name:
        drain.user_id, drain.user_name = actor.user_id, actor.user_name
    entry = {"at": f"{now:%Y-%m-%dT%H:%M:%SZ}", "user": actor.user_name, "did": did}
    drain.log = [*drain.log, entry]


# What can be asked of a plan that is there, by the word for it.
CHANGES = {
    "start": start_drain,
    "pause": pause_drain,
    "resume": resume_drain,
    "cancel": cancel_drain,
}
