"""Make images and backups of servers' root disks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from django.db import transaction

from identity.actors import Actor
from images.attributes import FIELDS, READ_ONLY, RESERVED, RESERVED_PREFIX
from images.create import create_image
from images.models import Image, Visibility
from quotas.consume import limits
from servers.begin import begin_action, check_legal, require
from servers.create_checks import check_metadata_count
from servers.errors import InvalidServerRequest
from servers.legal import LEGAL
from servers.models import Server

NAME_LENGTH = 255
# What an image of a server does not take over from the image that the server was made of. Source:
# the compute service's list of properties that are not inherited.
_NOT_INHERITED = frozenset(
    {
        *("cache_in_nova", "bittorrent", "img_signature_hash_method", "img_signature"),
        *("img_signature_key_type", "img_signature_certificate_uuid"),
        *("image_type", "instance_uuid", "backup_type", "image_location", "image_state"),
    }
)
_NOT_PROPERTIES = {*FIELDS, *READ_ONLY, *RESERVED, "id"}


@dataclass(frozen=True, kw_only=True)
class WantedImage:
    """An image of a server: its name, and what is said about it, whose number may be limited."""

    name: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    is_limited: bool = False


def snapshot_server(*, server: Server, wanted: WantedImage, actor: Actor, now: datetime) -> UUID:
    """Begin an image of the server's root disk as it is now; the server goes on. Its id.

    Raises:
        InvalidState: its state does not allow it, or a task is under way.
        InvalidServerRequest: a name among the metadata is one of the image's own attributes.
        TooManyItems: more metadata than the project may have.
        OverQuota: the project has all the images it may have.
        Forbidden: the actor may not.
    """
    return _begin(server, "createImage", wanted, actor, now)


def back_up_server(
    *,
    server: Server,
    wanted: WantedImage,
    backup_type: str,
    rotation: int,
    actor: Actor,
    now: datetime,
) -> UUID:
    """The same, of which only the newest `rotation` of the server and the type are kept.

    Raises:
        as `snapshot_server`.
    """
    return _begin(server, "createBackup", wanted, actor, now, backup=(backup_type, rotation))


def _begin(
    server: Server,
    action: str,
    wanted: WantedImage,
    actor: Actor,
    now: datetime,
    backup: tuple[str, int] | None = None,
) -> UUID:
    require(actor, LEGAL[action], server)
    check_legal(server, action, actor)
    _check_metadata(wanted, actor)
    image_id = uuid4()
    params = {
        "image": str(image_id),
        "rotation": backup[1] if backup else None,
        "must_be_quiet": must_be_quiet(server),
    }
    kind = {"image_type": "backup", "backup_type": backup[0]} if backup else {}
    with transaction.atomic():
        begin_action(server, action, kind="server.snapshot", actor=actor, now=now, params=params)
        image = make_image(server, image_id, wanted.name, {**wanted.metadata, **kind}, actor, now)
    return image.pk


def make_image(
    server: Server,
    image_id: UUID,
    name: str,
    properties: Mapping[str, str],
    actor: Actor,
    now: datetime,
) -> Image:
    """The queued image of a server, with what it inherits; `properties` come before that.

    Raises:
        OverQuota: the actor's project has all the images it may have.
        Forbidden: the actor may not make images.
    """
    base = Image.objects.filter(pk=server.image_id).first() if server.image_id else None
    is_own = actor.project_id == server.project_id
    inherited = {
        key: str(value)
        for key, value in server.image_properties.items()
        if key not in _NOT_INHERITED and not key.startswith(("os_glance", "img_signature"))
    }
    attributes = {
        "id": str(image_id),
        "name": name[:NAME_LENGTH],
        "visibility": Visibility.PRIVATE.value if is_own else Visibility.SHARED.value,
        "disk_format": "qcow2",
        "container_format": "bare",
        "min_ram": base.min_ram_mib if base else 0,
        "min_disk": max(base.min_disk_gib if base else 0, server.flavor["disk_gib"]),
        **{key: value for key, value in inherited.items() if key not in _NOT_PROPERTIES},
        "instance_uuid": str(server.pk),
        "user_id": actor.user_id,
        "image_type": "snapshot",
        "base_image_ref": str(server.image_id or ""),
        "owner_user_name": actor.user_name,
        "owner_project_name": actor.project_name,
        "boot_roles": ",".join(sorted(actor.roles)),
        **properties,
    }
    return create_image(attributes=attributes, actor=actor, now=now)


def must_be_quiet(server: Server) -> bool:
    """Whether the server's image asks that its file systems are at rest in each copy of it."""
    wish = str(server.image_properties.get("os_require_quiesce", "")).lower()
    return wish in {"true", "1", "yes", "on"}


def _check_metadata(wanted: WantedImage, actor: Actor) -> None:
    for name in wanted.metadata:
        if name in _NOT_PROPERTIES or name.startswith(RESERVED_PREFIX):
            raise InvalidServerRequest(f"Invalid metadata: '{name}' is an attribute of images.")
    if wanted.is_limited:
        check_metadata_count(wanted.metadata, limits(actor.project_id or "", actor.user_id))
