"""Drains of hosts, and the servers of each; projects as they are removed."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from hypervisors.models import Hypervisor
from identity.models import Project
from maintenance.states import OPEN, DrainState, ItemState, Way
from servers.models import Migration, Server

MAX_AT_ONCE = 16
MAX_REASON = 1024


class Drain(models.Model):
    """A plan to empty a host; one at most of a host is open.

    `max_at_once`: so many servers leave the host at a time, and so many come to another one.
    `moves_stopped`: servers that are off are migrated cold. `user_id` and `user_name` are who
    planned or started it last, "" the portal's own command line; the moves are in that name.
    `was_enabled` and `was_reason` are the host's service as it was before. `log` is what was asked
    of it: [{"at", "user", "did"}].
    """

    hypervisor = models.ForeignKey(Hypervisor, models.CASCADE, related_name="drains")
    state = models.CharField(max_length=16, choices=DrainState.choices, default=DrainState.PLANNED)
    max_at_once = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(MAX_AT_ONCE)]
    )
    moves_stopped = models.BooleanField(default=True)
    user_id = models.CharField(max_length=64, blank=True, default="")
    user_name = models.CharField(max_length=255, blank=True, default="")
    was_enabled = models.BooleanField(default=True)
    was_reason = models.CharField(max_length=255, blank=True, default="")
    # What it waits for, in words.
    note = models.CharField(max_length=MAX_REASON, blank=True, default="")
    log = models.JSONField(default=list)
    planned_at = models.DateTimeField(default=timezone.now)
    started_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(
        null=True
    )
    ended_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(
        null=True
    )

    class Meta:
        ordering = ["-planned_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["hypervisor"],
                condition=models.Q(state__in=["planned", "running", "paused"]),
                name="one_open_drain_of_host",
            ),
        ]
        indexes = [models.Index(fields=["hypervisor", "-planned_at"], name="drain_newest")]

    def __str__(self) -> str:
        return f"drain {self.pk} of {self.hypervisor}"

    @property
    def is_open(self) -> bool:
        """Whether it is not over."""
        return self.state in OPEN

    @property
    def reason(self) -> str:
        """Why the host is disabled meanwhile."""
        return f"It is being drained (plan {self.pk})."


class DrainItemQuerySet(models.QuerySet["DrainItem"]):
    """Queries over the servers of plans."""

    def change(self, now: datetime, **fields: Any) -> bool:
        """Set fields; whether there was a row to set them in."""
        if "reason" in fields:
            fields["reason"] = str(fields["reason"])[:MAX_REASON]
        return bool(self.update(updated_at=now, **fields))


class DrainItem(models.Model):
    """A server of a plan: the way it is to leave, and how far it is.

    `destination` is the name of the host that it is thought to go to, and once it moves of the one
    that it goes to. `reason` says why there, what is in the way, or what went wrong. `refused` has
    the hosts that cannot have it: {name: why}. Before `due_at` it is not looked at again.
    `request_id` is that of the newest move.
    """

    drain = models.ForeignKey(Drain, models.CASCADE, related_name="items")
    server = models.ForeignKey(Server, models.CASCADE, related_name="+")
    position = models.PositiveIntegerField(default=0)
    way = models.CharField(max_length=8, choices=Way.choices, default=Way.NONE)
    state = models.CharField(max_length=16, choices=ItemState.choices, default=ItemState.WAITING)
    destination = models.CharField(max_length=255, blank=True, default="")
    reason = models.CharField(max_length=MAX_REASON, blank=True, default="")
    refused = models.JSONField(default=dict)
    # Both hosts were asked about the move that is thought of, and can do it.
    is_checked = models.BooleanField(default=False)
    tries = models.PositiveSmallIntegerField(default=0)
    migration = models.ForeignKey(Migration, models.SET_NULL, null=True, related_name="+")
    request_id = models.CharField(max_length=64, blank=True, default="")
    due_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[models.Manager[DrainItem]] = DrainItemQuerySet.as_manager()

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["drain", "server"], name="server_once_in_drain"),
        ]

    def __str__(self) -> str:
        return f"{self.server_id}: {self.state}"


class OwningProject(Project):
    """A project seen as what it owns, for the admin's pages."""

    class Meta:
        proxy = True
        verbose_name = "project with what it owns"
        verbose_name_plural = "projects with what they own"
