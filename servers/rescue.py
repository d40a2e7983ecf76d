"""Rescue a server: it boots from another disk, with its own beside; and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction

from hypervisors.disks import can_be_base
from identity.actors import Actor
from images.errors import ImageNotFound
from images.lookup import get_image
from images.models import Image, ImageStatus
from servers.begin import begin_action, check_legal, require
from servers.errors import InvalidServerRequest
from servers.legal import LEGAL
from servers.models import Server
from servers.secrets import new_password, seal

KIND = "server.rescue"
UNRESCUE_KIND = "server.unrescue"
# Properties of a rescue image that let the server keep all its disks, this one behind them.
BUS = "hw_rescue_bus"
DEVICE = "hw_rescue_device"
_BUSES = ("virtio", "scsi", "sata", "ide", "usb")
_DEVICES = ("disk", "cdrom")


def rescue_server(
    *,
    server: Server,
    actor: Actor,
    now: datetime,
    image_id: UUID | None = None,
    admin_password: str | None = None,
    may_be_on_volume: bool = False,
) -> str:
    """Let the server boot from an image, its own one unless another is named; the new password.

    `may_be_on_volume`: whether the caller knows that a server on a volume can be rescued.

    Raises:
        InvalidState: its state does not allow it, or a task is under way.
        ServerLocked: it is locked, and the actor is no administrator.
        InvalidServerRequest: nothing can be booted from that image, or the server is on a volume.
        Forbidden: the actor may not.
    """
    require(actor, LEGAL["rescue"], server)
    check_legal(server, "rescue", actor)
    image = _image(server, image_id, actor)
    _check_volume(server, image, is_allowed=may_be_on_volume)
    password = new_password() if admin_password is None else admin_password
    with transaction.atomic():
        begin_action(
            server,
            "rescue",
            kind=KIND,
            actor=actor,
            now=now,
            params={"image": str(image.pk)},
        )
        Server.objects.change(server.pk, sealed_admin_password=seal(password), updated_at=now)
    return password


def unrescue_server(*, server: Server, actor: Actor, now: datetime) -> None:
    """Let the server boot from its own disk again.

    Raises:
        InvalidState: it is not rescued, or a task is under way.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor may not.
    """
    begin_action(server, "unrescue", kind=UNRESCUE_KIND, actor=actor, now=now)


def _image(server: Server, image_id: UUID | None, actor: Actor) -> Image:
    wanted = image_id or server.image_id
    refusal = InvalidServerRequest(f"Requested rescue image '{wanted}' is not supported")
    if wanted is None:
        raise refusal
    try:
        image = get_image(str(wanted), actor=actor)
    except ImageNotFound:
        raise refusal from None
    if image.status != ImageStatus.ACTIVE or not can_be_base(image.disk_format or ""):
        raise refusal
    for key, offered in ((BUS, _BUSES), (DEVICE, _DEVICES)):
        value = image.properties.get(key)
        if value is not None and value not in offered:
            what = key.removeprefix("hw_rescue_")
            raise InvalidServerRequest(f"Requested rescue {what} '{value}' is not supported")
    return image


def keeps_disks(properties: Mapping[str, str]) -> bool:
    """Whether a rescue image goes behind the server's own disks."""
    return BUS in properties or DEVICE in properties


def _check_volume(server: Server, image: Image, *, is_allowed: bool) -> None:
    if server.image_id is None and not (is_allowed and keeps_disks(image.properties)):
        raise InvalidServerRequest(
            f"Instance {server.pk} cannot be rescued: Cannot rescue a volume-backed instance"
        )
