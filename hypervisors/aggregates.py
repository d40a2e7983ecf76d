"""Groups of hosts, kept by administrators; one with a zone is what tenants choose from.

A host stands in one zone. Servers stay where they are when groups change, so whatever would move
a host that has servers into another zone is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import copy
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

import hypervisors.rules  # noqa: F401 - declares the rules
from cloudportal.errors import Conflict, Invalid
from hypervisors.errors import (
    AggregateExists,
    AggregateNotFound,
    AggregateZoneConflict,
    HypervisorNotFound,
)
from hypervisors.models import DEFAULT_ZONE, Aggregate, Hypervisor
from hypervisors.occupants import occupants_of
from hypervisors.platforms import check_words
from hypervisors.zones import zones_of
from identity import policy
from identity.actors import Actor

_RULE = "os_compute_api:os-aggregates:"
# The zone's name among the metadata, where the wire shows it too.
ZONE_KEY = "availability_zone"
# What the database's keys can be.
MAX_DIGITS = 18
_ADDING = "Cannot add host to aggregate {}. Reason: "
_REMOVING = "Cannot remove host from aggregate {}. Reason: "
_CHANGING = "Cannot update aggregate {}. Reason: "
_CHANGING_METADATA = "Cannot update metadata of aggregate {}. Reason: "


@dataclass(frozen=True, kw_only=True)
class AggregateChange:
    """What to change; None leaves it as it is, and a zone that is "" is refused."""

    name: str | None = None
    zone: str | None = None


def find_aggregate(identifier: str) -> Aggregate:
    """The group of that number.

    Raises:
        Invalid: it is no number.
        AggregateNotFound: there is none.
    """
    if not (identifier.isascii() and identifier.isdigit()):
        raise Invalid(f"Invalid ID format for aggregate: {identifier}.")
    found = None
    if len(identifier) <= MAX_DIGITS:
        found = Aggregate.objects.filter(pk=int(identifier)).first()
    if found is None:
        raise AggregateNotFound(f"Aggregate {identifier} could not be found.")
    return found


def create_aggregate(*, name: str, zone: str, actor: Actor, now: datetime) -> Aggregate:
    """Make a group without hosts; `zone` may be "".

    Raises:
        Forbidden: only administrators do.
        AggregateExists: the name is taken.
    """
    policy.require(actor, f"{_RULE}create")
    made = Aggregate(name=name, availability_zone=zone, created_at=now)
    try:
        with transaction.atomic():
            made.save(force_insert=True)
    except IntegrityError as error:
        raise _taken(name) from error
    return made


def update_aggregate(
    *, aggregate: Aggregate, change: AggregateChange, actor: Actor, now: datetime
) -> Aggregate:
    """Give a group another name or zone.

    Raises:
        Forbidden: only administrators do.
        AggregateExists: the name is taken.
        Invalid: the zone has no name, or its hosts cannot change theirs.
        AggregateNotFound: it was deleted meanwhile.
    """
    policy.require(actor, f"{_RULE}update")
    try:
        with transaction.atomic():
            locked = _locked(aggregate)
            if change.zone is not None:
                _set_zone(locked, change.zone, _CHANGING)
            locked.name = locked.name if change.name is None else change.name
            return _saved(locked, now)
    except IntegrityError as error:
        raise _taken(change.name or "") from error


def delete_aggregate(*, aggregate: Aggregate, actor: Actor) -> None:
    """Forget a group that has no host.

    Raises:
        Forbidden: only administrators do.
        Invalid: there are hosts in it.
        AggregateNotFound: it was deleted meanwhile.
    """
    policy.require(actor, f"{_RULE}delete")
    with transaction.atomic():
        locked = _locked(aggregate)
        if locked.hypervisors.exists():
            raise Invalid(
                f"Cannot delete aggregate {locked.pk}. Reason: Host aggregate is not empty."
            )
        locked.delete()


def add_host(*, aggregate: Aggregate, host: str, actor: Actor, now: datetime) -> Aggregate:
    """Put a host into a group.

    Raises:
        Forbidden: only administrators do.
        HypervisorNotFound: there is no such host.
        Conflict: it is there already, or in another zone, or its servers would change theirs.
        AggregateNotFound: it was deleted meanwhile.
    """
    policy.require(actor, f"{_RULE}add_host")
    with transaction.atomic():
        locked = _locked(aggregate)
        found = Hypervisor.objects.select_for_update().filter(name=host).first()
        if found is None:
            raise HypervisorNotFound(f"Compute host {host} could not be found.")
        if locked.hypervisors.filter(pk=found.pk).exists():
            raise Conflict(f"Aggregate {locked.pk} already has host {host}.")
        check_joining(locked, [found])
        locked.hypervisors.add(found)
        return _saved(locked, now)


def remove_host(*, aggregate: Aggregate, host: str, actor: Actor, now: datetime) -> Aggregate:
    """Take a host out of a group.

    Raises:
        Forbidden: only administrators do.
        HypervisorNotFound: there is no such host in it.
        Conflict: its servers would change their zone.
        AggregateNotFound: it was deleted meanwhile.
    """
    policy.require(actor, f"{_RULE}remove_host")
    with transaction.atomic():
        locked = _locked(aggregate)
        found = (
            Hypervisor.objects.select_for_update(of=("self",))
            .filter(name=host, aggregates=locked)
            .first()
        )
        if found is None:
            raise HypervisorNotFound(f"Cannot remove host {host} in aggregate {locked.pk}")
        check_leaving(locked, [found])
        locked.hypervisors.remove(found)
        return _saved(locked, now)


def set_metadata(
    *, aggregate: Aggregate, metadata: Mapping[str, str | None], actor: Actor, now: datetime
) -> Aggregate:
    """Merge into a group's metadata; None removes a key. The zone's name is one of them.

    Raises:
        Forbidden: only administrators do.
        Invalid: the zone has no name, or its hosts cannot change theirs; or something is said of
            the guests that has no meaning.
        AggregateNotFound: it was deleted meanwhile.
    """
    policy.require(actor, f"{_RULE}set_metadata")
    check_words(metadata)
    with transaction.atomic():
        locked = _locked(aggregate)
        if ZONE_KEY in metadata:
            _set_zone(locked, metadata[ZONE_KEY] or "", _CHANGING_METADATA)
        merged = {**locked.metadata, **metadata}
        locked.metadata = {
            key: value for key, value in merged.items() if value is not None and key != ZONE_KEY
        }
        return _saved(locked, now)


def check_joining(aggregate: Aggregate, hosts: Collection[Hypervisor]) -> None:
    """Look whether hosts may come into a group.

    Raises:
        AggregateZoneConflict: one is in another zone, or has servers that would change theirs.
    """
    zone = aggregate.availability_zone
    if not zone or not hosts:
        return
    _check_no_other_zone(aggregate, zone, hosts, _ADDING)
    change = _first_change(hosts, zone)
    if change:
        raise AggregateZoneConflict(
            _ADDING.format(aggregate.pk)
            + f"The host cannot be added to the aggregate as the availability zone of the host "
            f"would change {change} Migrate the instances away from the host and try again."
        )


def check_leaving(aggregate: Aggregate, hosts: Collection[Hypervisor]) -> None:
    """Look whether hosts may leave a group.

    Raises:
        AggregateZoneConflict: one has servers that would change their zone.
    """
    zone = aggregate.availability_zone
    if not zone or not hosts:
        return
    staying = _zoned(hosts).exclude(pk=aggregate.pk).filter(availability_zone=zone)
    kept = set(staying.values_list("hypervisors", flat=True))
    change = _first_change([host for host in hosts if host.pk not in kept], DEFAULT_ZONE)
    if change:
        raise AggregateZoneConflict(
            _REMOVING.format(aggregate.pk)
            + f"The host cannot be removed from the aggregate as the availability zone of the "
            f"host would change {change} Migrate the instances away from the host and try again."
        )


def check_new_zone(aggregate: Aggregate, zone: str, *, why: str = _CHANGING) -> None:
    """Look whether the hosts of a group may all change to this zone; "" is none.

    Raises:
        AggregateZoneConflict: one is in another zone besides, or has servers.
    """
    if zone == aggregate.availability_zone:
        return
    hosts = list(
        Hypervisor.objects.select_for_update(of=("self",))
        .filter(aggregates=aggregate)
        .order_by("pk")
    )
    if zone:
        _check_no_other_zone(aggregate, zone, hosts, why)
    if any(occupants_of([host.pk for host in hosts]).values()):
        raise AggregateZoneConflict(
            why.format(aggregate.pk) + "One or more hosts contain instances in this zone."
        )


def check_change(*, aggregate: Aggregate, zone: str, hosts: Collection[Hypervisor]) -> None:
    """Look whether a group, as it is stored or new, may have this zone ("" is none) and hosts.

    Raises:
        AggregateZoneConflict: a host would be in two zones, or its servers in another than now.
    """
    before = list(aggregate.hypervisors.all()) if aggregate.pk else []
    check_leaving(aggregate, [host for host in before if host not in hosts])
    if aggregate.pk:
        check_new_zone(aggregate, zone)
    changed = copy(aggregate)
    changed.availability_zone = zone
    check_joining(changed, [host for host in hosts if host not in before])


def _set_zone(aggregate: Aggregate, zone: str, why: str) -> None:
    if not zone:
        raise Invalid(
            why.format(aggregate.pk)
            + f"Aggregate {aggregate.name} does not support empty named availability zone."
        )
    try:
        check_new_zone(aggregate, zone, why=why)
    except AggregateZoneConflict as error:
        # The wire calls it a bad request where a group changes, a conflict where a host does.
        raise Invalid(error.message) from error
    aggregate.availability_zone = zone


def _check_no_other_zone(
    aggregate: Aggregate, zone: str, hosts: Collection[Hypervisor], why: str
) -> None:
    others = _zoned(hosts).exclude(pk=aggregate.pk).exclude(availability_zone=zone)
    zones = sorted(set(others.values_list("availability_zone", flat=True)))
    if zones:
        raise AggregateZoneConflict(
            why.format(aggregate.pk)
            + f"One or more hosts already in availability zone(s) {', '.join(zones)}."
        )


def _first_change(hosts: Collection[Hypervisor], zone: str) -> str:
    """What would change for the first host with servers that is elsewhere; "" for none."""
    keys = [host.pk for host in hosts]
    occupants = occupants_of(keys)
    for key, now in zones_of(keys).items():
        if now != zone and occupants[key]:
            return (
                f"from '{now}' to '{zone}' but the host already has {len(occupants[key])} "
                "instance(s)."
            )
    return ""


def _zoned(hosts: Collection[Hypervisor]) -> QuerySet[Aggregate]:
    return Aggregate.objects.filter(hypervisors__in=hosts).exclude(availability_zone="")


def _locked(aggregate: Aggregate) -> Aggregate:
    """The row, held until the transaction ends; of two requests about it one comes second."""
    found = Aggregate.objects.select_for_update().filter(pk=aggregate.pk).first()
    if found is None:
        raise AggregateNotFound(f"Aggregate {aggregate.pk} could not be found.")
    return found


def _saved(aggregate: Aggregate, now: datetime) -> Aggregate:
    aggregate.updated_at = now
    aggregate.save(update_fields=["name", "availability_zone", "metadata", "updated_at"])
    return aggregate


def _taken(name: str) -> AggregateExists:
    return AggregateExists(f"Aggregate {name} already exists.")
