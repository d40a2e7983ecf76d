"""Volumes, their types and snapshots, and what they are attached to."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import ClassVar

from django.db import models
from django.utils import timezone

from hypervisors.models import Hypervisor
from hypervisors.volumes import snapshot_name, volume_name
from volumes.states import AttachmentStatus, SnapshotStatus, VolumeStatus

DEFAULT_TYPE = "__DEFAULT__"


class VolumeType(models.Model):
    """A kind of volume; all are made alike here, the name is for people and clients."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=255, unique=True)
    description = models.CharField(max_length=255, null=True)  # noqa: DJ001 - the wire tells null from ""
    is_public = models.BooleanField(default=True)
    extra_specs = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class VolumeTypeAccess(models.Model):
    """A project that may use a type that is not for all."""

    type = models.ForeignKey(VolumeType, models.CASCADE, related_name="access")
    project_id = models.CharField(max_length=64)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["type", "project_id"], name="volume_type_access_once"),
        ]

    def __str__(self) -> str:
        return f"{self.project_id} to {self.type_id}"


class DefaultVolumeType(models.Model):
    """The type of a project's volumes whose makers name none, where it is not that of all."""

    project_id = models.CharField(primary_key=True, max_length=64)
    type = models.ForeignKey(VolumeType, models.PROTECT, related_name="default_of")

    class Meta:
        ordering = ["project_id"]

    def __str__(self) -> str:
        return f"{self.type_id} of {self.project_id}"


class VolumeQuerySet(models.QuerySet["Volume"]):
    """Queries over volumes, and the only way their status changes."""

    def become(self, volume_id: uuid.UUID, status: str, *, of: Collection[str]) -> bool:
        """Change the status by one conditional update; False: it was another one than these."""
        rows = self.filter(pk=volume_id, status__in=of)
        return bool(rows.update(status=status, updated_at=timezone.now()))


class Volume(models.Model):
    """A volume: a file in a pool of one host, or blank and on no host yet.

    Without a host it has no content: its file is made on the host of the first server that it is
    attached to.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    project_id = models.CharField(max_length=64)
    user_id = models.CharField(max_length=64)
    name = models.CharField(max_length=255, null=True)  # noqa: DJ001 - the wire tells null from ""
    description = models.CharField(max_length=255, null=True)  # noqa: DJ001 - the wire tells null from ""
    size_gib = models.PositiveIntegerField()
    status = models.CharField(max_length=24, choices=VolumeStatus.choices)
    type = models.ForeignKey(VolumeType, models.PROTECT, related_name="volumes")
    availability_zone = models.CharField(max_length=255, blank=True, default="")
    metadata = models.JSONField(default=dict)
    # Of the image that it was made from, shown with it.
    image_metadata = models.JSONField(default=dict)
    is_bootable = models.BooleanField(default=False)
    is_readonly = models.BooleanField(default=False)
    image_id = models.UUIDField(null=True)
    snapshot_id = models.UUIDField(null=True)
    source_volume_id = models.UUIDField(null=True)
    hypervisor = models.ForeignKey(Hypervisor, models.PROTECT, null=True, related_name="volumes")
    pool = models.CharField(max_length=64, blank=True, default="")
    # Where it was before, until its file there is deleted.
    left_hypervisor = models.ForeignKey(Hypervisor, models.SET_NULL, null=True, related_name="+")
    left_pool = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager[Volume]] = VolumeQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["project_id", "-created_at", "-id"], name="volume_of_project"),
            models.Index(fields=["-created_at", "-id"], name="volume_newest"),
        ]

    def __str__(self) -> str:
        return self.name or str(self.pk)

    @property
    def storage_name(self) -> str:
        """Its name in every pool."""
        return volume_name(self.pk)


class Snapshot(models.Model):
    """A volume as it was at one moment: a copy beside it in its pool; of a blank one nothing."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    project_id = models.CharField(max_length=64)
    user_id = models.CharField(max_length=64)
    name = models.CharField(max_length=255, null=True)  # noqa: DJ001 - the wire tells null from ""
    description = models.CharField(max_length=255, null=True)  # noqa: DJ001 - the wire tells null from ""
    volume = models.ForeignKey(Volume, models.PROTECT, related_name="snapshots")
    size_gib = models.PositiveIntegerField()
    status = models.CharField(max_length=24, choices=SnapshotStatus.choices)
    metadata = models.JSONField(default=dict)
    hypervisor = models.ForeignKey(Hypervisor, models.PROTECT, null=True, related_name="snapshots")
    pool = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["project_id", "-created_at", "-id"], name="snapshot_of_project"),
        ]

    def __str__(self) -> str:
        return self.name or str(self.pk)

    @property
    def storage_name(self) -> str:
        """Its name in every pool."""
        return snapshot_name(self.pk)


class Attachment(models.Model):
    """A volume and the server that has it, or soon has; a volume has one at the most.

    `device` is the name that the server's guest was given, such as /dev/vdb, or "".
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    volume = models.ForeignKey(Volume, models.PROTECT, related_name="attachments")
    server_id = models.UUIDField(null=True)
    status = models.CharField(
        max_length=16, choices=AttachmentStatus.choices, default=AttachmentStatus.RESERVED
    )
    device = models.CharField(max_length=64, blank=True, default="")
    tag = models.CharField(max_length=80, blank=True, default="")
    mode = models.CharField(max_length=2, default="rw")
    delete_on_termination = models.BooleanField(default=False)
    boot_index = models.SmallIntegerField(null=True)
    # Through the compute service, which alone takes it away again.
    by_compute = models.BooleanField(default=True)
    connection_info = models.JSONField(default=dict)
    host_name = models.CharField(max_length=255, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    attached_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["created_at", "id"]
        indexes = [models.Index(fields=["server_id"], name="attachment_of_server")]
        constraints = [
            models.UniqueConstraint(fields=["volume"], name="volume_attached_once"),
            models.UniqueConstraint(
                fields=["server_id", "device"],
                condition=~models.Q(device=""),
                name="device_of_server_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.volume_id} to {self.server_id}"


class Message(models.Model):
    """Why something that was asked for did not become of a volume or snapshot, for its project."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    project_id = models.CharField(max_length=64)
    request_id = models.CharField(max_length=64, blank=True, default="")
    resource_type = models.CharField(max_length=36)
    resource_id = models.UUIDField()
    event_id = models.CharField(max_length=255)
    text = models.CharField(max_length=1024)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["project_id", "-created_at", "-id"], name="message_of_project"),
            models.Index(fields=["created_at"], name="message_oldest"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} of {self.resource_id}"


class Transfer(models.Model):
    """A volume that its project offers to whoever knows the key, of which only a hash is kept.

    It ends when it is accepted or withdrawn, or when the volume is deleted.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    volume = models.ForeignKey(Volume, models.CASCADE, related_name="transfers")
    name = models.CharField(max_length=255, blank=True, default="")
    key_hash = models.CharField(max_length=255)
    # Whether the volume goes without its snapshots.
    no_snapshots = models.BooleanField(default=False)
    source_project_id = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(
                fields=["source_project_id", "-created_at", "-id"], name="transfer_of_project"
            ),
        ]
        constraints = [
            models.UniqueConstraint(fields=["volume"], name="volume_offered_once"),
        ]

    def __str__(self) -> str:
        return self.name or str(self.pk)
