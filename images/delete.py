"""Deletes images."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from identity import policy
from identity.actors import Actor
from images.errors import ImageNotFound, ImageProtected
from images.models import Image, ImageStatus
from images.storage import drop_data
from quotas.consume import release


def delete_image(*, image: Image, actor: Actor, now: datetime) -> None:
    """Delete an image and its data; servers made from it keep their copies on the hosts.

    The row stays, marked, so that the id never names other data: hosts cache images by id.

    Raises:
        Forbidden: the actor may not delete it.
        ImageProtected: it is protected.
        ImageNotFound: it was deleted a moment ago.
    """
    policy.require(actor, "delete_image", project_id=image.owner)
    # Compared in the database: a protection set a moment ago must hold.
    with transaction.atomic():
        deleted = (
            Image.objects.filter(pk=image.pk, is_protected=False)
            .exclude(status=ImageStatus.DELETED)
            .update(status=ImageStatus.DELETED, updated_at=now)
        )
        if deleted:
            release(subject=image.pk)
    if not deleted:
        if Image.objects.filter(pk=image.pk, is_protected=True).exists():
            raise ImageProtected(f"Image {image.pk} is protected and cannot be deleted.")
        raise ImageNotFound(f"No image found with ID {image.pk}")
    drop_data(image)


def remove_image(image_id: UUID, *, now: datetime) -> bool:
    """Delete an image that the portal made for itself, protected or not; False: it was gone.

    Its data goes when the caller's transaction commits.
    """
    with transaction.atomic():
        rows = Image.objects.filter(pk=image_id).exclude(status=ImageStatus.DELETED)
        if not rows.update(status=ImageStatus.DELETED, is_protected=False, updated_at=now):
            return False
        release(subject=image_id)
        transaction.on_commit(lambda: drop_data(Image(pk=image_id)))
    return True
