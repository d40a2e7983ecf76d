"""What the debts of volumes are about, for administrators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from operations.debts import DebtFacts
from volumes.models import Snapshot, Volume


def describe_deletes(params: Sequence[Mapping[str, Any]]) -> list[DebtFacts]:
    """Which volumes are still to be deleted from which hosts; one query however many."""
    wanted = [each["volume"] for each in params]
    rows = Volume.objects.select_related("hypervisor").filter(pk__in=wanted)
    found = {str(row.pk): row for row in rows}
    return [_about("Delete the volume {} from the host", found.get(key)) for key in wanted]


def describe_snapshot_deletes(params: Sequence[Mapping[str, Any]]) -> list[DebtFacts]:
    """Which snapshots are still to be deleted from which hosts; one query however many."""
    wanted = [each["snapshot"] for each in params]
    rows = Snapshot.objects.select_related("hypervisor").filter(pk__in=wanted)
    found = {str(row.pk): row for row in rows}
    return [_about("Delete the snapshot {} from the host", found.get(key)) for key in wanted]


def _about(words: str, row: Volume | Snapshot | None) -> DebtFacts:
    if row is None:
        return DebtFacts(what=words.format("that is gone"))
    return DebtFacts(
        what=words.format(row.name or row.pk), host=row.hypervisor.name if row.hypervisor else ""
    )
