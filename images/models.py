"""The image catalogue; the bytes lie in files named by the image's id."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.utils import timezone


class ImageStatus(models.TextChoices):
    """The wire's own words for where an image's data is."""

    QUEUED = "queued"
    SAVING = "saving"
    UPLOADING = "uploading"
    IMPORTING = "importing"
    ACTIVE = "active"
    DEACTIVATED = "deactivated"
    KILLED = "killed"
    DELETED = "deleted"


class Visibility(models.TextChoices):
    """Who sees an image."""

    PUBLIC = "public"
    PRIVATE = "private"
    SHARED = "shared"
    COMMUNITY = "community"


class MemberStatus(models.TextChoices):
    """What a project says to an image that is shared with it."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class ImageQuerySet(models.QuerySet["Image"]):
    """Queries over images."""

    def visible_to(self, project_id: str | None) -> ImageQuerySet:
        """What a project's lists hold: its own, public, community and accepted shared ones."""
        return self._seen_by(project_id, [MemberStatus.ACCEPTED])

    def readable_by(self, project_id: str | None) -> ImageQuerySet:
        """The same, with every image that is shared with it: it is asked for its word on them."""
        return self._seen_by(project_id, list(MemberStatus))

    def _seen_by(self, project_id: str | None, statuses: list[MemberStatus]) -> ImageQuerySet:
        mine = ImageMember.objects.filter(member=project_id or "", status__in=statuses)
        return self.exclude(status=ImageStatus.DELETED).filter(
            models.Q(owner=project_id)
            | models.Q(visibility__in=[Visibility.PUBLIC, Visibility.COMMUNITY])
            | models.Q(visibility=Visibility.SHARED, pk__in=mine.values("image"))
        )


class Image(models.Model):
    """A disk image and what is known about it.

    Sizes in bytes; `min_ram_mib` in MiB, `min_disk_gib` in GiB. `properties` are strings by name.
    `arrived_bytes` counts what an import has fetched, of `expected_bytes` where that is known.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - the wire tells null from ""
    owner = models.CharField("owning project", max_length=64, db_index=True)
    status = models.CharField(
        max_length=16, choices=ImageStatus.choices, default=ImageStatus.QUEUED
    )
    visibility = models.CharField(
        max_length=16, choices=Visibility.choices, default=Visibility.SHARED
    )
    is_protected = models.BooleanField(default=False)
    is_hidden = models.BooleanField(default=False)
    disk_format = models.CharField(max_length=16, blank=True, default="")
    container_format = models.CharField(max_length=16, blank=True, default="")
    min_ram_mib = models.PositiveIntegerField(default=0)
    min_disk_gib = models.PositiveIntegerField(default=0)
    size = models.PositiveBigIntegerField(null=True, blank=True)
    virtual_size = models.PositiveBigIntegerField(null=True, blank=True)
    arrived_bytes = models.PositiveBigIntegerField(default=0)
    expected_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    checksum = models.CharField("MD5", max_length=32, blank=True, default="")
    sha256 = models.CharField("SHA-256", max_length=64, blank=True, default="")
    sha512 = models.CharField("SHA-512", max_length=128, blank=True, default="")
    tags = models.JSONField(default=list, blank=True)
    properties = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[models.Manager[Image]] = ImageQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["-created_at", "-id"], name="image_newest")]

    def __str__(self) -> str:
        return self.name or str(self.id)


class ImageMember(models.Model):
    """A project that an image is shared with; the rows stay when the image is not shared for now.

    `member` is the project's id.
    """

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="members")
    member = models.CharField("project", max_length=255)
    status = models.CharField(
        max_length=16, choices=MemberStatus.choices, default=MemberStatus.PENDING
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["member", "status"], name="image_member_status")]
        constraints = [
            models.UniqueConstraint(fields=["image", "member"], name="image_member_once"),
        ]

    def __str__(self) -> str:
        return f"{self.member} ({self.status})"
