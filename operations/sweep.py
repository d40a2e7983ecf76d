"""Wake what should be going on and is not: pauses that ended, leases that ran out, lost jobs."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F, Q

from operations.enqueue import wake
from operations.models import UNFINISHED, Operation

# A wake-up may stand in a long queue; sending it again and again would only make it longer.
FIRST_PAUSE_S = 5.0
PAUSE_LIMIT_S = 300.0
BATCH = 500


def sweep(*, now: datetime) -> int:
    """Send a wake-up for every operation that is due and that nobody runs; returns how many."""
    due = (
        Operation.objects.filter(state__in=UNFINISHED, wake_at__lte=now)
        .filter(Q(lease_until=None) | Q(lease_until__lt=now))
        .order_by("wake_at")
        .only("queue", "is_put_aside", "swept_at", "sweeps", "lease_until")[:BATCH]
    )
    woken = 0
    for operation in due:
        if not _is_due(operation, now):
            continue
        changed = Operation.objects.filter(
            pk=operation.pk, swept_at=operation.swept_at, is_put_aside=operation.is_put_aside
        ).update(swept_at=now, is_put_aside=False, sweeps=F("sweeps") + 1)
        if changed:
            wake(operation.pk, operation.queue)
            woken += 1
    return woken


def _is_due(operation: Operation, now: datetime) -> bool:
    orphaned = operation.sweeps == 0 and operation.lease_until is not None
    if operation.is_put_aside or orphaned:
        return True
    pause_s = min(FIRST_PAUSE_S * 2 ** min(operation.sweeps, 10), PAUSE_LIMIT_S)
    return operation.swept_at < now - timedelta(seconds=pause_s)
