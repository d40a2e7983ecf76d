"""The one row that is the truth about a piece of work; a job is only its wake-up."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone


class OperationState(models.TextChoices):
    """Where an operation stands."""

    PENDING = "pending"
    RUNNING = "running"
    UNDOING = "undoing"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


UNFINISHED = [OperationState.PENDING, OperationState.RUNNING, OperationState.UNDOING]


class Operation(models.Model):
    """Work on one subject: a list of steps, how far it got, and what it found out on the way.

    `cursor` is the number of steps done; while undoing, the number of steps not yet undone.
    `attempt` counts tries of the current step. `rounds` keeps the failure of each round that was
    undone before another way was tried. `successor` is what a cancelled operation makes way for.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=64)
    subject = models.UUIDField()
    queue = models.CharField(max_length=32, default="default")
    params = models.JSONField(default=dict)
    cursor = models.PositiveIntegerField(default=0)
    outputs = models.JSONField(default=dict)
    rounds = models.JSONField(default=list)
    state = models.CharField(
        max_length=16, choices=OperationState.choices, default=OperationState.PENDING
    )
    attempt = models.PositiveIntegerField(default=0)
    wake_at = models.DateTimeField(default=timezone.now)
    # Put aside until `wake_at`: nobody has sent the wake-up for then yet.
    is_put_aside = models.BooleanField(default=False, editable=False)
    # When a wake-up was last sent, and how often again in a row: the pauses between grow.
    swept_at = models.DateTimeField(default=timezone.now, editable=False)
    sweeps = models.PositiveSmallIntegerField(default=0, editable=False)
    deadline_at = models.DateTimeField(null=True, blank=True)
    lease_owner = models.CharField(max_length=96, blank=True, default="")
    lease_until = models.DateTimeField(null=True, blank=True)
    successor = models.JSONField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)
    request_id = models.CharField(max_length=64, blank=True, default="", db_index=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(
                fields=["wake_at"],
                condition=models.Q(state__in=["pending", "running", "undoing"]),
                name="operation_due",
            ),
            models.Index(fields=["subject", "-created_at"], name="operation_history"),
            models.Index(
                fields=["finished_at"],
                condition=models.Q(finished_at__isnull=False),
                name="operation_finished",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["subject"],
                condition=models.Q(state__in=["pending", "running", "undoing"]),
                name="one_unfinished_operation",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.subject}: {self.state}"


class StepResult(models.TextChoices):
    """How a try of a step ended; "" while it is under way, and for ever when its worker died."""

    SUCCESS = "Success"
    ERROR = "Error"
    RETRY = "Retry"
    WAIT = "Wait"
    POSTPONED = "Postponed"
    SUPERSEDED = "Superseded"


class StepRecord(models.Model):
    """When a step ran, and how it ended; one row a try, and one for waiting however often it asks.

    `ready_at` is on the first row that a worker writes: since when it could have been there.
    """

    operation = models.ForeignKey(Operation, models.CASCADE, related_name="records")
    step = models.CharField(max_length=64)
    direction = models.CharField(max_length=4, choices=[("do", "do"), ("undo", "undo")])
    ready_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    result = models.CharField(max_length=16, blank=True, default="")
    message = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.direction} {self.step}: {self.result or 'running'}"


class Timer(models.Model):
    """A periodic task's next turn, so that of several keepers one does it."""

    name = models.CharField(primary_key=True, max_length=64)
    due_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
