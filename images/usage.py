"""What a project's images take of its quota."""

from __future__ import annotations

from django.db.models import Count, Q, Sum

from identity import policy
from identity.actors import Actor
from images.models import Image, ImageStatus
from images.quota import BYTES, mebibytes
from quotas.consume import limits, usage
from quotas.resources import UNLIMITED

_STAGED = Q(status__in=[ImageStatus.UPLOADING, ImageStatus.IMPORTING])
_ARRIVING = _STAGED | Q(status=ImageStatus.SAVING)


def image_usage(*, actor: Actor) -> dict[str, tuple[int, int]]:
    """Limit and usage by the image service's names; sizes in MiB.

    What is staged counts as stored from the first byte on, so it has no limit of its own.

    Raises:
        Forbidden: the actor has no role in a project.
    """
    policy.require(actor, "get_images", project_id=actor.project_id)
    project_id = actor.project_id or ""
    allowed, used = limits(project_id), usage(project_id)
    now = Image.objects.filter(owner=project_id).aggregate(
        staged=Sum("arrived_bytes", filter=_STAGED), arriving=Count("pk", filter=_ARRIVING)
    )
    return {
        BYTES: (allowed[BYTES], used[BYTES]),
        "image_stage_total": (UNLIMITED, mebibytes(now["staged"] or 0)),
        "image_count_total": (allowed["images"], used["images"]),
        "image_count_uploading": (UNLIMITED, now["arriving"]),
    }
