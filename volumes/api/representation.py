"""How volumes, snapshots, types and attachments look on the wire."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request

from hypervisors.models import Hypervisor
from identity.actors import Actor
from volumes.api.views import VolumeView, actor_of, instant, is_at
from volumes.models import Attachment, Snapshot, Volume, VolumeType
from volumes.states import AttachmentStatus


def short_volume(view: VolumeView, volume: Volume) -> dict[str, Any]:
    """As lists without details have it."""
    identifier = str(volume.pk)
    return {"id": identifier, "name": volume.name, "links": view.links("volumes", identifier)}


def volume_body(view: VolumeView, request: Request, volume: Volume) -> dict[str, Any]:
    """A volume in full."""
    is_admin = actor_of(request).is_admin
    body = {
        "id": str(volume.pk),
        "status": volume.status,
        "size": volume.size_gib,
        "availability_zone": volume.availability_zone,
        "created_at": instant(volume.created_at),
        "updated_at": instant(volume.updated_at),
        "name": volume.name,
        "description": volume.description,
        "volume_type": volume.type.name,
        "snapshot_id": _text(volume.snapshot_id),
        "source_volid": _text(volume.source_volume_id),
        "metadata": {**volume.metadata, **({"readonly": "True"} if volume.is_readonly else {})},
        "user_id": volume.user_id,
        "bootable": "true" if volume.is_bootable else "false",
        "encrypted": False,
        "replication_status": None,
        "consistencygroup_id": None,
        "multiattach": False,
        "attachments": [
            _attached(each, is_admin=is_admin)
            for each in volume.attachments.all()
            if each.status in {AttachmentStatus.ATTACHED, AttachmentStatus.DETACHING}
        ],
        "links": view.links("volumes", str(volume.pk)),
        "os-vol-tenant-attr:tenant_id": volume.project_id,
    }
    if volume.image_metadata:
        body["volume_image_metadata"] = volume.image_metadata
    if is_admin:
        body["os-vol-host-attr:host"] = _place(volume.hypervisor, volume.pool)
        body["os-vol-mig-status-attr:migstat"] = None
        body["os-vol-mig-status-attr:name_id"] = None
        body["migration_status"] = None
    return {**body, **_newer(request, volume, is_admin=is_admin)}


def _newer(request: Request, volume: Volume, *, is_admin: bool) -> dict[str, Any]:
    """What later microversions added."""
    added: list[tuple[str, str, Any, bool]] = [
        ("3.13", "group_id", None, False),
        ("3.21", "provider_id", None, True),
        ("3.48", "shared_targets", False, False),
        ("3.48", "service_uuid", None, False),
        ("3.61", "cluster_name", None, True),
        ("3.63", "volume_type_id", str(volume.type_id), False),
        ("3.64", "encryption_key_id", None, False),
        ("3.65", "consumes_quota", True, False),
    ]
    return {
        key: value
        for version, key, value, for_admins in added
        if is_at(request, version)
        and (is_admin or not for_admins)
        # There only with a key.
        and key != "encryption_key_id"
    }


def _attached(attachment: Attachment, *, is_admin: bool) -> dict[str, Any]:
    return {
        "id": str(attachment.volume_id),
        "volume_id": str(attachment.volume_id),
        "attachment_id": str(attachment.pk),
        "server_id": _text(attachment.server_id),
        "host_name": attachment.host_name or None if is_admin else None,
        "device": attachment.device,
        "attached_at": instant(attachment.attached_at),
    }


def snapshot_body(request: Request, snapshot: Snapshot, *, detailed: bool = True) -> dict[str, Any]:
    """A snapshot."""
    body: dict[str, Any] = {
        "id": str(snapshot.pk),
        "name": snapshot.name,
        "description": snapshot.description,
        "status": snapshot.status,
        "size": snapshot.size_gib,
        "volume_id": str(snapshot.volume_id),
        "created_at": instant(snapshot.created_at),
        "updated_at": instant(snapshot.updated_at),
        "metadata": snapshot.metadata,
    }
    if detailed:
        body["os-extended-snapshot-attributes:project_id"] = snapshot.project_id
        done = snapshot.status == "available"
        body["os-extended-snapshot-attributes:progress"] = "100%" if done else "0%"
    if is_at(request, "3.14"):
        body["group_snapshot_id"] = None
    if is_at(request, "3.41"):
        body["user_id"] = snapshot.user_id
    if is_at(request, "3.65"):
        body["consumes_quota"] = True
    return body


def type_body(request: Request, kind: VolumeType) -> dict[str, Any]:
    """A volume type."""
    body = {
        "id": str(kind.pk),
        "name": kind.name,
        "description": kind.description,
        "is_public": kind.is_public,
        "os-volume-type-access:is_public": kind.is_public,
    }
    if actor_of(request).is_admin:
        body["extra_specs"] = kind.extra_specs
        body["qos_specs_id"] = None
    return body


def attachment_body(
    attachment: Attachment, *, actor: Actor, detailed: bool = True
) -> dict[str, Any]:
    """An attachment as the volume service sees it."""
    body: dict[str, Any] = {
        "id": str(attachment.pk),
        "status": attachment.status,
        "instance": _text(attachment.server_id),
        "volume_id": str(attachment.volume_id),
    }
    if detailed:
        body["attached_at"] = instant(attachment.attached_at)
        body["detached_at"] = None
        body["attach_mode"] = attachment.mode
        body["connection_info"] = _connection(attachment, actor)
    return body


def _connection(attachment: Attachment, actor: Actor) -> dict[str, Any]:
    """How to get at a volume that is attached by hand; where it lies is for administrators."""
    if attachment.by_compute or attachment.status == AttachmentStatus.RESERVED:
        kept: dict[str, Any] = attachment.connection_info
        return kept
    volume = attachment.volume
    place = {"pool": volume.pool, "volume": volume.storage_name} if volume.hypervisor_id else {}
    return {
        "driver_volume_type": "libvirt",
        "attachment_id": str(attachment.pk),
        "volume_id": str(volume.pk),
        "access_mode": "ro" if volume.is_readonly else attachment.mode,
        "encrypted": False,
        "qos_specs": None,
        **(place if actor.is_admin else {}),
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _place(hypervisor: Hypervisor | None, pool: str) -> str | None:
    return None if hypervisor is None else f"{hypervisor.name}@libvirt#{pool}"
