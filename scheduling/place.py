"""Place a server: choose, claim, and keep the reasons."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Sum

from hypervisors.capacity import claim, take, unclaim
from hypervisors.models import Hypervisor
from hypervisors.numa import NumaPlacement
from scheduling.cells import fit_cells, lock_cells
from scheduling.choose import Candidate, Choice, choose_hosts
from scheduling.devices import fit_devices, hold_devices, unclaimed
from scheduling.errors import NoValidHost
from scheduling.groups import with_group
from scheduling.models import Allocation, Decision
from scheduling.network_needs import with_networks
from scheduling.request_spec import RequestSpec

ALTERNATES = 2


def place_server(
    *,
    server_id: UUID,
    spec: RequestSpec,
    without: list[str],
    operation_id: UUID,
    request_id: str,
    now: datetime,
) -> Allocation:
    """Claim the best host that still has room; a lost race tries the next candidate.

    Members of one server group are placed one after the other, so that each sees where the
    others have gone.

    A server that holds an allocation keeps it, so a repeated call changes nothing. One on a host
    that is left out this time is another matter: it stays for as long as that host owes its part.

    Raises:
        NoValidHost: says which filter removed how many hosts; the decision is kept all the same.
    """
    with transaction.atomic():
        allocations = Allocation.objects.select_related("hypervisor").filter(server_id=server_id)
        held = allocations.exclude(hypervisor__name__in=without).first()
        if held is not None:
            return held
        spec = with_networks(with_group(spec, server_id, lock=True), server_id)
        choice = choose_hosts(spec, without=without)
        won = next((each for each in choice.candidates if _claim(server_id, each, spec, now)), None)
        decision = Decision.objects.create(
            server_id=server_id,
            operation_id=operation_id,
            request_id=request_id,
            created_at=now,
            **_reasons(choice, won),
        )
    if won is None:
        raise NoValidHost(decision.summary)
    return Allocation.objects.select_related("hypervisor").get(
        server_id=server_id, hypervisor_id=won.hypervisor_id
    )


def _reasons(choice: Choice, won: Candidate | None) -> dict[str, Any]:
    others = [each.host for each in choice.candidates if won is None or each.host != won.host]
    summary = (
        f"{won.host}, with weight {won.total}, of {choice.asked} hosts."
        if won
        else choice.refusal()
    )
    return {
        "candidates": choice.asked,
        "filters": choice.filters,
        "weights": _weights(choice),
        "chosen": won.host if won else "",
        "alternates": others[:ALTERNATES],
        "summary": summary,
    }


def _weights(choice: Choice) -> list[dict[str, object]]:
    return [
        {"host": each.host, "total": each.total, "weights": each.weights}
        for each in choice.candidates
    ]


def _claim(server_id: UUID, host: Candidate, spec: RequestSpec, now: datetime) -> bool:
    """Counters and row together, so that neither ever stands alone."""
    with transaction.atomic():
        if not claim(
            host.hypervisor_id, vcpus=spec.vcpus, ram_mib=spec.ram_mib, disk_gib=spec.disk_gib
        ):
            return False
        # The counters' row is the lock: until the end nobody else chooses among these cells and
        # devices.
        cells = fit_cells(host.hypervisor_id, spec)
        devices = fit_devices(host.hypervisor_id, spec)
        if cells is None or devices is None:
            transaction.set_rollback(True)
            return False
        allocation = Allocation.objects.create(
            server_id=server_id,
            hypervisor_id=host.hypervisor_id,
            vcpus=spec.vcpus,
            ram_mib=spec.ram_mib,
            disk_gib=spec.disk_gib,
            numa=cells,
            created_at=now,
        )
        hold_devices(allocation, spec.pci, devices)
        return True


def hold_server(
    *,
    server_id: UUID,
    hypervisor_id: int,
    spec: RequestSpec,
    now: datetime,
    numa: NumaPlacement | None = None,
    pci: Sequence[str] = (),
) -> bool:
    """Write down what a server that runs on the host already takes of it, room or no room.

    `numa` is what its guest has of the host's cells, `pci` the addresses of its devices; without
    them they are chosen anew.

    Returns whether it was not yet written down.
    """
    with transaction.atomic():
        lock_cells(hypervisor_id, spec)
        cells = [numa.to_json()] if numa is not None else fit_cells(hypervisor_id, spec)
        allocation, is_new = Allocation.objects.get_or_create(
            server_id=server_id,
            hypervisor_id=hypervisor_id,
            defaults={
                "vcpus": spec.vcpus,
                "ram_mib": spec.ram_mib,
                "disk_gib": spec.disk_gib,
                "numa": cells or [],
                "created_at": now,
            },
        )
        if is_new:
            # What its guest says it has may be another's by now, and stays so.
            devices = unclaimed(hypervisor_id, pci) if pci else fit_devices(hypervisor_id, spec)
            hold_devices(allocation, spec.pci, devices or ())
            take(hypervisor_id, vcpus=spec.vcpus, ram_mib=spec.ram_mib, disk_gib=spec.disk_gib)
    return is_new


def release_server(
    *, server_id: UUID, hypervisor_id: int | None = None, but_on: Collection[str] = ()
) -> None:
    """Give back what a server holds, on one host or on all but some; holding nothing is fine."""
    held = Allocation.objects.filter(server_id=server_id).exclude(hypervisor__name__in=but_on)
    if hypervisor_id is not None:
        held = held.filter(hypervisor_id=hypervisor_id)
    for pk in held.values_list("pk", flat=True):
        with transaction.atomic():
            # The lock, then the delete, decide who gives back: of two callers only one does.
            allocation = Allocation.objects.select_for_update().filter(pk=pk).first()
            if allocation is None:
                continue
            allocation.delete()
            unclaim(
                allocation.hypervisor_id,
                vcpus=allocation.vcpus,
                ram_mib=allocation.ram_mib,
                disk_gib=allocation.disk_gib,
            )


def recount(*, hypervisor_id: int) -> None:
    """Set a host's counters to the sum of its allocations."""
    with transaction.atomic():
        # The lock first: a claim that holds it has committed its allocation when we get it.
        host = Hypervisor.objects.select_for_update().get(pk=hypervisor_id)
        held = Allocation.objects.filter(hypervisor=host).aggregate(
            vcpus_used=Sum("vcpus", default=0),
            ram_mib_used=Sum("ram_mib", default=0),
            disk_gib_used=Sum("disk_gib", default=0),
        )
        Hypervisor.objects.filter(pk=host.pk).update(**held)
