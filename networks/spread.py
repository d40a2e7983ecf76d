"""Bring changes of security groups to the filters of ports, on whichever hosts those are.

A change is noted as a row in its own transaction. Spreading turns the notes into marks on the ports
whose filters they change, and has each host with such ports bring its filters up to date; what a
host has is what the marks say, so nothing is lost if any of it is done late, twice or not at all.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet

from hypervisors.models import Hypervisor
from networks.models import GroupChange, Port
from operations.enqueue import AlreadyAtWork, enqueue

SPREAD, APPLY = "network.spread_changes", "network.apply_filters"
# Notes of members wait for this; those of rules are spread at once.
SPREAD_EVERY_S = 3.0
_SPREADING = uuid.UUID("9a3f6f2e-5f3a-4c39-8f2a-1b9f2f0d7c11")
_AT_ONCE = 500


def note_rules(groups: Iterable[UUID], *, now: datetime, request_id: str = "") -> None:
    """The rules of these groups changed; inside the caller's transaction."""
    _note(groups, now, is_of_members=False)
    wake_spread(now=now, request_id=request_id)


def note_members(groups: Iterable[UUID], *, now: datetime) -> None:
    """These groups have other ports, or ports with other addresses; in the same transaction."""
    _note(groups, now, is_of_members=True)


def _note(groups: Iterable[UUID], now: datetime, *, is_of_members: bool) -> None:
    GroupChange.objects.bulk_create(
        GroupChange(group_id=group, is_of_members=is_of_members, created_at=now)
        for group in set(groups)
    )


def mark_ports(ports: QuerySet[Port], *, now: datetime, request_id: str = "") -> None:
    """These ports are to follow other groups, or none; inside the caller's transaction."""
    ports.exclude(device_id="").update(filter_wanted=F("filter_wanted") + 1)
    wake_spread(now=now, request_id=request_id)


def wake_spread(*, now: datetime, request_id: str = "") -> None:
    """Have the notes spread, unless that is under way; then the timer sees to what it missed."""
    try:
        enqueue(SPREAD, subject=_SPREADING, params={}, request_id=request_id, now=now)
    except AlreadyAtWork:
        return


def sweep_changes(now: datetime) -> None:
    """Have spread what nobody is at."""
    if GroupChange.objects.exists() or stale_ports().exists():
        wake_spread(now=now)


def stale_ports() -> QuerySet[Port]:
    """The ports on hosts whose filters there are not what they should be."""
    return Port.objects.exclude(host="").exclude(filter_wanted=F("filter_applied"))


def mark_changed() -> bool:
    """Turn some notes into marks; whether there were any."""
    notes = list(GroupChange.objects.order_by("pk")[:_AT_ONCE])
    if not notes:
        return False
    own = {note.group_id for note in notes if not note.is_of_members}
    others = {note.group_id for note in notes if note.is_of_members}
    changed = Q(security_groups__in=own) | Q(security_groups__rules__remote_group__in=others)
    ports = Port.objects.exclude(device_id="").filter(changed).order_by().values("pk")
    with transaction.atomic():
        Port.objects.filter(pk__in=ports).update(filter_wanted=F("filter_wanted") + 1)
        GroupChange.objects.filter(pk__in=[note.pk for note in notes]).delete()
    return True


def wake_hosts(*, now: datetime, request_id: str = "") -> None:
    """Have every host with marked ports bring its filters up to date."""
    names = stale_ports().order_by().values_list("host", flat=True).distinct()
    for hypervisor_id in Hypervisor.objects.filter(name__in=names).values_list("pk", flat=True):
        try:
            enqueue(
                APPLY,
                subject=uuid.uuid5(_SPREADING, f"hypervisor {hypervisor_id}"),
                params={"hypervisor": hypervisor_id},
                request_id=request_id,
                now=now,
            )
        except AlreadyAtWork:
            continue
