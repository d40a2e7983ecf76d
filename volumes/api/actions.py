"""What is done to a volume: `POST /volumes/{id}/action`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.microversions import Versioned
from cloudportal.api.openapi import documented
from cloudportal.api.representation import nullable
from cloudportal.api.validation import BOOLEAN, BodySchema, closed, is_true
from cloudportal.errors import Invalid
from volumes.api import shapes
from volumes.api.representation import type_body
from volumes.api.views import SIZE, VolumeView, actor_of, instant, is_at
from volumes.delete import force_delete_volume
from volumes.extend import extend_volume
from volumes.find import find_snapshot, find_type, find_volume
from volumes.models import Volume
from volumes.reserve import reserve_volume, unreserve_volume
from volumes.retype import retype_volume
from volumes.revert import revert_volume
from volumes.update import (
    reset_status,
    set_bootable,
    set_image_metadata,
    set_readonly,
    unset_image_metadata,
)
from volumes.upload import WantedImage, upload_volume

_NOTHING: dict[str, Any] = {"type": ["object", "null"], "maxProperties": 0}
_STATUS = {"type": "string", "maxLength": 255}
_TEXTS = {"type": "object", "additionalProperties": {"type": "string", "maxLength": 255}}


@dataclass(frozen=True)
class _Action:
    """An action's body and what does it; it answers with a status and perhaps a body."""

    schema: dict[str, Any]
    act: Callable[[Request, Volume, Any], Response]


def _extend(request: Request, volume: Volume, body: Any) -> Response:
    extend_volume(
        volume=volume,
        size_gib=int(body["new_size"]),
        may_be_in_use=is_at(request, "3.42"),
        actor=actor_of(request),
        now=timezone.now(),
    )
    return Response(status=202)


def _set_bootable(request: Request, volume: Volume, body: Any) -> Response:
    set_bootable(
        volume=volume,
        is_bootable=is_true(body["bootable"]),
        actor=actor_of(request),
        now=timezone.now(),
    )
    return Response(status=200)


def _reset_status(request: Request, volume: Volume, body: Any) -> Response:
    if "status" not in body:
        raise Invalid("Invalid input received: only the status can be set.")
    reset_status(volume=volume, status=body["status"], actor=actor_of(request), now=timezone.now())
    return Response(status=202)


def _force_delete(request: Request, volume: Volume, body: Any) -> Response:
    force_delete_volume(volume=volume, actor=actor_of(request), now=timezone.now())
    return Response(status=202)


def _reserve(request: Request, volume: Volume, body: Any) -> Response:
    reserve_volume(volume=volume, actor=actor_of(request), now=timezone.now())
    return Response(status=202)


def _unreserve(request: Request, volume: Volume, body: Any) -> Response:
    unreserve_volume(volume=volume, actor=actor_of(request), now=timezone.now())
    return Response(status=202)


def _set_image_metadata(request: Request, volume: Volume, body: Any) -> Response:
    found = set_image_metadata(
        volume=volume, metadata=body["metadata"], actor=actor_of(request), now=timezone.now()
    )
    return Response({"metadata": found})


def _unset_image_metadata(request: Request, volume: Volume, body: Any) -> Response:
    unset_image_metadata(
        volume=volume, key=body["key"], actor=actor_of(request), now=timezone.now()
    )
    return Response(status=200)


def _show_image_metadata(request: Request, volume: Volume, body: Any) -> Response:
    return Response({"metadata": volume.image_metadata})


def _retype(request: Request, volume: Volume, body: Any) -> Response:
    """Both policies on migration are heard: no type asks for one."""
    actor = actor_of(request)
    kind = find_type(actor=actor, name_or_id=body["new_type"])
    retype_volume(volume=volume, kind=kind, actor=actor, now=timezone.now())
    return Response(status=202)


def _set_readonly(request: Request, volume: Volume, body: Any) -> Response:
    is_readonly, actor = is_true(body["readonly"]), actor_of(request)
    set_readonly(volume=volume, is_readonly=is_readonly, actor=actor, now=timezone.now())
    return Response(status=202)


def _revert(request: Request, volume: Volume, body: Any) -> Response:
    if not is_at(request, "3.40"):
        raise Invalid("There is no such action: the body names one known action.")
    actor = actor_of(request)
    snapshot = find_snapshot(actor=actor, snapshot_id=body["snapshot_id"])
    revert_volume(volume=volume, snapshot=snapshot, actor=actor, now=timezone.now())
    return Response(status=202)


def _upload_image(request: Request, volume: Volume, body: Any) -> Response:
    actor, is_newer = actor_of(request), is_at(request, "3.1")
    if not is_newer and not {"visibility", "protected"}.isdisjoint(body):
        raise Invalid("Invalid input received: visibility and protected came with 3.1.")
    wanted = WantedImage(
        name=body["image_name"],
        disk_format=body.get("disk_format") or "raw",
        container_format=body.get("container_format") or "bare",
        visibility=body.get("visibility") or "private",
        is_protected=is_true(body.get("protected", False)),
        force=is_true(body.get("force", False)),
    )
    image = upload_volume(volume=volume, wanted=wanted, actor=actor, now=timezone.now())
    fresh = find_volume(actor=actor, volume_id=volume.pk)
    shown = {
        "id": str(fresh.pk),
        "updated_at": instant(fresh.updated_at),
        "status": fresh.status,
        "display_description": fresh.description,
        "size": fresh.size_gib,
        "volume_type": type_body(request, fresh.type),
        "image_id": str(image.pk),
        "container_format": image.container_format,
        "disk_format": image.disk_format,
        "image_name": image.name,
    }
    if is_newer:
        shown |= {"visibility": image.visibility, "protected": image.is_protected}
    return Response({"os-volume_upload_image": shown}, status=202)


_FORMAT = {"type": ["string", "null"], "maxLength": 32}
ACTIONS = {
    "os-update_readonly_flag": _Action(closed({"readonly": BOOLEAN}, ["readonly"]), _set_readonly),
    "revert": _Action(closed({"snapshot_id": {"type": "string"}}, ["snapshot_id"]), _revert),
    "os-volume_upload_image": _Action(
        closed(
            {
                "image_name": {"type": "string", "minLength": 1, "maxLength": 255},
                "force": BOOLEAN,
                "disk_format": _FORMAT,
                "container_format": _FORMAT,
                "visibility": {"enum": ["community", "public", "private", "shared"]},
                "protected": BOOLEAN,
            },
            ["image_name"],
        ),
        _upload_image,
    ),
    "os-retype": _Action(
        closed(
            {
                "new_type": {"type": "string", "minLength": 1, "maxLength": 255},
                "migration_policy": {"enum": ["never", "on-demand"]},
            },
            ["new_type"],
        ),
        _retype,
    ),
    "os-extend": _Action(closed({"new_size": SIZE}, ["new_size"]), _extend),
    "os-set_bootable": _Action(closed({"bootable": BOOLEAN}, ["bootable"]), _set_bootable),
    "os-reset_status": _Action(closed({"status": _STATUS}), _reset_status),
    "os-force_delete": _Action(_NOTHING, _force_delete),
    "os-reserve": _Action(_NOTHING, _reserve),
    "os-unreserve": _Action(_NOTHING, _unreserve),
    "os-set_image_metadata": _Action(
        closed({"metadata": _TEXTS}, ["metadata"]), _set_image_metadata
    ),
    "os-unset_image_metadata": _Action(
        closed({"key": {"type": "string"}}, ["key"]), _unset_image_metadata
    ),
    "os-show_image_metadata": _Action(_NOTHING, _show_image_metadata),
}
# What the service knows elsewhere and this cloud does not do, with the reason.
ABSENT = {
    "os-attach": "Servers attach volumes through the compute service.",
    "os-detach": "Servers detach volumes through the compute service.",
    "os-begin_detaching": "Servers detach volumes through the compute service.",
    "os-roll_detaching": "Servers detach volumes through the compute service.",
    "os-force_detach": "Servers detach volumes through the compute service.",
    "os-initialize_connection": "Volumes are disks of servers only; nothing else connects to them.",
    "os-terminate_connection": "Volumes are disks of servers only; nothing else connects to them.",
    "os-migrate_volume": "A volume goes by itself to the host of the server it is attached to.",
    "os-reimage": "A volume keeps its content.",
    "os-extend_volume_completion": "A volume that a server has grows under it at once.",
}
_BODIES = {
    name: BodySchema(closed({name: action.schema}, [name])) for name, action in ACTIONS.items()
}
# Before 3.1 an image that is made says nothing of who sees it.
_BARE_UPLOAD = closed(
    {
        key: value
        for key, value in ACTIONS["os-volume_upload_image"].schema["properties"].items()
        if key not in {"visibility", "protected"}
    },
    ["image_name"],
)


def _any_of(*without: str, **instead: dict[str, Any]) -> dict[str, Any]:
    """The bodies of all actions but some."""
    schemas = {name: action.schema for name, action in ACTIONS.items() if name not in without}
    return {"oneOf": [closed({name: each}, [name]) for name, each in (schemas | instead).items()]}


_REQUEST = Versioned(
    {
        "3.0": _any_of("revert", **{"os-volume_upload_image": _BARE_UPLOAD}),
        "3.1": _any_of("revert"),
        "3.40": _any_of(),
    }
)


class VolumeActions(VolumeView):
    """Actions on a volume."""

    @documented(
        "Do something to a volume.",
        request=_REQUEST,
        responses={200: nullable(shapes.METADATA), 202: nullable(shapes.UPLOAD)},
    )
    def post(self, request: Request, volume_id: str) -> Response:
        """Do the one that the body names.

        Raises:
            Invalid: there is no such action, or this cloud does not do it.
        """
        body = request.data
        names = list(body) if isinstance(body, dict) else []
        volume = find_volume(actor=actor_of(request), volume_id=volume_id)
        if len(names) != 1 or names[0] not in {*ACTIONS, *ABSENT}:
            raise Invalid("There is no such action: the body names one known action.")
        [name] = names
        if name in ABSENT:
            raise Invalid(f"{name} is not offered. {ABSENT[name]}")
        arguments = _BODIES[name].check(body)[name]
        return ACTIONS[name].act(request, volume, arguments)
