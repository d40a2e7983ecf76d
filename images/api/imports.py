"""How images get their data otherwise: imports, and what became of them."""

from __future__ import annotations

from typing import Any, cast

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from cloudportal.api.views import WireRequest
from cloudportal.errors import Invalid
from images.api.representation import instant
from images.api.shapes import IMPORT, IMPORT_INFO, TASKS
from images.api.versions import ImageView
from images.begin_import import METHODS, WantedImport, begin_import, imports_of
from images.change_status import deactivate_image, reactivate_image
from images.models import Image, ImageStatus
from operations.models import Operation, OperationState

_STATES: dict[str, str] = {
    OperationState.PENDING: "pending",
    OperationState.RUNNING: "processing",
    OperationState.UNDOING: "processing",
    OperationState.DONE: "success",
}
MOST_TASKS = 100
_MIB = 1024**2


class Import(ImageView):
    """Imports of one image."""

    @documented("Begin an import.", request=IMPORT, responses={202: None})
    def post(self, request: Request, image_id: str) -> Response:
        """Begin one."""
        begin_import(
            image_id=image_id,
            wanted=_wanted(request.data),
            actor=cast(WireRequest, request).actor,
            now=timezone.now(),
        )
        return Response(status=202)


def _wanted(body: Any) -> WantedImport:
    method = body.get("method") if isinstance(body, dict) else None
    if not isinstance(method, dict) or not isinstance(method.get("name"), str):
        raise Invalid("Expected 'method' with a 'name' in the request body.")
    # There is one store, so all of them are that one.
    if body.get("stores"):
        raise Invalid("This cloud has one store for images, which needs no name.")
    return WantedImport(method["name"], method.get("uri"))


class ImportInfo(ImageView):
    """By which methods images can be imported."""

    @documented("List the methods of imports.", responses={200: IMPORT_INFO})
    def get(self, request: Request) -> Response:
        """Their names."""
        methods = {
            "description": "Import methods available.",
            "type": "array",
            "value": list(METHODS),
        }
        return Response({"import-methods": methods})


class Tasks(ImageView):
    """The imports of one image, as the tasks that they are in the field."""

    @documented("List the imports of an image.", responses={200: TASKS})
    def get(self, request: Request, image_id: str) -> Response:
        """The newest of them, each with how far it is or why it failed."""
        image, found = imports_of(image_id=image_id, actor=cast(WireRequest, request).actor)
        return Response({"tasks": [_task(each, image) for each in found[:MOST_TASKS]]})


def _task(operation: Operation, image: Image) -> dict[str, Any]:
    status = _STATES.get(operation.state, "failure")
    params = operation.params
    method = {key: params[key] for key in ("uri",) if key in params}
    return {
        "id": str(operation.pk),
        "type": "api_image_import",
        "status": status,
        "owner": image.owner,
        "image_id": str(image.pk),
        "request_id": operation.request_id,
        "user_id": params.get("user", ""),
        "input": {"import_req": {"method": {"name": params["method"], **method}}},
        "result": {"image_id": str(image.pk)} if status == "success" else None,
        "message": _message(operation, image, status),
        "created_at": instant(operation.created_at),
        "updated_at": instant(operation.updated_at),
        "expires_at": None,
        "schema": "/v2/schemas/task",
    }


def _message(operation: Operation, image: Image, status: str) -> str:
    if status == "failure":
        return str((operation.error or {}).get("message", ""))
    if status != "processing" or image.status != ImageStatus.IMPORTING:
        return ""
    arrived = f"Copied {image.arrived_bytes // _MIB} MiB"
    if image.expected_bytes:
        arrived += f" of {-(-image.expected_bytes // _MIB)} MiB"
    return arrived


class Deactivate(ImageView):
    """Out of use."""

    @documented("Take an image out of use.", responses={204: None})
    def post(self, request: Request, image_id: str) -> Response:
        """Take the image out of use."""
        actor = cast(WireRequest, request).actor
        deactivate_image(image_id=image_id, actor=actor, now=timezone.now())
        return Response(status=204)


class Reactivate(ImageView):
    """Back into use."""

    @documented("Let an image be used again.", responses={204: None})
    def post(self, request: Request, image_id: str) -> Response:
        """Let the image be used again."""
        actor = cast(WireRequest, request).actor
        reactivate_image(image_id=image_id, actor=actor, now=timezone.now())
        return Response(status=204)
