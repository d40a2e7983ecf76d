"""Begins imports: of data that was staged, or of a file on a web server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from identity import policy
from identity.actors import Actor
from images.addresses import check_literal, parse_uri
from images.errors import ImageBusy, ImageNotReady, ImportMethodUnknown
from images.lookup import get_image
from images.models import Image, ImageStatus
from images.storage import stage_path
from operations.enqueue import enqueue
from operations.models import Operation

IMPORT = "image.import"
GLANCE_DIRECT, WEB_DOWNLOAD = "glance-direct", "web-download"
METHODS = (GLANCE_DIRECT, WEB_DOWNLOAD)
# What an image is before each.
_NEEDED = {GLANCE_DIRECT: ImageStatus.UPLOADING, WEB_DOWNLOAD: ImageStatus.QUEUED}


@dataclass(frozen=True)
class WantedImport:
    """How an image gets its data; a download has a uri."""

    method: str
    uri: object = None


def begin_import(
    *, image_id: str | UUID, wanted: WantedImport, actor: Actor, now: datetime
) -> Operation:
    """Have an operation bring the data of an image, which is `importing` meanwhile.

    Raises:
        ImageNotFound: no such image.
        Forbidden: the actor may not change it.
        ImportMethodUnknown: there is no such method here.
        SourceRefused: nothing is fetched from that uri.
        ImageNotReady: disk or container format is not set, or no whole data is staged.
        ImageBusy: its status does not allow this method.
    """
    with transaction.atomic():
        image = get_image(image_id, actor=actor, for_update=True)
        policy.require(actor, "upload_image", project_id=image.owner)
        _check_method(wanted)
        if not image.container_format or not image.disk_format:
            raise ImageNotReady(
                "'disk_format' and 'container_format' needs to be set before import."
            )
        _check_status(image, wanted.method)
        Image.objects.filter(pk=image.pk).update(status=ImageStatus.IMPORTING, updated_at=now)
        params = {
            "image": str(image.pk),
            "method": wanted.method,
            "project": image.owner,
            "user": actor.user_id,
        }
        if wanted.method == WEB_DOWNLOAD:
            params["uri"] = str(wanted.uri)
        return enqueue(
            IMPORT, subject=image.pk, params=params, request_id=actor.request_id, now=now
        )


def imports_of(*, image_id: str | UUID, actor: Actor) -> tuple[Image, QuerySet[Operation]]:
    """The image with its imports, newest first, as far as they are remembered.

    Raises:
        ImageNotFound: no such image.
        Forbidden: it is another project's.
    """
    image = get_image(image_id, actor=actor)
    policy.require(actor, "get_image", project_id=image.owner)
    found = Operation.objects.filter(subject=image.pk, kind=IMPORT)
    return image, found.order_by("-created_at", "-pk")


def _check_method(wanted: WantedImport) -> None:
    if wanted.method not in METHODS:
        raise ImportMethodUnknown(
            f"Unknown import method name '{wanted.method[:64]}': one of {', '.join(METHODS)} is "
            "needed."
        )
    if wanted.method == WEB_DOWNLOAD:
        check_literal(parse_uri(wanted.uri), settings.IMPORT_NETWORKS)


def _check_status(image: Image, method: str) -> None:
    needed = _NEEDED[method]
    if image.status != needed:
        raise ImageBusy(
            f"Image needs to be in '{needed}' state to use '{method}' import; it is "
            f"'{image.status}'."
        )
    if method == GLANCE_DIRECT and not stage_path(image).is_file():
        raise ImageNotReady("The image's data is still being staged.")
