"""Takes images out of use and back; what they hold stays."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from identity import policy
from identity.actors import Actor
from images.errors import StatusForbids
from images.lookup import get_image
from images.models import Image, ImageStatus


def deactivate_image(*, image_id: str | UUID, actor: Actor, now: datetime) -> None:
    """Let nobody but administrators read an image, and no server start from it; again is no error.

    Raises:
        ImageNotFound: no such image.
        Forbidden: the actor may not change it.
        StatusForbids: it has no data.
    """
    _change("deactivate", image_id, ImageStatus.ACTIVE, ImageStatus.DEACTIVATED, actor, now)


def reactivate_image(*, image_id: str | UUID, actor: Actor, now: datetime) -> None:
    """Let it be used as before; again is no error.

    Raises:
        ImageNotFound: no such image.
        Forbidden: the actor may not change it.
        StatusForbids: it has no data.
    """
    _change("reactivate", image_id, ImageStatus.DEACTIVATED, ImageStatus.ACTIVE, actor, now)


def _change(
    rule: str,
    image_id: str | UUID,
    before: ImageStatus,
    after: ImageStatus,
    actor: Actor,
    now: datetime,
) -> None:
    image = get_image(image_id, actor=actor)
    policy.require(actor, rule, project_id=image.owner)
    rows = Image.objects.filter(pk=image.pk)
    if rows.filter(status=before).update(status=after, updated_at=now):
        return
    if not rows.filter(status=after).exists():
        raise StatusForbids(f"Not allowed to {rule} image in status '{image.status}'")
