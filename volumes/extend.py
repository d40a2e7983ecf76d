"""Let volumes grow, also under the servers that have them."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from identity import policy
from identity.actors import Actor
from operations.enqueue import enqueue
from quotas.consume import consume, release
from volumes.errors import InvalidVolume, InvalidVolumeRequest
from volumes.models import Volume
from volumes.states import VolumeStatus
from volumes.type_limits import check_type_limits

EXTEND_NAME = "volume.extend"


def extend_volume(
    *, volume: Volume, size_gib: int, may_be_in_use: bool, actor: Actor, now: datetime
) -> None:
    """Let a volume grow; one without content yet has its new size at once.

    Raises:
        InvalidVolume: its status does not allow it.
        InvalidVolumeRequest: it is that large already.
        OverQuota: it does not fit into the project's limits.
        Forbidden: the actor may not.
    """
    policy.require(actor, "volume:extend", project_id=volume.project_id)
    allowed = [VolumeStatus.AVAILABLE, *([VolumeStatus.IN_USE] if may_be_in_use else [])]
    with transaction.atomic():
        current = (
            Volume.objects.select_for_update(of=("self",)).select_related("type").get(pk=volume.pk)
        )
        if current.status not in allowed:
            raise InvalidVolume(
                f"Invalid volume: Volume {volume.pk} status must be "
                f"{' or '.join(map(repr, map(str, allowed)))} to extend, currently "
                f"{current.status}."
            )
        if size_gib <= current.size_gib:
            raise InvalidVolumeRequest(
                "Invalid input received: New size for extend must be greater than current size. "
                f"(current: {current.size_gib}, extended: {size_gib})."
            )
        resize_reservation(current, size_gib, now=now)
        added = {"gigabytes": size_gib - current.size_gib}
        check_type_limits(project_id=current.project_id, kind=current.type, added=added)
        if current.hypervisor_id is None:
            Volume.objects.filter(pk=volume.pk).update(size_gib=size_gib, updated_at=now)
            return
        before = current.status
        Volume.objects.become(volume.pk, VolumeStatus.EXTENDING, of=[before])
        enqueue(
            EXTEND_NAME,
            subject=volume.pk,
            params={"size_gib": size_gib, "before": before},
            request_id=actor.request_id,
            now=now,
        )


def resize_reservation(volume: Volume, size_gib: int, *, now: datetime) -> None:
    """Hold quota for this size instead, inside the caller's transaction.

    Raises:
        OverQuota: it does not fit into the project's limits.
    """
    release(subject=volume.pk, resources=["gigabytes"])
    consume(
        project_id=volume.project_id,
        subject=volume.pk,
        amounts={"gigabytes": size_gib},
        now=now,
    )
