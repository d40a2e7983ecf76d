"""Makes images: queued, without data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction

from cloudportal.errors import Forbidden, Invalid
from identity import policy
from identity.actors import Actor
from images.attributes import refuse_fixed, set_attribute
from images.errors import ImageIdTaken
from images.models import Image
from quotas.consume import consume


def create_image(*, attributes: Mapping[str, Any], actor: Actor, now: datetime) -> Image:
    """Make a queued image from attributes by their wire names; unknown names are properties.

    Raises:
        OverQuota: the owning project has all the images it may have.
        Forbidden: the actor may not create images, or not of this visibility or owner.
        AttributeFixed: an attribute is read-only or reserved.
        ImageIdTaken: the chosen id is, or was, another image's.
        Invalid: a value is of the wrong kind.
    """
    policy.require(actor, "add_image", project_id=actor.project_id)
    refuse_fixed(attributes)
    if not (actor.project_id or attributes.get("owner")):
        raise Forbidden("An image needs an owning project.")
    image = Image(
        id=_chosen_id(attributes),
        owner=actor.project_id or "",
        created_at=now,
        updated_at=now,
    )
    for name, value in attributes.items():
        if name != "id":
            set_attribute(image, name, value, actor)
    try:
        with transaction.atomic():
            image.save(force_insert=True)
            consume(project_id=image.owner, subject=image.pk, amounts={"images": 1}, now=now)
    except IntegrityError:
        raise ImageIdTaken(f"Image ID {image.pk} already exists!") from None
    return image


def _chosen_id(attributes: Mapping[str, Any]) -> UUID:
    chosen = attributes.get("id")
    if chosen is None:
        return uuid4()
    try:
        return UUID(str(chosen))
    except ValueError:
        raise Invalid(f"Invalid image id format: {str(chosen)[:200]!r}") from None
