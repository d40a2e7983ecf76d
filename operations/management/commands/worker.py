"""A worker: runs the operations of one queue."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cloudportal.checks import wait_until_ready
from operations.cluster import run_cluster


class Command(BaseCommand):
    """`manage.py worker`: runs until it gets a TERM or INT signal.

    The queue is `default`, or the one that `Q_CLUSTER_NAME` names: django-q2 reads it when it is
    imported, before any option.
    """

    help = "Runs the operations of a queue (Q_CLUSTER_NAME=transfer for long transfers)."
    # All checks would load every page and API, a fifth of the portal's memory.
    requires_system_checks = ["cloudportal_state"]

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until told to stop; not before the database answers."""
        wait_until_ready()
        if not run_cluster():
            raise CommandError("The cluster ended by itself.")
