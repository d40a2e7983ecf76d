"""What is done to a volume: `POST /volumes/{id}/action`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.validation import BOOLEAN, BodySchema, closed, is_true
from cloudportal.errors import Invalid
from volumes.api.views import SIZE, VolumeView, actor_of, is_at
from volumes.delete import force_delete_volume
from volumes.extend import extend_volume
from volumes.find import find_type, find_volume
from volumes.models import Volume
from volumes.reserve import reserve_volume, unreserve_volume
from volumes.retype import retype_volume
from volumes.update import reset_status, set_bootable, set_image_metadata, unset_image_metadata

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


ACTIONS = {
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
    "os-update_readonly_flag": "Volumes are attached for reading and writing.",
    "os-volume_upload_image": "Images are not made from volumes in this cloud.",
    "os-reimage": "A volume keeps its content.",
    "os-extend_volume_completion": "A volume that a server has grows under it at once.",
    "revert": "A volume is not taken back to a snapshot: make a new one from it.",
}
_BODIES = {
    name: BodySchema(closed({name: action.schema}, [name])) for name, action in ACTIONS.items()
}


class VolumeActions(VolumeView):
    """Actions on a volume."""

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
