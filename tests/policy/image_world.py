"""Images in every state that the calls of the image API need, and what the calls send."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone

from images.api.data import OCTETS
from images.api.images import PATCH_TYPE
from images.models import Image, ImageMember, Visibility
from images.upload import store_image_data
from tests.authorisation import FOREIGN_PROJECT, OWN_PROJECT, actor_named

_JSON = "application/json"
_DATA = b"x" * 512
_IMPORT = {"method": {"name": "web-download", "uri": "https://example.org/image"}}
_PATCH = [{"op": "replace", "path": "/name", "value": "new"}]
# Of each call that sends anything: the body and its type.
_BODIES: dict[str, tuple[bytes, str]] = {
    "POST images": (b'{"name": "new"}', _JSON),
    "PATCH images/{image_id}": (json.dumps(_PATCH).encode(), PATCH_TYPE),
    "PUT images/{image_id}/file": (_DATA, OCTETS),
    "PUT images/{image_id}/stage": (_DATA, OCTETS),
    "POST images/{image_id}/import": (json.dumps(_IMPORT).encode(), _JSON),
    "POST images/{image_id}/members": (b'{"member": "another"}', _JSON),
    "PUT images/{image_id}/members/{member}": (b'{"status": "accepted"}', _JSON),
}
# Calls for an image that has no data yet; the others are for one that has.
_BEFORE_DATA = frozenset(
    {
        "PUT images/{image_id}/file",
        "PUT images/{image_id}/stage",
        "POST images/{image_id}/import",
    }
)


@dataclass
class ImageWorld:
    """Images of the own project, by visibility: with data and without."""

    active: dict[str, Image] = field(default_factory=dict)
    queued: dict[str, Image] = field(default_factory=dict)

    def path(self, method: str, route: str, visibility: str = Visibility.PRIVATE) -> str:
        """The address of a call, filled in; members are those of an image that is shared."""
        is_early = f"{method} {route}" in _BEFORE_DATA
        kind = Visibility.SHARED if "/members" in route else visibility
        image = (self.queued if is_early else self.active)[kind]
        names = {"image_id": image.pk, "member": FOREIGN_PROJECT, "tag": "red"}
        return f"/image/v2/{route.format(**names)}"


def sent_by(method: str, route: str) -> dict[str, Any]:
    """What a call sends, as a test client takes it."""
    body = _BODIES.get(f"{method} {route}")
    return {"data": body[0], "content_type": body[1]} if body else {}


def make_image_world() -> ImageWorld:
    """Make it all; the shared images are shared with the foreign project, which has no word yet."""
    world = ImageWorld()
    for visibility in (Visibility.PRIVATE, Visibility.SHARED, Visibility.PUBLIC):
        for images in (world.queued, world.active):
            images[visibility] = Image.objects.create(
                name="tiny",
                owner=OWN_PROJECT,
                visibility=visibility,
                disk_format="raw",
                container_format="bare",
                tags=["red"],
            )
        world.active[visibility] = store_image_data(
            image=world.active[visibility],
            chunks=iter([_DATA]),
            actor=actor_named("owner"),
            now=timezone.now(),
        )
    for images in (world.queued, world.active):
        ImageMember.objects.create(image=images[Visibility.SHARED], member=FOREIGN_PROJECT)
    return world
