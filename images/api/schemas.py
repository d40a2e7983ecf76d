"""The JSON schemas that old clients read to know what an image is."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from images.api.shapes import SCHEMA_OF_IMAGE, SCHEMA_OF_LIST, SCHEMA_OF_MEMBER
from images.api.versions import ImageView
from images.attributes import CONTAINER_FORMATS, DISK_FORMATS
from images.models import ImageStatus, MemberStatus, Visibility


def _text(limit: int | None = None, *, read_only: bool = False) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": ["null", "string"]}
    if limit:
        schema["maxLength"] = limit
    return {**schema, "readOnly": True} if read_only else schema


def _image() -> dict[str, Any]:
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

    @documented("Show the schema of an image.", responses={200: SCHEMA_OF_IMAGE})
    def get(self, request: Request) -> Response:
        """The schema."""
        return Response(_image())


class ImagesSchema(ImageView):
    """The JSON schema of a list."""

    @documented("Show the schema of a list of images.", responses={200: SCHEMA_OF_LIST})
    def get(self, request: Request) -> Response:
        """The schema."""
        return Response(
            {
                "name": "images",
                "properties": {
                    "images": {"type": "array", "items": _image()},
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


def _member() -> dict[str, Any]:
    read_only = _text(read_only=True)
    return {
        "name": "member",
        "properties": {
            "created_at": read_only,
            "image_id": {"type": "string", "pattern": "^[0-9a-fA-F-]{36}$"},
            "member_id": {"type": "string"},
            "schema": read_only,
            "status": {"type": "string", "enum": MemberStatus.values},
            "updated_at": read_only,
        },
    }


class MemberSchema(ImageView):
    """The JSON schema of one member."""

    @documented("Show the schema of a member.", responses={200: SCHEMA_OF_MEMBER})
    def get(self, request: Request) -> Response:
        """The schema."""
        return Response(_member())


class MembersSchema(ImageView):
    """The JSON schema of a list of members."""

    @documented("Show the schema of a list of members.", responses={200: SCHEMA_OF_LIST})
    def get(self, request: Request) -> Response:
        """The schema."""
        return Response(
            {
                "name": "members",
                "properties": {
                    "members": {"type": "array", "items": _member()},
                    "schema": {"type": "string"},
                },
                "links": [{"rel": "describedby", "href": "{schema}"}],
            }
        )
