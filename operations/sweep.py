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
        .values_list("pk", "queue", "wake_at", "swept_at", "sweeps", "lease_until")
        .order_by("wake_at")[:BATCH]
    )
    woken = 0
    for pk, queue, wake_at, swept_at, sweeps, lease_until in due:
        # Fresh from a pause (`swept_at` was set to its end), or orphaned: at once.
        first = sweeps == 0 and (swept_at == wake_at and swept_at > now - timedelta(seconds=2))
        orphaned = sweeps == 0 and lease_until is not None
        pause = min(FIRST_PAUSE_S * 2**sweeps, PAUSE_LIMIT_S)
        if not (first or orphaned or swept_at < now - timedelta(seconds=pause)):
            continue
        changed = Operation.objects.filter(pk=pk, swept_at=swept_at, sweeps=sweeps).update(
            swept_at=now, sweeps=F("sweeps") + 1
        )
        if changed:
            wake(pk, queue)
            woken += 1
    return woken
