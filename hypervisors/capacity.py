"""Who may use how much of a host: claimed resources and build slots, both proof against races."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Floor, Greatest

from hypervisors.models import BuildSlot, Hypervisor
from operations.models import UNFINISHED, Operation

ASK_EVERY_S = 0.3


def claim(hypervisor_id: int, *, vcpus: int, ram_mib: int, disk_gib: int) -> bool:
    """Take resources of a host if it still has them, ratios and reserves applied.

    One conditional UPDATE, so of two claims for the last room one fails. The caller writes its
    Allocation row in the same transaction.
    """
    changed = Hypervisor.objects.filter(
        pk=hypervisor_id,
        vcpus_used__lte=Floor(F("vcpus") * F("cpu_ratio")) - F("reserved_vcpus") - vcpus,
        ram_mib_used__lte=Floor(F("ram_mib") * F("ram_ratio")) - F("reserved_ram_mib") - ram_mib,
        disk_gib_used__lte=Floor(F("disk_gib") * F("disk_ratio"))
        - F("reserved_disk_gib")
        - disk_gib,
    ).update(
        vcpus_used=F("vcpus_used") + vcpus,
        ram_mib_used=F("ram_mib_used") + ram_mib,
        disk_gib_used=F("disk_gib_used") + disk_gib,
    )
    return bool(changed)


def take(hypervisor_id: int, *, vcpus: int, ram_mib: int, disk_gib: int) -> None:
    """Count what a guest that is there already takes, whether there was room for it or not.

    The caller writes its Allocation row in the same transaction.
    """
    Hypervisor.objects.filter(pk=hypervisor_id).update(
        vcpus_used=F("vcpus_used") + vcpus,
        ram_mib_used=F("ram_mib_used") + ram_mib,
        disk_gib_used=F("disk_gib_used") + disk_gib,
    )


def unclaim(hypervisor_id: int, *, vcpus: int, ram_mib: int, disk_gib: int) -> None:
    """Give resources back; the counters never go below 0. The caller deletes the Allocation."""
    none = Value(0)
    Hypervisor.objects.filter(pk=hypervisor_id).update(
        vcpus_used=Greatest(F("vcpus_used") - vcpus, none),
        ram_mib_used=Greatest(F("ram_mib_used") - ram_mib, none),
        disk_gib_used=Greatest(F("disk_gib_used") - disk_gib, none),
    )


def take_build_slot(*, hypervisor_id: int, operation_id: UUID, now: datetime) -> bool:
    """Let the operation build on the host, unless as many builds as allowed go on there.

    Asked again by the same operation it says yes again. An operation has one slot in all: with one
    on another host it moves here.
    """
    # Most of those who ask have to wait. That is seen without the lock, which in a crowd of them
    # would hold up those who build.
    if _is_full(hypervisor_id, operation_id):
        return False
    with transaction.atomic():
        # The host's row is the lock: two operations never count at the same time.
        host = Hypervisor.objects.select_for_update().get(pk=hypervisor_id)
        slots = BuildSlot.objects.filter(hypervisor=host)
        if slots.filter(operation=operation_id).exists():
            return True
        # What an operation that ended otherwise than by its steps has left behind.
        slots.exclude(operation__in=_unfinished()).delete()
        if slots.count() >= host.max_concurrent_builds:
            return False
        BuildSlot.objects.update_or_create(
            operation=operation_id, defaults={"hypervisor": host, "taken_at": now}
        )
        return True


def pause_s(*, waiting: int, places: int) -> float:
    """How long one of so many waits before it asks for a slot again.

    The more wait, the longer each: one of them asks as often as if only few did.
    """
    return ASK_EVERY_S * max(1.0, waiting / places)


def _is_full(hypervisor_id: int, operation_id: UUID) -> bool:
    """Whether others have all the slots there are, and still use them."""
    taken = BuildSlot.objects.filter(hypervisor=hypervisor_id, operation__in=_unfinished())
    most = Hypervisor.objects.filter(pk=hypervisor_id).values_list("max_concurrent_builds")
    others = taken.exclude(operation=operation_id)
    return others.count() >= most.get()[0]


def _unfinished() -> QuerySet[Operation, Any]:
    return Operation.objects.filter(state__in=UNFINISHED).values("id")


def free_build_slot(*, operation_id: UUID) -> None:
    """Give the operation's slot back; having none is fine."""
    BuildSlot.objects.filter(operation=operation_id).delete()


def free_build_slots_of(*, subject: UUID) -> None:
    """Give back the slots of all operations on a subject, also of those that had to make way."""
    operations = Operation.objects.filter(subject=subject).values("id")
    BuildSlot.objects.filter(operation__in=operations).delete()
