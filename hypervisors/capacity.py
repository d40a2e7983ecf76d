"""Who may use how much of a host: claimed resources and build slots, both proof against races."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Floor, Greatest

from hypervisors.models import BuildSlot, Hypervisor
from operations.models import UNFINISHED, Operation


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
    with transaction.atomic():
        # The host's row is the lock: two operations never count at the same time.
        host = Hypervisor.objects.select_for_update().get(pk=hypervisor_id)
        slots = BuildSlot.objects.filter(hypervisor=host)
        if slots.filter(operation=operation_id).exists():
            return True
        unfinished = Operation.objects.filter(state__in=UNFINISHED).values("id")
        # What an operation that ended otherwise than by its steps has left behind.
        slots.exclude(operation__in=unfinished).delete()
        if slots.count() >= host.max_concurrent_builds:
            return False
        BuildSlot.objects.update_or_create(
            operation=operation_id, defaults={"hypervisor": host, "taken_at": now}
        )
        return True


def free_build_slot(*, operation_id: UUID) -> None:
    """Give the operation's slot back; having none is fine."""
    BuildSlot.objects.filter(operation=operation_id).delete()


def free_build_slots_of(*, subject: UUID) -> None:
    """Give back the slots of all operations on a subject, also of those that had to make way."""
    operations = Operation.objects.filter(subject=subject).values("id")
    BuildSlot.objects.filter(operation__in=operations).delete()
