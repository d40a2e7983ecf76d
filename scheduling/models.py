"""What servers hold of a host, and why they were put there."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from hypervisors.models import Hypervisor


class Allocation(models.Model):
    """What one server holds of one host: the truth that the host's counters are rebuilt from."""

    server_id = models.UUIDField()
    hypervisor = models.ForeignKey(Hypervisor, models.PROTECT, related_name="allocations")
    vcpus = models.PositiveIntegerField()
    ram_mib = models.PositiveIntegerField()
    disk_gib = models.PositiveIntegerField()
    # What it holds of the host's cells: placements as JSON (`hypervisors.numa.NumaPlacement`). More
    # than one only while it changes its size on its host.
    numa = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["server_id", "hypervisor"], name="allocation_once"),
        ]

    def __str__(self) -> str:
        return f"{self.server_id} on {self.hypervisor}"


class Decision(models.Model):
    """A scheduling decision with its reasons.

    `filters`: as in `scheduling.choose.Choice`, in the order they were asked.
    `weights`: [{host, total, weights: {weigher: value}}], best first.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    server_id = models.UUIDField(db_index=True)
    operation_id = models.UUIDField(null=True)
    request_id = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now)
    candidates = models.PositiveIntegerField(default=0)
    filters = models.JSONField(default=list)
    weights = models.JSONField(default=list)
    chosen = models.CharField(max_length=255, blank=True, default="")
    alternates = models.JSONField(default=list)
    summary = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.summary or str(self.id)
