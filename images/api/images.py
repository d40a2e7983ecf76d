"""Images: list, create, show, change, delete, and their tags."""

from __future__ import annotations

import re
from typing import Any, cast

from django.core.exceptions import ValidationError as DjangoValidationError
from django.utils import timezone
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from cloudportal.api.paging import after, next_link, parse_limit
from cloudportal.api.parsers import WireJSONParser
from cloudportal.api.views import WireRequest
from cloudportal.errors import Invalid, NotFound, UnsupportedMediaType
from images.api.filters import DEFAULT_LIMIT, MAX_LIMIT, filtered, sort_order
from images.api.representation import image_body
from images.api.shapes import CHANGE_IMAGE, CREATE_IMAGE, IMAGE, IMAGES, LIST_IMAGES
from images.api.versions import ImageView
from images.begin_import import METHODS
from images.create import create_image
from images.delete import delete_image
from images.lookup import get_image, readable_images
from images.models import Image
from images.update import Change, add_tag, remove_tag, update_image

_POINTER = re.compile(r"(?:[^~]|~[01])*", re.DOTALL)
PATCH_TYPE = "application/openstack-images-v2.1-json-patch"


class Images(ImageView):
    """The catalogue."""

    @documented("List images.", query=LIST_IMAGES, responses={200: IMAGES})
    def get(self, request: Request) -> Response:
        """One page of the images that the query asks for."""
        query = request.query_params
        actor = cast(WireRequest, request).actor
        visible = readable_images(actor)
        marker = _marker(visible, query.get("marker", ""))
        images, order = sort_order(filtered(visible, query, actor), query)
        limit = parse_limit(query, MAX_LIMIT) if query.get("limit") else DEFAULT_LIMIT
        page = after(images, order, marker, limit)
        body: dict[str, Any] = {
            "images": [image_body(image) for image in page],
            "first": _first_link(request),
            "schema": "/v2/schemas/images",
        }
        if limit and len(page) == limit:
            body["next"] = next_link("/v2/images", query, str(page[-1].pk))
        return Response(body)

    @documented("Create an image, without data.", request=CREATE_IMAGE, responses={201: IMAGE})
    def post(self, request: Request) -> Response:
        """Make a queued image."""
        if not isinstance(request.data, dict):
            raise Invalid("The body must be a JSON object.")
        actor = cast(WireRequest, request).actor
        image = create_image(attributes=request.data, actor=actor, now=timezone.now())
        response = Response(image_body(image), status=201)
        response["Location"] = f"{self.base_url}/v2/images/{image.pk}"
        response["OpenStack-image-import-methods"] = ",".join(METHODS)
        return response


def _first_link(request: Request) -> str:
    query = request.query_params.copy()
    query.pop("marker", None)
    return f"/v2/images?{query.urlencode()}" if query else "/v2/images"


def _marker(images: Any, marker: str) -> Image | None:
    """Any image the caller sees marks a place, also one that the filters leave out by now."""
    if not marker:
        return None
    try:
        found = images.filter(pk=marker).first()
    except (ValueError, TypeError, DjangoValidationError):
        found = None
    if found is None:
        raise Invalid(f"Marker {marker[:64]} could not be found")
    return cast(Image, found)


class PatchParser(WireJSONParser):
    """Takes JSON for nothing but a JSON patch."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """The decoded patch.

        Raises:
            UnsupportedMediaType: another content type.
        """
        kind = (media_type or "").split(";")[0].strip().lower()
        if kind != PATCH_TYPE:
            raise UnsupportedMediaType(f"Unsupported Content-Type: {kind}; {PATCH_TYPE} is needed")
        return super().parse(stream, media_type, parser_context)


class OneImage(ImageView):
    """One image."""

    def get_parsers(self) -> list[BaseParser]:
        """A change is a JSON patch; nothing else has a body."""
        return [PatchParser()]

    @documented("Show an image.", responses={200: IMAGE})
    def get(self, request: Request, image_id: str) -> Response:
        """The image."""
        return Response(image_body(get_image(image_id, actor=cast(WireRequest, request).actor)))

    @documented(
        "Change an image by a JSON patch.",
        request=CHANGE_IMAGE,
        responses={200: IMAGE},
        media=PATCH_TYPE,
    )
    def patch(self, request: Request, image_id: str) -> Response:
        """Apply a JSON patch, all of it or nothing."""
        actor = cast(WireRequest, request).actor
        get_image(image_id, actor=actor)
        image = update_image(
            image_id=image_id,
            changes=_changes(request.data),
            actor=actor,
            now=timezone.now(),
        )
        return Response(image_body(image))

    @documented("Delete an image and its data.", responses={204: None})
    def delete(self, request: Request, image_id: str) -> Response:
        """Delete it and its data."""
        actor = cast(WireRequest, request).actor
        delete_image(image=get_image(image_id, actor=actor), actor=actor, now=timezone.now())
        return Response(status=204)


def _changes(body: Any) -> list[Change]:
    if not isinstance(body, list):
        raise Invalid("Request body must be a JSON array of operation objects.")
    return [_change(line) for line in body]


def _change(line: Any) -> Change:
    if not isinstance(line, dict):
        raise Invalid("Operations must be JSON objects.")
    op, path = line.get("op"), line.get("path")
    if op not in ("add", "replace", "remove"):
        raise Invalid("Operations must be one of add, replace, remove.")
    if not isinstance(path, str) or not path.startswith("/") or path.endswith("/"):
        raise Invalid(f"Invalid JSON pointer: {str(path)[:200]!r}")
    if op != "remove" and "value" not in line:
        raise Invalid(f'Operation "{op}" requires a member named "value".')
    if not _POINTER.fullmatch(path):
        raise Invalid(f"Pointer '{path[:200]}' contains '~' not part of a recognized escape.")
    # RFC 6901: ~1 is a slash, ~0 a tilde, in this order.
    parts = tuple(part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/"))
    return Change(op, parts, line.get("value"))


class Tag(ImageView):
    """One tag of an image."""

    @documented("Tag an image.", responses={204: None})
    def put(self, request: Request, image_id: str, tag: str) -> Response:
        """Add it."""
        actor = cast(WireRequest, request).actor
        add_tag(image_id=image_id, tag=tag, actor=actor, now=timezone.now())
        return Response(status=204)

    @documented("Take a tag away from an image.", responses={204: None})
    def delete(self, request: Request, image_id: str, tag: str) -> Response:
        """Take it away."""
        actor = cast(WireRequest, request).actor
        remove_tag(image_id=image_id, tag=tag, actor=actor, now=timezone.now())
        return Response(status=204)


class NotHere(ImageView):
    """What the image service may have and this one does not; clients take a 404 for that."""

    is_catch_all = True

    def get(self, request: Request, **_: str) -> Response:
        """Not found."""
        raise NotFound("The resource could not be found.")
