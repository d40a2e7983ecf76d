"""Rebuild a server: the same host, ports and addresses, and a new root disk from an image."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

from django.db import transaction

from cloudportal.errors import NotOffered
from flavors.models import Flavor
from hypervisors.numa import numa_request
from identity.actors import Actor
from images.errors import ImageNotFound
from images.lookup import get_image
from images.models import Image
from quotas.consume import limits
from scheduling.request_spec import RequestSpec
from servers import create_checks
from servers.attached_volumes import attachments_of
from servers.begin import begin_action, check_legal, require
from servers.errors import InvalidServerRequest, ServerNotFound
from servers.host_needs import guest_needs, image_needs
from servers.legal import LEGAL
from servers.models import Server
from servers.options import options_of
from servers.secrets import new_password, seal, unseal
from servers.wanted import InjectedFile

KIND = "server.rebuild"


class RebuildChanges(TypedDict, total=False):
    """What changes with the disk; a key that is absent stays as it is. `metadata` is all of it."""

    name: str
    description: str | None
    hostname: str
    access_ip_v4: str | None
    access_ip_v6: str | None
    disk_config: str
    metadata: dict[str, str]
    key_name: str | None
    user_data: str | None


@dataclass(frozen=True, kw_only=True)
class WantedRebuild:
    """What a server is to become.

    The ephemeral disk is made anew too unless it is to be preserved. `may_reimage_volume`: whether
    the caller knows of servers on volumes that get another image.
    """

    image_id: UUID
    changes: RebuildChanges = field(default_factory=lambda: RebuildChanges())
    admin_password: str | None = field(default=None, repr=False)
    personality: tuple[InjectedFile, ...] = ()
    preserve_ephemeral: bool = False
    may_reimage_volume: bool = False


def rebuild_server(*, server: Server, wanted: WantedRebuild, actor: Actor, now: datetime) -> Server:
    """Accept the rebuild; the server as it is now, with the guest's new password sealed in it.

    Raises:
        InvalidState: its state does not allow it, or a task is under way.
        ServerLocked: it is locked, and the actor is no administrator.
        NotOffered: it runs from a volume, which would get another image.
        InvalidServerRequest: the image or another thing wanted is not there or does not fit.
        TooManyItems: more metadata or files than the project's limit.
        Forbidden: the actor may not.
    """
    require(actor, LEGAL["rebuild"], server)
    check_legal(server, "rebuild", actor)
    fields = _fields(server, wanted, actor)
    before = {name: getattr(server, name) for name in fields}
    with transaction.atomic():
        begin_action(
            server,
            "rebuild",
            kind=KIND,
            actor=actor,
            now=now,
            params={
                # With the user data, which may hold secrets.
                "before": seal(json.dumps(before, default=str)),
                "preserve_ephemeral": wanted.preserve_ephemeral,
            },
        )
        if not Server.objects.change(server.pk, **fields, updated_at=now):
            raise ServerNotFound(f"Instance {server.pk} could not be found.")
    for name, value in fields.items():
        setattr(server, name, value)
    return server


def fields_before(params: Mapping[str, Any]) -> dict[str, Any]:
    """What the row of a server said before its rebuild, from the operation's params."""
    before: dict[str, Any] = json.loads(unseal(params["before"]))
    return before


def _fields(server: Server, wanted: WantedRebuild, actor: Actor) -> dict[str, Any]:
    """The checks in the order of the compute API, and the row as it will be."""
    changes = wanted.changes
    image = options_of(server).applied_to(_image(server, wanted, actor))
    fields: dict[str, Any] = dict(changes)
    if "key_name" in changes:
        fields["public_key"] = create_checks.find_public_key(changes["key_name"], actor)
    _check_limits(server, wanted)
    create_checks.check_disk_config(
        changes.get("disk_config", ""), image.pk, properties=image.properties
    )
    has_root = server.image_id is not None
    flavor = _flavor(server)
    create_checks.check_image(image, flavor, actor, has_root=has_root)
    _check_same_nodes(server, flavor, image.properties)
    if has_root:
        _check_room(server, image)
    password = new_password() if wanted.admin_password is None else wanted.admin_password
    properties = image.properties
    return {
        **fields,
        "image_id": image.pk if has_root else None,
        "image_properties": properties,
        "request_spec": _request_spec(server, image.pk if has_root else None, properties),
        "personality": [dataclasses.asdict(file) for file in wanted.personality],
        "has_config_drive": server.has_config_drive or _needs_drive(wanted, properties),
        "sealed_admin_password": seal(password),
        "progress": 0,
    }


def _image(server: Server, wanted: WantedRebuild, actor: Actor) -> Image:
    if server.image_id is None:
        _check_volume(server, wanted)
    try:
        return get_image(str(wanted.image_id), actor=actor)
    except ImageNotFound:
        raise InvalidServerRequest("Cannot find image for rebuild") from None


def _check_volume(server: Server, wanted: WantedRebuild) -> None:
    """A root disk that is a volume stays as it is; all around it is made anew."""
    root = next((each for each in attachments_of(server) if each.boot_index == 0), None)
    if root is not None and root.volume.image_id == wanted.image_id:
        return
    if wanted.may_reimage_volume:
        raise NotOffered(
            "A server that runs from a volume is rebuilt with that volume's own image only."
        )
    raise InvalidServerRequest(
        "Unable to rebuild with a different image for a volume-backed server."
    )


def _flavor(server: Server) -> Flavor:
    """The flavor as the server has it, whatever became of its row."""
    known = {each.name for each in Flavor._meta.concrete_fields}
    return Flavor(**{name: value for name, value in server.flavor.items() if name in known})


def _check_same_nodes(server: Server, flavor: Flavor, properties: Mapping[str, str]) -> None:
    """The server stays on its host's CPUs and pages, so another image may not ask for others.

    Raises:
        InvalidServerRequest: it does.
    """
    asked = numa_request(flavor.extra_specs, properties, vcpus=flavor.vcpus, ram_mib=flavor.ram_mib)
    if (asked.to_json() if asked else {}) != server.request_spec.get("numa", {}):
        raise InvalidServerRequest(
            "An instance's NUMA topology cannot be changed as part of a rebuild. The image "
            "provided is invalid for this instance."
        )


def _check_limits(server: Server, wanted: WantedRebuild) -> None:
    metadata = wanted.changes.get("metadata", {})
    if metadata or wanted.personality:
        allowed = limits(server.project_id, server.user_id)
        create_checks.check_metadata_count(metadata, allowed)
        create_checks.check_files(wanted.personality, allowed)


def _check_room(server: Server, image: Image) -> None:
    """A root disk that takes its size from the image may not outgrow what the server holds."""
    flavor = server.flavor
    if flavor["disk_gib"]:
        return
    held = RequestSpec.from_json(server.request_spec).disk_gib - flavor["ephemeral_gib"]
    size = create_checks.image_bytes(image)
    if size > held * create_checks.GIB:
        raise InvalidServerRequest(
            f"Flavor's disk is too small for requested image. Flavor disk is "
            f"{held * create_checks.GIB} bytes, image is {size} bytes."
        )


def _request_spec(
    server: Server, image_id: UUID | None, properties: Mapping[str, str]
) -> dict[str, Any]:
    spec = RequestSpec.from_json(server.request_spec)
    return dataclasses.replace(
        spec,
        image_id=str(image_id or ""),
        **image_needs(properties),
        **guest_needs(server.flavor["extra_specs"], properties),
    ).to_json()


def _needs_drive(wanted: WantedRebuild, properties: Mapping[str, str]) -> bool:
    carried = (wanted.changes.get("key_name"), wanted.changes.get("user_data"), wanted.personality)
    return any(carried) or properties.get("img_config_drive") == "mandatory"
