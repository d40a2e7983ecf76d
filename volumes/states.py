"""The words of the volume service for how a volume, a snapshot or an attachment is."""

from __future__ import annotations

from django.db import models


class VolumeStatus(models.TextChoices):
    """How a volume is."""

    CREATING = "creating"
    DOWNLOADING = "downloading"
    AVAILABLE = "available"
    RESERVED = "reserved"
    ATTACHING = "attaching"
    IN_USE = "in-use"
    DETACHING = "detaching"
    MAINTENANCE = "maintenance"
    EXTENDING = "extending"
    UPLOADING = "uploading"
    REVERTING = "reverting"
    DELETING = "deleting"
    AWAITING_TRANSFER = "awaiting-transfer"
    ERROR = "error"
    ERROR_DELETING = "error_deleting"
    ERROR_EXTENDING = "error_extending"


class SnapshotStatus(models.TextChoices):
    """How a snapshot is."""

    CREATING = "creating"
    AVAILABLE = "available"
    DELETING = "deleting"
    RESTORING = "restoring"
    ERROR = "error"
    ERROR_DELETING = "error_deleting"


class AttachmentStatus(models.TextChoices):
    """How far an attachment is."""

    RESERVED = "reserved"
    ATTACHING = "attaching"
    ATTACHED = "attached"
    DETACHING = "detaching"


# A volume that nobody is at.
AT_REST = (
    VolumeStatus.AVAILABLE,
    VolumeStatus.ERROR,
    VolumeStatus.ERROR_DELETING,
    VolumeStatus.ERROR_EXTENDING,
)
