"""Volumes, their types, snapshots, attachments and transfers for administrators to look at."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from volumes.models import Attachment, Message, Snapshot, Transfer, Volume, VolumeType


class _ReadOnly:
    """What changes only through its use cases is shown."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        """Nobody adds here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes here."""
        return False


@admin.register(Volume)
class VolumeAdmin(_ReadOnly, admin.ModelAdmin[Volume]):
    """Volumes, with the host that each lies on."""

    list_display = ("id", "name", "status", "size_gib", "hypervisor", "pool", "project_id")
    list_filter = ("status", "hypervisor")
    search_fields = ("id", "name", "project_id")
    list_select_related = ("hypervisor",)


@admin.register(Snapshot)
class SnapshotAdmin(_ReadOnly, admin.ModelAdmin[Snapshot]):
    """Snapshots of volumes."""

    list_display = ("id", "name", "status", "size_gib", "volume_id", "hypervisor", "project_id")
    list_filter = ("status", "hypervisor")
    search_fields = ("id", "name", "project_id")
    list_select_related = ("hypervisor",)


@admin.register(Attachment)
class AttachmentAdmin(_ReadOnly, admin.ModelAdmin[Attachment]):
    """Which server has which volume."""

    list_display = ("id", "volume_id", "server_id", "device", "status", "attached_at")
    list_filter = ("status",)
    search_fields = ("volume__id", "server_id")


@admin.register(VolumeType)
class VolumeTypeAdmin(_ReadOnly, admin.ModelAdmin[VolumeType]):
    """Kinds of volumes."""

    list_display = ("name", "description", "is_public")
    search_fields = ("name",)


@admin.register(Message)
class MessageAdmin(_ReadOnly, admin.ModelAdmin[Message]):
    """What did not become of volumes and snapshots."""

    list_display = ("created_at", "event_id", "resource_type", "resource_id", "project_id")
    list_filter = ("event_id",)
    search_fields = ("resource_id", "project_id", "request_id")


@admin.register(Transfer)
class TransferAdmin(_ReadOnly, admin.ModelAdmin[Transfer]):
    """Volumes that projects offer to others."""

    list_display = ("id", "name", "volume_id", "source_project_id", "created_at")
    search_fields = ("id", "volume__id", "source_project_id")
    exclude = ("key_hash",)
