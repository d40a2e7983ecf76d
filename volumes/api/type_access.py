"""Which projects use which types, and which type is a project's default, over HTTP."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from cloudportal.api.representation import array
from cloudportal.api.validation import BodySchema, closed
from identity import policy
from volumes.api import shapes
from volumes.api.types import one_type
from volumes.api.views import VolumeView, actor_of, inner
from volumes.errors import VolumeTypeNotFound
from volumes.find import find_type
from volumes.models import DefaultVolumeType
from volumes.type_access import (
    grant_type,
    projects_with_access,
    revoke_type,
    set_default_type,
    unset_default_type,
)

_PROJECT = closed({"project": {"type": "string", "minLength": 1, "maxLength": 64}}, ["project"])
ACTION = BodySchema(
    closed(
        {"addProjectAccess": _PROJECT, "removeProjectAccess": _PROJECT},
        minProperties=1,
        maxProperties=1,
    )
)
DEFAULT = inner(
    "default_type", {"volume_type": {"type": "string", "maxLength": 255}}, ("volume_type",)
)


class TypeAccess(VolumeView):
    """The projects that may use a type that is not for all."""

    @documented("List the projects that may use a type.", responses={200: shapes.TYPE_ACCESS})
    def get(self, request: Request, type_id: str) -> Response:
        """All of them."""
        kind = one_type(request, type_id)
        projects = projects_with_access(kind=kind, actor=actor_of(request))
        shown = [{"volume_type_id": str(kind.pk), "project_id": each} for each in projects]
        return Response({"volume_type_access": shown})


class TypeActions(VolumeView):
    """What is done to a type."""

    @documented(
        "Let a project use a type, or use it no more.", request=ACTION, responses={202: None}
    )
    def post(self, request: Request, type_id: str) -> Response:
        """Let a project use it, or use it no more."""
        kind, actor = one_type(request, type_id), actor_of(request)
        [(name, body)] = ACTION.check(request.data).items()
        act = grant_type if name == "addProjectAccess" else revoke_type
        act(kind=kind, project_id=body["project"], actor=actor)
        return Response(status=202)


def _shown(row: DefaultVolumeType) -> dict[str, Any]:
    return {"project_id": row.project_id, "volume_type_id": str(row.type_id)}


class DefaultTypes(VolumeView):
    """The default types of projects that have their own."""

    @documented(
        "List the default types of projects.",
        responses={200: shapes.one("default_types", array(shapes.DEFAULT_TYPE))},
    )
    def get(self, request: Request) -> Response:
        """All of them."""
        policy.require(actor_of(request), "volume_extension:default_get_all")
        rows = DefaultVolumeType.objects.order_by("project_id")
        return Response({"default_types": [_shown(row) for row in rows]})


class OneDefaultType(VolumeView):
    """The default type of one project."""

    @documented(
        "Show the default type of a project.",
        responses={200: shapes.one("default_type", shapes.DEFAULT_TYPE)},
    )
    def get(self, request: Request, target_id: str) -> Response:
        """The type.

        Raises:
            VolumeTypeNotFound: it has none of its own.
        """
        policy.require(actor_of(request), "volume_extension:default_get")
        row = DefaultVolumeType.objects.filter(project_id=target_id).first()
        if row is None:
            raise VolumeTypeNotFound(f"Default type for project {target_id} was not found.")
        return Response({"default_type": _shown(row)})

    @documented(
        "Set the default type of a project.",
        request=DEFAULT,
        responses={200: shapes.one("default_type", shapes.DEFAULT_TYPE)},
    )
    def put(self, request: Request, target_id: str) -> Response:
        """Set it."""
        actor = actor_of(request)
        policy.require(actor, "volume_extension:default_set_or_update")
        wanted = DEFAULT.check(request.data)["default_type"]["volume_type"]
        kind = find_type(actor=actor, name_or_id=wanted)
        row = set_default_type(project_id=target_id, kind=kind, actor=actor)
        return Response({"default_type": _shown(row)})

    @documented("Let a project have the default type of all.", responses={204: None})
    def delete(self, request: Request, target_id: str) -> Response:
        """Let the default type of all be its own again."""
        unset_default_type(project_id=target_id, actor=actor_of(request))
        return Response(status=204)
