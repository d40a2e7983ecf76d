"""Make volumes: everything is checked first, then one transaction writes the row and its work."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from hypervisors.models import DEFAULT_ZONE
from hypervisors.zones import zone_names
from identity import policy
from identity.actors import Actor
from images.errors import ImageNotFound
from images.lookup import get_image
from images.models import Image, ImageStatus
from operations.enqueue import enqueue
from quotas.consume import consume, limits
from quotas.resources import UNLIMITED
from volumes.errors import InvalidVolume, InvalidVolumeRequest, VolumeTooLarge
from volumes.find import default_type, find_snapshot, find_type, find_volume
from volumes.models import Snapshot, Volume, VolumeType
from volumes.states import SnapshotStatus, VolumeStatus
from volumes.type_limits import check_type_limits

CREATE_NAME = "volume.create"
_GIB = 1024**3
_FROM_IMAGE = ("container_format", "disk_format", "checksum")


@dataclass(frozen=True, kw_only=True)
class NewVolume:
    """What is wanted; of the three sources one at the most. None for the size is the source's."""

    size_gib: int | None = None
    name: str | None = None
    description: str | None = None
    type_name: str | None = None
    zone: str = ""
    image_id: str | None = None
    snapshot_id: str | None = None
    source_volume_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PlannedVolume:
    """What the request's names stand for, once all of it has been found good."""

    wanted: NewVolume
    project_id: str
    size_gib: int
    type: VolumeType
    image: Image | None = None
    snapshot: Snapshot | None = None
    source: Volume | None = None

    @property
    def is_filled(self) -> bool:
        """Whether it begins with content, which some host has to copy."""
        sources = (self.snapshot, self.source)
        return self.image is not None or any(each and each.hypervisor_id for each in sources)


def create_volume(*, wanted: NewVolume, actor: Actor, now: datetime) -> Volume:
    """Accept a volume; a blank one is there at once.

    Raises:
        InvalidVolumeRequest: something wanted does not exist or does not fit together.
        SnapshotNotFound: or VolumeNotFound, VolumeTypeNotFound: the actor sees none of that id.
        OverQuota: it does not fit into the project's limits.
        Forbidden: the actor may not make volumes.
    """
    plan = plan_volume(wanted=wanted, actor=actor)
    with transaction.atomic():
        _hold_source(plan)
        volume = write_volume(plan, actor=actor, now=now)
        if plan.is_filled:
            enqueue(
                CREATE_NAME,
                subject=volume.pk,
                params={"image": str(plan.image.pk)} if plan.image else {},
                request_id=actor.request_id,
                now=now,
            )
        else:
            volume.status = VolumeStatus.AVAILABLE
            volume.save(update_fields=["status"])
    return volume


def plan_volume(*, wanted: NewVolume, actor: Actor) -> PlannedVolume:
    """Check what is wanted; nothing is written.

    Raises:
        InvalidVolumeRequest: something wanted does not exist or does not fit together.
        SnapshotNotFound: or VolumeNotFound, VolumeTypeNotFound: the actor sees none of that id.
        Forbidden: the actor may not make volumes.
    """
    policy.require(actor, "volume:create", project_id=actor.project_id)
    if not actor.project_id:
        raise InvalidVolumeRequest("Volumes belong to a project; ask for a token that is scoped.")
    sources = (wanted.image_id, wanted.snapshot_id, wanted.source_volume_id)
    if sum(each is not None for each in sources) > 1:
        raise InvalidVolumeRequest("A volume is made from one source at the most.")
    if wanted.zone and wanted.zone not in {DEFAULT_ZONE, *zone_names()}:
        raise InvalidVolumeRequest(f"Availability zone '{wanted.zone}' is invalid.")
    image = _image(wanted, actor)
    snapshot = _snapshot(wanted, actor)
    source = _source(wanted, actor)
    size_gib = _size(wanted, image, snapshot, source)
    if wanted.type_name:
        kind = find_type(actor=actor, name_or_id=wanted.type_name)
    elif source or snapshot:
        kind = source.type if source else snapshot.volume.type  # type: ignore[union-attr]  # one of the two is there
    else:
        kind = default_type(actor.project_id)
    return PlannedVolume(wanted, actor.project_id, size_gib, kind, image, snapshot, source)


def write_volume(plan: PlannedVolume, *, actor: Actor, now: datetime) -> Volume:
    """Reserve quota and write the row, in status creating, inside the caller's transaction.

    Raises:
        OverQuota: it does not fit into the project's limits.
    """
    most = limits(plan.project_id).get("per_volume_gigabytes", UNLIMITED)
    if most != UNLIMITED and plan.size_gib > most:
        raise VolumeTooLarge(
            f"Requested volume size {plan.size_gib}G is larger than maximum allowed limit {most}G."
        )
    identifier = uuid.uuid4()
    consume(
        project_id=plan.project_id,
        subject=identifier,
        amounts={"volumes": 1, "gigabytes": plan.size_gib},
        now=now,
    )
    volume = Volume.objects.create(
        id=identifier,
        project_id=plan.project_id,
        user_id=actor.user_id,
        name=plan.wanted.name,
        description=plan.wanted.description,
        size_gib=plan.size_gib,
        status=VolumeStatus.CREATING,
        type=plan.type,
        availability_zone=plan.wanted.zone or DEFAULT_ZONE,
        metadata=dict(plan.wanted.metadata),
        created_at=now,
        **_origin(plan),
    )
    added = {"volumes": 1, "gigabytes": plan.size_gib}
    check_type_limits(project_id=plan.project_id, kind=plan.type, added=added)
    return volume


def _origin(plan: PlannedVolume) -> dict[str, Any]:
    if plan.image is not None:
        return {
            "image_id": plan.image.pk,
            "image_metadata": image_facts(plan.image),
            "is_bootable": True,
        }
    parent = plan.source or (plan.snapshot.volume if plan.snapshot else None)
    if parent is None:
        return {}
    return {
        "snapshot_id": plan.snapshot.pk if plan.snapshot else None,
        "source_volume_id": plan.source.pk if plan.source else None,
        "image_metadata": parent.image_metadata,
        "is_bootable": parent.is_bootable,
    }


def image_facts(image: Image) -> dict[str, str]:
    """What a volume keeps of its image: all as text, as the wire has it."""
    facts = {
        "image_id": str(image.pk),
        "image_name": image.name or "",
        "min_ram": str(image.min_ram_mib),
        "min_disk": str(image.min_disk_gib),
        "size": str(image.size or 0),
        **{name: str(getattr(image, name)) for name in _FROM_IMAGE},
    }
    return {**{key: str(value) for key, value in image.properties.items()}, **facts}


def _image(wanted: NewVolume, actor: Actor) -> Image | None:
    if wanted.image_id is None:
        return None
    try:
        image = get_image(wanted.image_id, actor=actor)
    except ImageNotFound:
        raise InvalidVolumeRequest(
            f"Invalid image identifier or unable to access requested image {wanted.image_id}."
        ) from None
    if image.status != ImageStatus.ACTIVE:
        raise InvalidVolumeRequest(f"Image {image.pk} is not active.")
    if image.disk_format not in {"qcow2", "raw"}:
        raise InvalidVolumeRequest(
            f"A volume cannot be made from an image of format {image.disk_format}."
        )
    return image


def _snapshot(wanted: NewVolume, actor: Actor) -> Snapshot | None:
    if wanted.snapshot_id is None:
        return None
    snapshot = find_snapshot(actor=actor, snapshot_id=wanted.snapshot_id)
    if snapshot.status != SnapshotStatus.AVAILABLE:
        raise InvalidVolumeRequest(
            f"Invalid snapshot: Originating snapshot status must be one of 'available' values, "
            f"not {snapshot.status}."
        )
    return snapshot


def _source(wanted: NewVolume, actor: Actor) -> Volume | None:
    if wanted.source_volume_id is None:
        return None
    source = find_volume(actor=actor, volume_id=wanted.source_volume_id)
    _check_source(source)
    return source


def _check_source(source: Volume) -> None:
    if source.status != VolumeStatus.AVAILABLE:
        raise InvalidVolume(
            f"Invalid volume: Originating volume status must be 'available', not {source.status}: "
            "make a snapshot of a volume that a server has."
        )


def _hold_source(plan: PlannedVolume) -> None:
    """Whoever attaches it a moment later sees that it is being copied, and waits."""
    if plan.source is not None:
        _check_source(Volume.objects.select_for_update().get(pk=plan.source.pk))


def _size(
    wanted: NewVolume, image: Image | None, snapshot: Snapshot | None, source: Volume | None
) -> int:
    origin = snapshot or source
    size = wanted.size_gib
    if size is None and origin is not None:
        size = origin.size_gib
    if size is None:
        raise InvalidVolumeRequest("Invalid input received: size must be given without a source.")
    if origin is not None and size < origin.size_gib:
        raise InvalidVolumeRequest(
            f"Invalid input received: Volume size '{size}'GB cannot be smaller than original "
            f"volume size {origin.size_gib}GB. They must be >= original volume size."
        )
    if image is not None:
        _check_image_fits(image, size)
    return size


def _check_image_fits(image: Image, size: int) -> None:
    needed = math.ceil((image.virtual_size or image.size or 0) / _GIB)
    if needed > size:
        raise InvalidVolumeRequest(
            f"Invalid input received: Size of specified image {needed}GB is larger than volume "
            f"size {size}GB."
        )
    if image.min_disk_gib > size:
        raise InvalidVolumeRequest(
            f"Invalid input received: Volume size {size}GB cannot be smaller than the image "
            f"minDisk size {image.min_disk_gib}GB."
        )
