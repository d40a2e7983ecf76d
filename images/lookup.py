"""Which images an actor sees, and getting one of them."""

from __future__ import annotations

from uuid import UUID

from identity import policy
from identity.actors import Actor
from images.errors import ImageNotFound
from images.models import Image, ImageQuerySet, ImageStatus


def visible_images(actor: Actor) -> ImageQuerySet:
    """What the actor's lists hold: everything for an administrator.

    Raises:
        Forbidden: the actor has no role in a project.
    """
    policy.require(actor, "get_images", project_id=actor.project_id)
    if actor.is_admin:
        return Image.objects.exclude(status=ImageStatus.DELETED)
    return Image.objects.visible_to(actor.project_id)


def readable_images(actor: Actor) -> ImageQuerySet:
    """What the actor finds by its id, also what is shared with it and not accepted.

    Raises:
        Forbidden: the actor has no role in a project.
    """
    policy.require(actor, "get_images", project_id=actor.project_id)
    if actor.is_admin:
        return Image.objects.exclude(status=ImageStatus.DELETED)
    return Image.objects.readable_by(actor.project_id)


def get_image(image_id: str | UUID, *, actor: Actor, for_update: bool = False) -> Image:
    """The image of this id.

    Raises:
        ImageNotFound: there is none that the actor may see, or the id is no uuid.
    """
    found = None
    try:
        identifier = UUID(str(image_id))
    except ValueError:
        identifier = None
    if identifier is not None:
        images = readable_images(actor)
        found = (images.select_for_update() if for_update else images).filter(pk=identifier).first()
    if found is None:
        raise ImageNotFound(f"No image found with ID {image_id}")
    return found


def images_held_by(project_id: str) -> str:
    """In words how many images a project has; "" when none."""
    count = Image.objects.filter(owner=project_id).exclude(status=ImageStatus.DELETED).count()
    return f"{count} images" if count else ""
