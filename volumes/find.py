"""Volumes, snapshots and types that an actor sees, and getting one of them."""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from identity import policy
from identity.actors import Actor
from volumes import rules as rules
from volumes.errors import (
    AttachmentNotFound,
    SnapshotNotFound,
    TransferNotFound,
    VolumeNotFound,
    VolumeTypeNotFound,
)
from volumes.models import (
    DEFAULT_TYPE,
    Attachment,
    DefaultVolumeType,
    Snapshot,
    Transfer,
    Volume,
    VolumeType,
    VolumeTypeAccess,
)

M = TypeVar("M", bound=Model)


def visible_volumes(actor: Actor, *, all_projects: bool = False) -> QuerySet[Volume]:
    """The volumes of the actor's project; of all for an administrator who asks for them.

    Raises:
        Forbidden: the actor has no role in a project.
    """
    policy.require(actor, "volume:get_all", project_id=actor.project_id)
    return _of_project(Volume.objects.all(), actor, all_projects=all_projects)


def visible_snapshots(actor: Actor, *, all_projects: bool = False) -> QuerySet[Snapshot]:
    """The same of snapshots.

    Raises:
        Forbidden: the actor has no role in a project.
    """
    policy.require(actor, "volume:get_all_snapshots", project_id=actor.project_id)
    return _of_project(Snapshot.objects.all(), actor, all_projects=all_projects)


def _of_project(rows: QuerySet[M], actor: Actor, *, all_projects: bool) -> QuerySet[M]:
    if all_projects and actor.is_admin:
        return rows
    return rows.filter(project_id=actor.project_id or "")


def find_volume(*, actor: Actor, volume_id: object, rule: str = "volume:get") -> Volume:
    """The volume of this id, for a caller who passes the rule.

    Raises:
        VolumeNotFound: there is none, or it is another project's.
        Forbidden: the caller's role in the project does not suffice.
    """
    rows = Volume.objects.select_related("type", "hypervisor").prefetch_related("attachments")
    found: Volume | None = _one(rows, volume_id, actor)
    if found is None:
        raise VolumeNotFound.of(volume_id)
    policy.require(actor, rule, project_id=found.project_id)
    return found


def find_snapshot(
    *, actor: Actor, snapshot_id: object, rule: str = "volume:get_snapshot"
) -> Snapshot:
    """The snapshot of this id, for a caller who passes the rule.

    Raises:
        SnapshotNotFound: there is none, or it is another project's.
        Forbidden: the caller's role in the project does not suffice.
    """
    rows = Snapshot.objects.select_related("volume__type", "hypervisor")
    found: Snapshot | None = _one(rows, snapshot_id, actor)
    if found is None:
        raise SnapshotNotFound(f"Snapshot {snapshot_id} could not be found.")
    policy.require(actor, rule, project_id=found.project_id)
    return found


def _one(rows: QuerySet[M], identifier: object, actor: Actor) -> Any:
    key = as_uuid(identifier)
    if key is None:
        return None
    if not actor.is_admin:
        rows = rows.filter(project_id=actor.project_id or "")
    return rows.filter(pk=key).first()


def visible_transfers(actor: Actor, *, all_projects: bool = False) -> QuerySet[Transfer]:
    """What the actor's project offers; of all projects for an administrator who asks.

    Raises:
        Forbidden: the actor has no role in a project.
    """
    policy.require(actor, "volume:get_all_transfers", project_id=actor.project_id)
    rows = Transfer.objects.all()
    if all_projects and actor.is_admin:
        return rows
    return rows.filter(source_project_id=actor.project_id or "")


def find_transfer(
    *, actor: Actor, transfer_id: object, rule: str = "volume:get_transfer"
) -> Transfer:
    """The transfer of this id that the actor's project offers.

    Raises:
        TransferNotFound: there is none, or it is another project's.
        Forbidden: the caller's role in the project does not suffice.
    """
    key = as_uuid(transfer_id)
    rows = Transfer.objects.filter(pk=key) if key else Transfer.objects.none()
    if not actor.is_admin:
        rows = rows.filter(source_project_id=actor.project_id or "")
    found = rows.first()
    if found is None:
        raise TransferNotFound.of(transfer_id)
    policy.require(actor, rule, project_id=found.source_project_id)
    return found


def visible_types(actor: Actor) -> QuerySet[VolumeType]:
    """The types that the actor's project may use; all of them for an administrator."""
    if actor.is_admin:
        return VolumeType.objects.all()
    granted = VolumeTypeAccess.objects.filter(project_id=actor.project_id or "")
    return VolumeType.objects.filter(Q(is_public=True) | Q(pk__in=granted.values("type")))


def find_type(*, actor: Actor, name_or_id: str) -> VolumeType:
    """The type of this id or name.

    Raises:
        VolumeTypeNotFound: there is none, or the actor's project may not use it.
    """
    key = as_uuid(name_or_id)
    rows = visible_types(actor)
    found = rows.filter(pk=key).first() if key else None
    found = found or rows.filter(name=name_or_id).first()
    if found is None:
        raise VolumeTypeNotFound(f"Volume type {name_or_id} could not be found.")
    return found


def default_type(project_id: str | None = None) -> VolumeType:
    """The type of volumes whose makers name none: the project's own, or that of all.

    The latter is always there.
    """
    own = DefaultVolumeType.objects.filter(project_id=project_id or "").select_related("type")
    chosen = own.first()
    if chosen is not None:
        return chosen.type
    found, _ = VolumeType.objects.get_or_create(
        name=DEFAULT_TYPE, defaults={"description": "Default Volume Type"}
    )
    return found


def as_uuid(text: object) -> UUID | None:
    """The id in a text; None when it is none."""
    try:
        return UUID(str(text))
    except ValueError:
        return None


def volumes_held_by(project_id: str) -> str:
    """In words how many volumes and snapshots a project has; "" when none."""
    counts = {
        "volumes": Volume.objects.filter(project_id=project_id).count(),
        "volume snapshots": Snapshot.objects.filter(project_id=project_id).count(),
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def visible_attachments(actor: Actor, *, all_projects: bool = False) -> QuerySet[Attachment]:
    """The attachments of the actor's project's volumes; of all for an administrator who asks.

    Raises:
        Forbidden: the actor has no role in a project.
    """
    policy.require(actor, "volume:get_all", project_id=actor.project_id)
    rows = Attachment.objects.select_related("volume")
    if all_projects and actor.is_admin:
        return rows
    return rows.filter(volume__project_id=actor.project_id or "")


def find_attachment(*, actor: Actor, attachment_id: object) -> Attachment:
    """The attachment of this id.

    Raises:
        AttachmentNotFound: there is none, or it is another project's.
    """
    key = as_uuid(attachment_id)
    rows = visible_attachments(actor, all_projects=True)
    found = rows.filter(pk=key).first() if key else None
    if found is None:
        raise AttachmentNotFound(f"Volume attachment {attachment_id} could not be found.")
    return found
