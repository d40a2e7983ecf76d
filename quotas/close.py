"""End a project's account: first nothing more is taken in its name, then nothing is known of it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from identity.models import Project
from quotas.consume import lock_ledger
from quotas.models import ProjectLedger, QuotaLimit, Reservation, UserQuotaLimit
from quotas.past import note_end

FORGET_EVERY_S = 3600.0
# No request is under way for so long, so none can find the ledger gone and open it anew.
CLOSED_FOR = timedelta(days=1)


def close_account(project_id: str, now: datetime) -> None:
    """Let the project take nothing more; what it holds stays, and again changes nothing.

    Whoever took something before has committed when the lock is ours, and whoever comes later
    finds the account closed: so what the project owns can only become less.
    """
    with transaction.atomic():
        lock_ledger(project_id, now=now)
        rows = ProjectLedger.objects.filter(project_id=project_id, closed_at=None)
        rows.update(closed_at=now)


def forget_account(project_id: str, now: datetime) -> None:
    """Forget the limits of a project that is deleted, and what was reserved for nothing.

    The closed ledger stays for a while, see `forget_closed`, and what it used for statements.
    """
    leaked = Reservation.objects.filter(project_id=project_id)
    note_end(leaked, now)
    leaked.delete()
    QuotaLimit.objects.filter(project_id=project_id).delete()
    UserQuotaLimit.objects.filter(project_id=project_id).delete()


def forget_closed(now: datetime) -> int:
    """Delete the closed ledgers of projects that are gone for long; returns how many."""
    closed = ProjectLedger.objects.filter(closed_at__lt=now - CLOSED_FOR)
    there = Project.objects.values("pk")
    return closed.exclude(project_id__in=there).delete()[0]
