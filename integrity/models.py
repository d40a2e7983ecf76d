"""Findings, open and of the past, and the sweeps that looked for them."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.db import models
from django.utils import timezone

from hypervisors.models import Hypervisor
from integrity.states import FindingKind, Policy, Scope, subject_of


class FindingQuerySet(models.QuerySet["Finding"]):
    """Queries over findings."""

    def open(self) -> FindingQuerySet:
        """What is not as it should be, now; foreign things are no part of it."""
        return self.filter(repaired_at=None).exclude(policy=Policy.NEVER)

    def notes(self) -> FindingQuerySet:
        """Foreign things on our hosts: worth a word, never touched."""
        return self.filter(repaired_at=None, policy=Policy.NEVER)

    def past(self) -> FindingQuerySet:
        """What was found once and is well now."""
        return self.exclude(repaired_at=None).exclude(policy=Policy.NEVER)


class Finding(models.Model):
    """Something that is not as it should be; open until `repaired_at`.

    `plan` is what a repair will do, frozen: {"action": name, "args": {…}}; `repair` says it in
    words. `difference` is readable text, for a definition a unified difference of its XML.
    `sightings` counts the sweeps that saw it.
    """

    key = models.CharField(max_length=255)
    scope = models.CharField(max_length=8, choices=Scope.choices)
    kind = models.CharField(max_length=32, choices=FindingKind.choices)
    hypervisor = models.ForeignKey(
        Hypervisor, models.CASCADE, null=True, blank=True, related_name="findings"
    )
    server_id = models.UUIDField(null=True, blank=True, db_index=True)
    subject = models.CharField(max_length=255)
    summary = models.TextField()
    difference = models.TextField(blank=True, default="")
    repair = models.TextField(blank=True, default="")
    policy = models.CharField(max_length=16, choices=Policy.choices)
    plan = models.JSONField(default=dict, blank=True)
    first_seen_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)
    sightings = models.PositiveIntegerField(default=1)
    repaired_at = models.DateTimeField(null=True, blank=True)
    # Of its repair: how often tried, when last, and why that did not help.
    attempts = models.PositiveIntegerField(default=0)
    tried_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True, default="")

    objects: ClassVar[models.Manager[Finding]] = FindingQuerySet.as_manager()

    class Meta:
        ordering = ["-first_seen_at", "-id"]
        indexes = [models.Index(fields=["repaired_at"], name="finding_repaired")]
        constraints = [
            models.UniqueConstraint(
                fields=["key"], condition=models.Q(repaired_at=None), name="finding_open_once"
            ),
        ]

    def __str__(self) -> str:
        return self.summary

    @property
    def subject_id(self) -> UUID:
        """What its repair is an operation of."""
        return subject_of(
            scope=self.scope, hypervisor_id=self.hypervisor_id, server_id=self.server_id
        )


class Sweep(models.Model):
    """One look at everything. `hosts` and `unanswered` are names; `unanswered` were left out."""

    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True, db_index=True)
    hosts = models.JSONField(default=list)
    unanswered = models.JSONField(default=list)
    findings = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-started_at", "-id"]

    def __str__(self) -> str:
        return f"{self.findings} findings on {len(self.hosts)} hosts"
