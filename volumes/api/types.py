"""Volume types over HTTP."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from cloudportal.api.validation import BOOLEAN, BodySchema, closed, is_true
from cloudportal.errors import Invalid
from identity import policy
from volumes.api import shapes
from volumes.api.representation import type_body
from volumes.api.views import DESCRIPTION, Listing, VolumeView, actor_of, inner
from volumes.errors import MetadataNotFound
from volumes.find import default_type, find_type, visible_types
from volumes.models import VolumeType
from volumes.types import (
    create_type,
    delete_extra_spec,
    delete_type,
    set_extra_specs,
    update_type,
)

_RULE = "volume_extension"
_SPECS = {"type": "object", "additionalProperties": {"type": "string", "maxLength": 255}}
_FIELDS: dict[str, Any] = {
    "name": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": DESCRIPTION,
    "os-volume-type-access:is_public": BOOLEAN,
}
CREATE = inner("volume_type", {**_FIELDS, "extra_specs": _SPECS}, ("name",))
UPDATE = inner(
    "volume_type",
    {"name": _FIELDS["name"], "description": DESCRIPTION, "is_public": BOOLEAN},
)
SPECS = BodySchema(closed({"extra_specs": _SPECS}, ["extra_specs"]))
ONE_SPEC = BodySchema({**_SPECS, "minProperties": 1, "maxProperties": 1})
LISTING = Listing("volume_types", {"id": "id", "name": "name", "created_at": "created_at"})


def one_type(request: Request, type_id: str) -> VolumeType:
    """The type, if the caller may know of it."""
    policy.require(actor_of(request), f"{_RULE}:type_get")
    return find_type(actor=actor_of(request), name_or_id=type_id)


class VolumeTypes(VolumeView):
    """All types."""

    @documented(
        "List volume types.",
        query=shapes.asked("is_public", "name"),
        responses={200: shapes.page("volume_types", shapes.TYPE)},
    )
    def get(self, request: Request) -> Response:
        """Those that the caller sees."""
        actor = actor_of(request)
        policy.require(actor, f"{_RULE}:type_get_all")
        default_type()
        rows = visible_types(actor)
        if actor.is_admin and "is_public" in request.query_params:
            wanted = request.query_params["is_public"].lower()
            if wanted != "none":
                rows = rows.filter(is_public=wanted == "true")
        if "name" in request.query_params:
            rows = rows.filter(name=request.query_params["name"])
        return Response(LISTING.body(self, request, rows, lambda row: type_body(request, row)))

    @documented(
        "Create a volume type.",
        request=CREATE,
        responses={200: shapes.one("volume_type", shapes.TYPE)},
    )
    def post(self, request: Request) -> Response:
        """Make one."""
        body = CREATE.check(request.data)["volume_type"]
        fields = {
            "name": body["name"],
            "description": body.get("description"),
            "is_public": is_true(body.get("os-volume-type-access:is_public", True)),
        }
        kind = create_type(fields=fields, actor=actor_of(request))
        if body.get("extra_specs"):
            kind.extra_specs = set_extra_specs(
                kind=kind, specs=body["extra_specs"], actor=actor_of(request)
            )
        return Response({"volume_type": type_body(request, kind)})


class OneVolumeType(VolumeView):
    """One type; `default` is the one of volumes whose makers name none."""

    @documented("Show a volume type.", responses={200: shapes.one("volume_type", shapes.TYPE)})
    def get(self, request: Request, type_id: str) -> Response:
        """All that is known of it."""
        is_default = type_id == "default"
        project_id = actor_of(request).project_id
        kind = default_type(project_id) if is_default else one_type(request, type_id)
        return Response({"volume_type": type_body(request, kind)})

    @documented(
        "Change a volume type.",
        request=UPDATE,
        responses={200: shapes.one("volume_type", shapes.TYPE)},
    )
    def put(self, request: Request, type_id: str) -> Response:
        """Set name, description or whether all see it."""
        body = UPDATE.check(request.data)["volume_type"]
        changes = dict(body)
        if "is_public" in changes:
            changes["is_public"] = is_true(changes["is_public"])
        kind = update_type(
            kind=one_type(request, type_id), changes=changes, actor=actor_of(request)
        )
        return Response({"volume_type": type_body(request, kind)})

    @documented("Delete a volume type.", responses={202: None})
    def delete(self, request: Request, type_id: str) -> Response:
        """Delete it."""
        delete_type(kind=one_type(request, type_id), actor=actor_of(request))
        return Response(status=202)


class ExtraSpecs(VolumeView):
    """A type's extra specs."""

    @documented("List the extra specs of a type.", responses={200: shapes.EXTRA_SPECS})
    def get(self, request: Request, type_id: str) -> Response:
        """All of them."""
        kind = one_type(request, type_id)
        policy.require(actor_of(request), f"{_RULE}:types_extra_specs:index")
        return Response({"extra_specs": kind.extra_specs})

    @documented("Add extra specs to a type.", request=SPECS, responses={200: shapes.EXTRA_SPECS})
    def post(self, request: Request, type_id: str) -> Response:
        """Merge into what is there."""
        specs = SPECS.check(request.data)["extra_specs"]
        set_extra_specs(kind=one_type(request, type_id), specs=specs, actor=actor_of(request))
        return Response({"extra_specs": specs})


class OneExtraSpec(VolumeView):
    """One of a type's extra specs."""

    @documented("Show an extra spec of a type.", responses={200: shapes.ONE_SPEC})
    def get(self, request: Request, type_id: str, key: str) -> Response:
        """Its value.

        Raises:
            MetadataNotFound: there is none.
        """
        kind = one_type(request, type_id)
        policy.require(actor_of(request), f"{_RULE}:types_extra_specs:index")
        if key not in kind.extra_specs:
            raise _no_spec(kind, key)
        return Response({key: kind.extra_specs[key]})

    @documented("Set an extra spec of a type.", request=ONE_SPEC, responses={200: shapes.ONE_SPEC})
    def put(self, request: Request, type_id: str, key: str) -> Response:
        """Set its value.

        Raises:
            Invalid: the body is about another key.
        """
        specs = ONE_SPEC.check(request.data)
        if list(specs) != [key]:
            raise Invalid("Request body and URI mismatch")
        set_extra_specs(kind=one_type(request, type_id), specs=specs, actor=actor_of(request))
        return Response(specs)

    @documented("Delete an extra spec of a type.", responses={202: None})
    def delete(self, request: Request, type_id: str, key: str) -> Response:
        """Take it out.

        Raises:
            MetadataNotFound: there is none.
        """
        kind = one_type(request, type_id)
        if not delete_extra_spec(kind=kind, key=key, actor=actor_of(request)):
            raise _no_spec(kind, key)
        return Response(status=202)


def _no_spec(kind: VolumeType, key: str) -> MetadataNotFound:
    return MetadataNotFound(f"Volume Type {kind.pk} has no extra spec with key {key}.")
