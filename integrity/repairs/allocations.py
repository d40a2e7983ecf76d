"""Repairs of what servers hold of hosts."""

from __future__ import annotations

from django.db import transaction

from integrity.repairs.work import Work
from scheduling.place import recount


def recount_host(work: Work) -> None:
    """Set a host's counters to the sum of its allocations."""
    with transaction.atomic():
        recount(hypervisor_id=work.host.pk)
