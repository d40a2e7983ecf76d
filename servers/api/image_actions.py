"""The actions that make images of servers, and those that put servers on the shelf and back."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.microversions import Microversion
from cloudportal.api.representation import STRING, record
from cloudportal.api.views import WireRequest
from servers.api.action import FREE, Action
from servers.api.action_bodies import CREATE_BACKUP, CREATE_IMAGE, UNSHELVE
from servers.legal import LEGAL
from servers.models import Server
from servers.shelve import (
    ANYWHERE,
    WantedPlace,
    offload_server,
    shelve_server,
    unshelve_server,
)
from servers.snapshot import WantedImage, back_up_server, snapshot_server

# From here on the answer has the image's id in its body, before in a header.
ID_IN_BODY = Microversion(2, 45)
# Until then the metadata of an image were limited like those of a server.
LAST_LIMITED = Microversion(2, 38)
WITH_ZONE = Microversion(2, 77)


def _create_image(request: WireRequest, server: Server, value: Any) -> Response:
    image_id = snapshot_server(
        server=server, wanted=_wanted(request, value), actor=request.actor, now=timezone.now()
    )
    return _answer(request, str(image_id))


def _create_backup(request: WireRequest, server: Server, value: Any) -> Response:
    rotation = int(value["rotation"])
    image_id = back_up_server(
        server=server,
        wanted=_wanted(request, value),
        backup_type=value["backup_type"],
        rotation=rotation,
        actor=request.actor,
        now=timezone.now(),
    )
    return _answer(request, str(image_id), has_header=rotation > 0)


def _wanted(request: WireRequest, value: Any) -> WantedImage:
    return WantedImage(
        name=value["name"].strip(),
        metadata=value.get("metadata") or {},
        is_limited=request.microversion <= LAST_LIMITED,
    )


def _answer(request: WireRequest, image_id: str, *, has_header: bool = True) -> Response:
    if request.microversion >= ID_IN_BODY:
        return Response({"image_id": image_id}, status=202)
    where = f"{settings.PUBLIC_URL}/image/v2/images/{image_id}"
    return Response(status=202, headers={"Location": where} if has_header else None)


def _shelve(request: WireRequest, server: Server, value: Any) -> Response:
    shelve_server(server=server, actor=request.actor, now=timezone.now())
    return Response(status=202)


def _offload(request: WireRequest, server: Server, value: Any) -> Response:
    offload_server(server=server, actor=request.actor, now=timezone.now())
    return Response(status=202)


def _unshelve(request: WireRequest, server: Server, value: Any) -> Response:
    wanted = ANYWHERE
    # Before, whatever stood here said nothing.
    if isinstance(value, dict) and request.microversion >= WITH_ZONE:
        wanted = WantedPlace(value.get("availability_zone", ""), value.get("host", ""))
    unshelve_server(server=server, actor=request.actor, now=timezone.now(), wanted=wanted)
    return Response(status=202)


MADE = record({"image_id": STRING})
IMAGE_ACTIONS = {
    "createImage": Action(_create_image, LEGAL["createImage"].policy, CREATE_IMAGE),
    "createBackup": Action(_create_backup, LEGAL["createBackup"].policy, CREATE_BACKUP),
    "shelve": Action(_shelve, LEGAL["shelve"].policy, {"2.1": FREE}),
    "shelveOffload": Action(_offload, LEGAL["shelveOffload"].policy, {"2.1": FREE}),
    "unshelve": Action(_unshelve, LEGAL["unshelve"].policy, UNSHELVE),
}
