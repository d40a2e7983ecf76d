"""What clients read before they start: versions, schemas, what the service is able to do."""

from __future__ import annotations

from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.views import WireView
from images.attributes import CONTAINER_FORMATS, DISK_FORMATS
from images.models import ImageStatus, Visibility

_MINORS = (7, 6, 5, 4, 3, 2, 1, 0)


class OneForm(DefaultContentNegotiation):
    """Answers in the one form there is, whatever `Accept` says: clients ask for data as octets."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The first renderer."""
        first: BaseRenderer = renderers[0]
        return first, first.media_type or "application/json"


class ImageView(WireView):
    """A view of the image API."""

    service = "image"
    content_negotiation_class = OneForm


class Versions(ImageView):
    """The version document; it needs no token."""

    authentication_classes = ()
    permission_classes = ()

    def get(self, request: Request) -> Response:
        """Every minor version; 300 at the root, because the client is to choose."""
        links = [{"rel": "self", "href": f"{self.base_url}/v2/"}]
        versions = [
            {
                "id": f"v2.{minor}",
                "status": "CURRENT" if minor == _MINORS[0] else "SUPPORTED",
                "links": links,
            }
            for minor in _MINORS
        ]
        status = 200 if request.path_info.endswith("/versions") else 300
        return Response({"versions": versions}, status=status)


def _text(limit: int | None = None, *, read_only: bool = False) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": ["null", "string"]}
    if limit:
        schema["maxLength"] = limit
    return {**schema, "readOnly": True} if read_only else schema


def _image_schema() -> dict[str, Any]:
    number = {"type": "integer", "minimum": 0}
    read_only = _text(read_only=True)
    return {
        "name": "image",
        "properties": {
            "id": {"type": "string", "pattern": "^[0-9a-fA-F-]{36}$"},
            "name": _text(255),
            "status": {"type": "string", "readOnly": True, "enum": ImageStatus.values},
            "visibility": {"type": "string", "enum": Visibility.values},
            "protected": {"type": "boolean"},
            "os_hidden": {"type": "boolean"},
            "owner": _text(64),
            "disk_format": {"type": ["null", "string"], "enum": [None, *DISK_FORMATS]},
            "container_format": {"type": ["null", "string"], "enum": [None, *CONTAINER_FORMATS]},
            "min_disk": number,
            "min_ram": number,
            "size": {"type": ["null", "integer"], "readOnly": True},
            "virtual_size": {"type": ["null", "integer"], "readOnly": True},
            "checksum": _text(32, read_only=True),
            "os_hash_algo": _text(64, read_only=True),
            "os_hash_value": _text(128, read_only=True),
            "tags": {"type": "array", "items": {"type": "string", "maxLength": 255}},
            "created_at": read_only,
            "updated_at": read_only,
            "self": read_only,
            "file": read_only,
            "schema": read_only,
        },
        "additionalProperties": {"type": "string"},
        "links": [
            {"rel": "self", "href": "{self}"},
            {"rel": "enclosure", "href": "{file}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    }


class ImageSchema(ImageView):
    """The JSON schema of one image."""

    def get(self, request: Request) -> Response:
        """The schema."""
        return Response(_image_schema())


class ImagesSchema(ImageView):
    """The JSON schema of a list."""

    def get(self, request: Request) -> Response:
        """The schema."""
        return Response(
            {
                "name": "images",
                "properties": {
                    "images": {"type": "array", "items": _image_schema()},
                    "schema": {"type": "string"},
                    "first": {"type": "string"},
                    "next": {"type": "string"},
                },
                "links": [
                    {"rel": "first", "href": "{first}"},
                    {"rel": "next", "href": "{next}"},
                    {"rel": "describedby", "href": "{schema}"},
                ],
            }
        )


class ImportInfo(ImageView):
    """By which methods images can be imported."""

    def get(self, request: Request) -> Response:
        """None: data comes by upload."""
        methods = {"description": "Import methods available.", "type": "array", "value": []}
        return Response({"import-methods": methods})
