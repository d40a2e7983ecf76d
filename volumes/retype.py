"""Let a volume be of another type."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Sum

from identity import policy
from identity.actors import Actor
from quotas.consume import lock_ledger
from volumes.errors import InvalidVolume, InvalidVolumeRequest
from volumes.models import Snapshot, Volume, VolumeType
from volumes.states import VolumeStatus
from volumes.type_limits import check_type_limits

_ALLOWED = (VolumeStatus.AVAILABLE, VolumeStatus.IN_USE)


def retype_volume(*, volume: Volume, kind: VolumeType, actor: Actor, now: datetime) -> None:
    """Let a volume, also one that a server has, be of a type that the actor may use.

    No type says where its volumes lie, so nothing is ever moved for it, whatever the request's
    policy on that.

    Raises:
        InvalidVolume: its status does not allow it.
        InvalidVolumeRequest: it is of that type already.
        OverQuota: it does not fit into the project's limits for that type.
        Forbidden: the actor may not.
    """
    policy.require(actor, "volume:retype", project_id=volume.project_id)
    with transaction.atomic():
        current = Volume.objects.select_for_update().get(pk=volume.pk)
        if current.status not in _ALLOWED:
            raise InvalidVolume(
                f"Invalid volume: Volume {volume.pk} status must be available or in-use to "
                f"retype, currently {current.status}."
            )
        if current.type_id == kind.pk:
            raise InvalidVolumeRequest(
                f"Invalid input received: New volume_type same as original: {kind.name}."
            )
        lock_ledger(current.project_id, now=now)
        Volume.objects.filter(pk=volume.pk).update(type=kind, updated_at=now)
        check_type_limits(project_id=current.project_id, kind=kind, added=_weight(current))


def _weight(volume: Volume) -> dict[str, int]:
    """What it counts for in its project, its snapshots with it."""
    snapshots = Snapshot.objects.filter(volume=volume, project_id=volume.project_id)
    sizes = snapshots.aggregate(gib=Sum("size_gib"))["gib"] or 0
    return {
        "volumes": 1,
        "snapshots": snapshots.count(),
        "gigabytes": volume.size_gib + sizes,
    }
