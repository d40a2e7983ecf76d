"""Takes an image file that already lies on this machine into the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from identity.actors import Actor
from images.create import create_image
from images.delete import delete_image
from images.models import Image
from images.storage import read_file
from images.upload import store_image_data


def register_image(
    *,
    name: str,
    path: Path,
    attributes: Mapping[str, object],
    actor: Actor,
    now: datetime,
) -> Image:
    """Make an active image of a file; `attributes` by wire name, for example visibility.

    Without `disk_format` it is qcow2. Nothing is left when the file is not accepted.

    Raises:
        as `create_image` and `store_image_data`; OSError when the file cannot be read.
    """
    wanted = {"disk_format": "qcow2", "container_format": "bare", **attributes, "name": name}
    image = create_image(attributes=wanted, actor=actor, now=now)
    try:
        return store_image_data(image=image, chunks=read_file(path), actor=actor, now=now)
    except BaseException:
        image.refresh_from_db()
        image.is_protected = False
        image.save(update_fields=["is_protected"])
        delete_image(image=image, actor=actor, now=now)
        raise
