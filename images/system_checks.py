"""System check: this machine sees the data of the images that the database knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Warning, register
from django.db import Error as DatabaseFailure

from cloudportal.checks import STATE, WORK
from images.models import Image, ImageStatus
from images.storage import image_path

# The newest ones; a folder that is not shared lacks them first.
LOOKED_AT = 20


@register(STATE, WORK, deploy=True)
def check_data(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """W002: the image folder holds the files of active images.

    No error: without its images a portal can still do everything else, and restore them.
    """
    try:
        images = list(
            Image.objects.filter(status=ImageStatus.ACTIVE).order_by("-created_at")[:LOOKED_AT]
        )
    except DatabaseFailure:
        return []  # another check says that it does not answer, or has no tables
    missing = [image for image in images if not image_path(image).is_file()]
    if not missing:
        return []
    return [
        Warning(
            f"The image folder {settings.IMAGE_DIR} lacks the data of {len(missing)} of the "
            f"{len(images)} newest images, such as {missing[0].pk}.",
            hint="With several machines it must be one folder that all of them share: see "
            "CLOUDPORTAL_IMAGES. Data that is lost is uploaded anew, as another image.",
            id="cloudportal.W002",
        )
    ]
