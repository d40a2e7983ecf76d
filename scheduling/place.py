"""Place a server: choose, claim, and keep the reasons."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from hypervisors.capacity import claim, unclaim
from scheduling.choose import Candidate, Choice, choose_hosts
from scheduling.errors import NoValidHost
from scheduling.models import Allocation, Decision
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

    A server that holds an allocation keeps it, so a repeated call changes nothing.

    Raises:
        NoValidHost: says which filter removed how many hosts; the decision is kept all the same.
    """
    with transaction.atomic():
        held = Allocation.objects.select_related("hypervisor").filter(server_id=server_id).first()
        if held is not None:
            return held
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
        Allocation.objects.create(
            server_id=server_id,
            hypervisor_id=host.hypervisor_id,
            vcpus=spec.vcpus,
            ram_mib=spec.ram_mib,
            disk_gib=spec.disk_gib,
            created_at=now,
        )
        return True


def release_server(*, server_id: UUID, hypervisor_id: int | None = None) -> None:
    """Give back what a server holds, on one host or on all; holding nothing is fine."""
    held = Allocation.objects.filter(server_id=server_id)
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
