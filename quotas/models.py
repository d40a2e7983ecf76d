"""Limits and the reservation ledger; usage is always a sum of reservation rows."""

from django.db import models
from django.utils import timezone

from identity.models import Project


class ProjectLedger(models.Model):
    """The row that is locked while a project's usage is compared with its limits.

    From `closed_at` on nothing more is taken in the project's name: it is being removed, or gone.
    """

    project_id = models.CharField(primary_key=True, max_length=64)
    touched_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)

    def __str__(self) -> str:
        return self.project_id


class Reservation(models.Model):
    """So much of a resource is used by one subject (a server, a port …) of a project.

    `user_id` is whose it is where a resource is counted by user too, else "". `created_at` is since
    when it is just this amount.
    """

    project_id = models.CharField(max_length=64)
    user_id = models.CharField(max_length=64, blank=True, default="")
    resource = models.CharField(max_length=64)
    amount = models.PositiveBigIntegerField()
    subject = models.UUIDField(db_index=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            # Holds the amount too, so a usage sum reads the index alone.
            models.Index(fields=["project_id", "resource", "amount"], name="reservation_usage"),
            models.Index(
                fields=["project_id", "user_id", "resource", "amount"], name="reservation_by_user"
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["subject", "resource"], name="reservation_once"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.resource} of {self.project_id}"


class PastReservation(models.Model):
    """What was reserved once: given back, or of another amount since `ended_at`.

    Kept for statements, for as long as the settings say, and longer than its project lives.
    """

    project_id = models.CharField(max_length=64)
    user_id = models.CharField(max_length=64, blank=True, default="")
    resource = models.CharField(max_length=64)
    amount = models.PositiveBigIntegerField()
    subject = models.UUIDField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["project_id", "ended_at"], name="past_reservation_of_project"),
            models.Index(fields=["ended_at"], name="past_reservation_oldest"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.resource} of {self.project_id} until {self.ended_at}"


class QuotaLimit(models.Model):
    """A project's own limit for one resource; -1 is unlimited. Without a row the default holds."""

    project_id = models.CharField(max_length=64)
    resource = models.CharField(max_length=64)
    limit = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project_id", "resource"], name="quota_limit_once"),
            models.CheckConstraint(condition=models.Q(limit__gte=-1), name="quota_limit_range"),
        ]

    def __str__(self) -> str:
        return f"{self.resource}: {self.limit} for {self.project_id}"


class UserQuotaLimit(models.Model):
    """One user's limit in one project; holds beside the project's own. -1 is unlimited."""

    project_id = models.CharField(max_length=64)
    user_id = models.CharField(max_length=64)
    resource = models.CharField(max_length=64)
    limit = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project_id", "user_id", "resource"], name="user_quota_limit_once"
            ),
            models.CheckConstraint(condition=models.Q(limit__gte=-1), name="user_quota_range"),
        ]

    def __str__(self) -> str:
        return f"{self.resource}: {self.limit} for {self.user_id} in {self.project_id}"


class QuotaDefault(models.Model):
    """A stored default of a quota class; only the class `default` feeds projects."""

    class_name = models.CharField(max_length=255, default="default")
    resource = models.CharField(max_length=64)
    limit = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["class_name", "resource"], name="quota_default_once"),
            models.CheckConstraint(condition=models.Q(limit__gte=-1), name="quota_default_range"),
        ]

    def __str__(self) -> str:
        return f"{self.class_name}.{self.resource}: {self.limit}"


class ProjectQuota(Project):
    """A project seen as what it may take and has taken, for the admin's pages."""

    class Meta:
        proxy = True
        verbose_name = "quota of a project"
        verbose_name_plural = "quotas of projects"
