"""Make, change and delete snapshots of volumes."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from identity import policy
from identity.actors import Actor
from operations.enqueue import enqueue, supersede
from quotas.consume import consume
from volumes.errors import InvalidVolume, InvalidVolumeRequest
from volumes.models import Attachment, Snapshot, Volume
from volumes.states import SnapshotStatus, VolumeStatus
from volumes.type_limits import check_type_limits

CREATE_SNAPSHOT = "snapshot.create"
DELETE_SNAPSHOT = "snapshot.delete"


@dataclass(frozen=True, kw_only=True)
class NewSnapshot:
    """What is wanted; with `force` also of a volume that a server has.

    Such a snapshot is as the disk of a server that lost its power at that moment.
    """

    name: str | None = None
    description: str | None = None
    force: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)


def create_snapshot(
    *, volume: Volume, wanted: NewSnapshot, actor: Actor, now: datetime
) -> Snapshot:
    """Accept a snapshot; one of a blank volume is there at once.

    Raises:
        InvalidVolume: the volume's status does not allow it.
        OverQuota: it does not fit into the project's limits.
        Forbidden: the actor may not.
    """
    policy.require(actor, "volume:create_snapshot", project_id=volume.project_id)
    with transaction.atomic():
        # Whoever attaches the volume a moment later sees that it is being copied, and waits.
        current = (
            Volume.objects.select_for_update(of=("self",)).select_related("type").get(pk=volume.pk)
        )
        _check_status(current, force=wanted.force)
        identifier = uuid.uuid4()
        consume(
            project_id=current.project_id,
            subject=identifier,
            amounts={"snapshots": 1, "gigabytes": current.size_gib},
            now=now,
        )
        is_blank = current.hypervisor_id is None
        snapshot = Snapshot.objects.create(
            id=identifier,
            project_id=current.project_id,
            user_id=actor.user_id,
            name=wanted.name,
            description=wanted.description,
            volume=current,
            size_gib=current.size_gib,
            status=SnapshotStatus.AVAILABLE if is_blank else SnapshotStatus.CREATING,
            metadata=dict(wanted.metadata),
            hypervisor_id=current.hypervisor_id,
            pool=current.pool,
            created_at=now,
        )
        added = {"snapshots": 1, "gigabytes": current.size_gib}
        check_type_limits(project_id=current.project_id, kind=current.type, added=added)
        if not is_blank:
            enqueue(
                CREATE_SNAPSHOT,
                subject=snapshot.pk,
                params={"guest": _guest_of(current)},
                request_id=actor.request_id,
                now=now,
            )
    return snapshot


def _guest_of(volume: Volume) -> str | None:
    held = Attachment.objects.filter(volume=volume, by_compute=True)
    server_id = held.values_list("server_id", flat=True).first()
    return None if server_id is None else str(server_id)


def _check_status(volume: Volume, *, force: bool) -> None:
    allowed = [VolumeStatus.AVAILABLE, *([VolumeStatus.IN_USE] if force else [])]
    if volume.status not in allowed:
        raise InvalidVolume(
            f"Invalid volume: Volume {volume.pk} status must be "
            f"{' or '.join(allowed)}, but current status is: {volume.status}."
        )


def update_snapshot(
    *,
    snapshot: Snapshot,
    changes: Mapping[str, str | None],
    actor: Actor,
    now: datetime,
) -> None:
    """Set name or description.

    Raises:
        Forbidden: the actor may not.
    """
    policy.require(actor, "volume:update_snapshot", project_id=snapshot.project_id)
    Snapshot.objects.filter(pk=snapshot.pk).update(**changes, updated_at=now)


def set_snapshot_metadata(
    *, snapshot: Snapshot, metadata: Mapping[str, str], actor: Actor, now: datetime
) -> None:
    """Replace the metadata.

    Raises:
        Forbidden: the actor may not.
    """
    policy.require(actor, "volume:update_snapshot", project_id=snapshot.project_id)
    Snapshot.objects.filter(pk=snapshot.pk).update(metadata=dict(metadata), updated_at=now)


def delete_snapshot(*, snapshot: Snapshot, actor: Actor, now: datetime) -> None:
    """Delete a snapshot.

    Raises:
        InvalidVolumeRequest: its status does not allow it.
        Forbidden: the actor may not.
    """
    policy.require(actor, "volume:delete_snapshot", project_id=snapshot.project_id)
    free = [SnapshotStatus.AVAILABLE, SnapshotStatus.ERROR, SnapshotStatus.ERROR_DELETING]
    with transaction.atomic():
        rows = Snapshot.objects.filter(pk=snapshot.pk, status__in=free)
        if not rows.update(status=SnapshotStatus.DELETING, updated_at=now):
            raise InvalidVolumeRequest(
                "Invalid snapshot: Snapshot status must be available or error."
            )
        enqueue(
            DELETE_SNAPSHOT,
            subject=snapshot.pk,
            params={"snapshot": str(snapshot.pk)},
            request_id=actor.request_id,
            now=now,
        )


def force_delete_snapshot(*, snapshot: Snapshot, actor: Actor, now: datetime) -> None:
    """Delete a snapshot whatever its status.

    Raises:
        Forbidden: the actor is no administrator.
    """
    rule = "volume_extension:snapshot_admin_actions:force_delete"
    policy.require(actor, rule, project_id=snapshot.project_id)
    with transaction.atomic():
        rows = Snapshot.objects.filter(pk=snapshot.pk)
        rows.update(status=SnapshotStatus.DELETING, updated_at=now)
        supersede(
            DELETE_SNAPSHOT,
            subject=snapshot.pk,
            # A copy that goes on under a guest is ended, too.
            params={"snapshot": str(snapshot.pk), "guest": _guest_of(snapshot.volume)},
            request_id=actor.request_id,
            now=now,
        )


def reset_snapshot(*, snapshot: Snapshot, status: str, actor: Actor, now: datetime) -> None:
    """Set the status by hand.

    Raises:
        Forbidden: the actor is no administrator.
    """
    rule = "volume_extension:snapshot_admin_actions:reset_status"
    policy.require(actor, rule, project_id=snapshot.project_id)
    Snapshot.objects.filter(pk=snapshot.pk).update(status=status, updated_at=now)
