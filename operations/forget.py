"""Forget finished operations after a while; what they did is in the servers' own history."""

from __future__ import annotations

from datetime import datetime, timedelta

from django_q.models import Task

from operations.models import Operation

FORGET_EVERY_S = 600.0
KEPT_FOR = timedelta(days=30)
# Jobs are wake-ups; what is kept of them is only the traces of those that broke off.
JOBS_KEPT_FOR = timedelta(days=7)
BATCH = 2000


def forget_finished(now: datetime) -> int:
    """Delete the oldest finished operations with their steps, and traces of jobs; returns how many.

    A batch a turn, so that a long history is no long transaction.
    """
    finished = Operation.objects.filter(finished_at__lt=now - KEPT_FOR)
    oldest = list(finished.order_by("finished_at").values_list("pk", flat=True)[:BATCH])
    Operation.objects.filter(pk__in=oldest).delete()
    Task.objects.filter(stopped__lt=now - JOBS_KEPT_FOR).delete()
    return len(oldest)
