"""Changes images: JSON patches over attributes and properties, and tags one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.db import transaction

from cloudportal.errors import Forbidden, Invalid, NotFound
from identity import policy
from identity.actors import Actor
from images.attributes import FIELDS, check_tag, check_tags, refuse_fixed, set_attribute
from images.errors import AttributeFixed, PropertyConflict
from images.lookup import get_image
from images.models import Image
from images.quota import move_to


@dataclass(frozen=True)
class Change:
    """One line of a patch; `path` is the name, and for one tag its position behind it."""

    op: Literal["add", "replace", "remove"]
    path: tuple[str, ...]
    value: Any = None


def update_image(
    *, image_id: str | UUID, changes: Sequence[Change], actor: Actor, now: datetime
) -> Image:
    """Apply all changes or none.

    Raises:
        ImageNotFound: no such image.
        Forbidden, AttributeFixed: the actor may not make one of the changes, or nobody may.
        PropertyConflict: a change replaces or removes what is not there.
        Invalid: a value or a path makes no sense.
    """
    with transaction.atomic():
        image = get_image(image_id, actor=actor, for_update=True)
        policy.require(actor, "modify_image", project_id=image.owner)
        owner = image.owner
        for change in changes:
            _apply(image, change, actor)
        if image.owner != owner:
            move_to(image, image.owner, now=now)
        image.updated_at = now
        # Never the status and what an upload finds out: one may be finishing right now.
        image.save(update_fields=[*FIELDS.values(), "properties", "updated_at"])
    return image


def _apply(image: Image, change: Change, actor: Actor) -> None:
    name = change.path[0]
    refuse_fixed([name])
    if name == "id":
        raise AttributeFixed("Attribute 'id' is read-only.")
    if len(change.path) > 1:
        _change_one_tag(image, change)
    elif change.op == "remove":
        _remove(image, name)
    else:
        if change.op == "replace" and name not in FIELDS and name not in image.properties:
            raise PropertyConflict(f"Property {name} does not exist.")
        set_attribute(image, name, change.value, actor)


def _remove(image: Image, name: str) -> None:
    if name in FIELDS:
        raise Forbidden(f"Property {name} may not be removed.")
    if name not in image.properties:
        raise PropertyConflict(f"Property {name} does not exist.")
    del image.properties[name]


def _change_one_tag(image: Image, change: Change) -> None:
    """Clients that compute patches address single tags by position, as RFC 6902 allows."""
    tags = list(image.tags)
    position = _position(change, len(tags))
    if change.op == "add":
        tags.insert(position, check_tag(change.value))
    elif change.op == "replace":
        tags[position] = check_tag(change.value)
    else:
        del tags[position]
    image.tags = check_tags("tags", tags)


def _position(change: Change, count: int) -> int:
    name, *rest = change.path
    if name != "tags" or len(rest) != 1:
        raise Invalid(f"Invalid JSON pointer for this resource: '/{'/'.join(change.path)}'")
    if rest[0] == "-" and change.op == "add":
        return count
    last = count if change.op == "add" else count - 1
    if not (rest[0].isascii() and rest[0].isdigit() and len(rest[0]) < 4) or int(rest[0]) > last:
        raise PropertyConflict(f"There is no tag at position {rest[0]}.")
    return int(rest[0])


def add_tag(*, image_id: str | UUID, tag: str, actor: Actor, now: datetime) -> None:
    """Give the image this tag; one that it has stays."""
    with transaction.atomic():
        image = get_image(image_id, actor=actor, for_update=True)
        policy.require(actor, "modify_image", project_id=image.owner)
        image.tags = check_tags("tags", [*image.tags, tag])
        image.updated_at = now
        image.save(update_fields=["tags", "updated_at"])


def remove_tag(*, image_id: str | UUID, tag: str, actor: Actor, now: datetime) -> None:
    """Take this tag away.

    Raises:
        NotFound: the image does not have it.
    """
    with transaction.atomic():
        image = get_image(image_id, actor=actor, for_update=True)
        policy.require(actor, "modify_image", project_id=image.owner)
        if tag not in image.tags:
            raise NotFound(f"The tag {tag} was not found.")
        image.tags = [kept for kept in image.tags if kept != tag]
        image.updated_at = now
        image.save(update_fields=["tags", "updated_at"])
