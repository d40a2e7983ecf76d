"""Images in the words of the compute API: read, deleted, and their properties changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.http import QueryDict
from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api.microversions import available
from cloudportal.api.openapi import documented, listed, merged, wrapped
from cloudportal.api.paging import SortKey, after, next_link, parse_limit
from cloudportal.api.query import IGNORED
from cloudportal.api.representation import INTEGER, LINKS, STRING, mapping, nullable, record
from cloudportal.api.validation import BodySchema, closed
from cloudportal.api.views import ComputeView, WireRequest
from cloudportal.errors import Invalid, NotFound
from identity.actors import Actor
from images.attributes import FIELDS, READ_ONLY, RESERVED
from images.delete import delete_image
from images.errors import ImageNotFound
from images.lookup import get_image, visible_images
from images.models import Image, ImageQuerySet, ImageStatus
from images.update import Change, update_image
from quotas.consume import limits
from servers.api.readings import instant
from servers.errors import TooManyItems
from servers.listing import parse_instant

LAST = "2.35"
LAST_METADATA = "2.38"
_SERVER = "instance_uuid"
_STATUS = {
    ImageStatus.QUEUED: ("SAVING", 25),
    ImageStatus.SAVING: ("SAVING", 50),
    ImageStatus.ACTIVE: ("ACTIVE", 100),
    ImageStatus.KILLED: ("ERROR", 0),
    ImageStatus.DELETED: ("DELETED", 0),
}
_UNKNOWN = ("UNKNOWN", 0)
_PROPERTY = "property-"
_MAX_NUMBER = 2**31 - 1

SHORT = record({"id": STRING, "name": nullable(STRING), "links": LINKS})
IMAGE = merged(
    SHORT,
    record(
        {
            **dict.fromkeys(("status", "created", "updated"), STRING),
            **dict.fromkeys(("progress", "minRam", "minDisk"), INTEGER),
            "metadata": mapping(STRING),
            "OS-EXT-IMG-SIZE:size": nullable(INTEGER),
        }
    ),
)
_WITH_SERVER = record({}, {"server": record({"id": STRING, "links": LINKS})})
FULL = merged(IMAGE, _WITH_SERVER)
_ITEMS = {
    "type": "object",
    "patternProperties": {r"\A[a-zA-Z0-9-_:. ]{1,255}\Z": {"type": "string", "maxLength": 255}},
    "additionalProperties": False,
}
METADATA = BodySchema(closed({"metadata": _ITEMS}, ["metadata"]))
ITEM = BodySchema(closed({"meta": {**_ITEMS, "minProperties": 1, "maxProperties": 1}}, ["meta"]))
METADATA_ANSWER = record({"metadata": mapping(STRING)})
ITEM_ANSWER = record({"meta": mapping(STRING)})


class _ImageView(ComputeView):
    """What the views of images share."""

    def image_of(self, request: WireRequest, image_id: str) -> Image:
        """The image, if the caller may see it.

        Raises:
            NotFound: there is none.
        """
        try:
            return get_image(image_id, actor=request.actor)
        except ImageNotFound:
            raise NotFound("Image not found.") from None

    def short(self, image: Image) -> dict[str, Any]:
        """The image as lists show it."""
        alternate = {
            "rel": "alternate",
            "type": "application/vnd.openstack.image",
            "href": f"{settings.PUBLIC_URL}/image/v2/images/{image.pk}",
        }
        links = [*self.links("images", str(image.pk)), alternate]
        return {"id": str(image.pk), "name": image.name, "links": links}

    def full(self, image: Image) -> dict[str, Any]:
        """Everything about the image."""
        status, progress = _STATUS.get(ImageStatus(image.status), _UNKNOWN)
        body = {
            **self.short(image),
            "status": status,
            "progress": progress,
            "minRam": image.min_ram_mib,
            "minDisk": image.min_disk_gib,
            "metadata": image.properties,
            "created": instant(image.created_at),
            "updated": instant(image.updated_at),
            "OS-EXT-IMG-SIZE:size": image.size,
        }
        server_id = image.properties.get(_SERVER)
        if server_id:
            body["server"] = {"id": server_id, "links": self.links("servers", server_id)}
        return body

    def page(self, request: WireRequest, *path: str) -> tuple[list[Image], dict[str, Any]]:
        """The images that the query asks for, newest first, and the link to the next page."""
        query = request.query_params
        visible = visible_images(request.actor)
        limit = parse_limit(query)
        order = [SortKey("created_at", descending=True), SortKey("id", descending=True)]
        found = after(_narrow(visible, query, request.actor), order, _marker(visible, query), limit)
        if not found or len(found) < limit:
            return found, {}
        href = next_link(self.link(*path), query, str(found[-1].pk))
        return found, {"images_links": [{"rel": "next", "href": href}]}


class Images(_ImageView):
    """The images that a project may use."""

    @available(until=LAST)
    @documented(
        "List images, only their names.", query=IGNORED, responses={200: listed("images", SHORT)}
    )
    def get(self, request: WireRequest) -> Response:
        """Ids, names and links."""
        found, links = self.page(request, "images")
        return Response({"images": [self.short(image) for image in found], **links})


class ImagesDetail(_ImageView):
    """The same with everything about them."""

    @available(until=LAST)
    @documented("List images.", query=IGNORED, responses={200: listed("images", FULL)})
    def get(self, request: WireRequest) -> Response:
        """The images."""
        found, links = self.page(request, "images", "detail")
        return Response({"images": [self.full(image) for image in found], **links})


class OneImage(_ImageView):
    """One image."""

    @available(until=LAST)
    @documented("Show an image.", query=IGNORED, responses={200: wrapped("image", FULL)})
    def get(self, request: WireRequest, image_id: str) -> Response:
        """The image."""
        return Response({"image": self.full(self.image_of(request, image_id))})

    @available(until=LAST)
    @documented("Delete an image.", responses={204: None})
    def delete(self, request: WireRequest, image_id: str) -> Response:
        """Delete it and its data."""
        image = self.image_of(request, image_id)
        delete_image(image=image, actor=request.actor, now=timezone.now())
        return Response(status=204)


class ImageMetadata(_ImageView):
    """The properties of an image."""

    @available(until=LAST_METADATA)
    @documented("List an image's metadata.", query=IGNORED, responses={200: METADATA_ANSWER})
    def get(self, request: WireRequest, image_id: str) -> Response:
        """All of them."""
        return Response({"metadata": self.image_of(request, image_id).properties})

    @available(until=LAST_METADATA)
    @documented("Add to an image's metadata.", request=METADATA, responses={200: METADATA_ANSWER})
    def post(self, request: WireRequest, image_id: str) -> Response:
        """Set some, keep the others."""
        items = METADATA.check(request.data)["metadata"]
        image = self.image_of(request, image_id)
        return Response({"metadata": _set(image, items, (), request.actor)})

    @available(until=LAST_METADATA)
    @documented("Replace an image's metadata.", request=METADATA, responses={200: METADATA_ANSWER})
    def put(self, request: WireRequest, image_id: str) -> Response:
        """Set these, drop the others."""
        items = METADATA.check(request.data)["metadata"]
        image = self.image_of(request, image_id)
        dropped = tuple(key for key in image.properties if key not in items)
        return Response({"metadata": _set(image, items, dropped, request.actor)})


class ImageMetadataItem(_ImageView):
    """One property."""

    @available(until=LAST_METADATA)
    @documented("Show an item of metadata.", query=IGNORED, responses={200: ITEM_ANSWER})
    def get(self, request: WireRequest, image_id: str, key: str) -> Response:
        """Its value."""
        properties = self.image_of(request, image_id).properties
        _check_known(properties, key)
        return Response({"meta": {key: properties[key]}})

    @available(until=LAST_METADATA)
    @documented("Set an item of metadata.", request=ITEM, responses={200: ITEM_ANSWER})
    def put(self, request: WireRequest, image_id: str, key: str) -> Response:
        """Set it."""
        items = ITEM.check(request.data)["meta"]
        if key not in items:
            raise Invalid("Request body and URI mismatch")
        _set(self.image_of(request, image_id), items, (), request.actor)
        return Response({"meta": items})

    @available(until=LAST_METADATA)
    @documented("Delete an item of metadata.", responses={204: None})
    def delete(self, request: WireRequest, image_id: str, key: str) -> Response:
        """Drop it."""
        image = self.image_of(request, image_id)
        _check_known(image.properties, key)
        _set(image, {}, (key,), request.actor)
        return Response(status=204)


def _check_known(properties: Mapping[str, str], key: str) -> None:
    if key not in properties:
        raise NotFound("Invalid metadata key")


def _set(
    image: Image, items: Mapping[str, str], dropped: tuple[str, ...], actor: Actor
) -> dict[str, str]:
    """Change an image's properties, never an attribute that has the same name."""
    for key in items:
        if key in FIELDS or key in READ_ONLY or key in RESERVED or key == "id":
            raise Invalid(f"The metadata key {key} is the name of an image's attribute.")
    kept = {key for key in image.properties if key not in dropped} | set(items)
    most = limits(image.owner)["metadata_items"]
    if 0 <= most < len(kept):
        raise TooManyItems("Image metadata limit exceeded")
    changed = update_image(
        image_id=image.pk,
        changes=[
            *(Change("remove", (key,)) for key in dropped),
            *(Change("add", (key,), value) for key, value in items.items()),
        ],
        actor=actor,
        now=timezone.now(),
    )
    return dict(changed.properties)


def _marker(images: ImageQuerySet, query: QueryDict) -> Image | None:
    text = query.get("marker")
    if not text:
        return None
    try:
        found = images.filter(pk=UUID(text)).first()
    except ValueError:
        found = None
    if found is None:
        raise Invalid(f"Marker {text[:64]} could not be found.")
    return found


def _narrow(images: ImageQuerySet, query: QueryDict, actor: Actor) -> ImageQuerySet:
    # Community images are for who knows of them, as in the image service's own list.
    condition = Q(is_hidden=False) & (~Q(visibility="community") | Q(owner=actor.project_id or ""))
    for name, value in query.items():
        if name in _FILTERS:
            condition &= _FILTERS[name](str(value))
        elif name.startswith(_PROPERTY):
            condition &= _has(name.removeprefix(_PROPERTY), str(value))
    return images.filter(condition)


def _has(name: str, value: str) -> Q:
    return Q(properties__has_pair=(name, value))


def _of_status(text: str) -> Q:
    shown = text.upper()
    return Q(status__in=[each for each in ImageStatus if _STATUS.get(each, _UNKNOWN)[0] == shown])


def _since(text: str) -> Q:
    try:
        return Q(updated_at__gte=parse_instant(text))
    except ValueError:
        raise Invalid("Invalid changes-since value") from None


def _number(name: str, column: str) -> Callable[[str], Q]:
    def condition(text: str) -> Q:
        if not (text.isascii() and text.isdecimal()) or int(text[:12]) > _MAX_NUMBER:
            raise Invalid(f"Invalid {name} value")
        return Q(**{column: int(text[:12])})

    return condition


_FILTERS: dict[str, Callable[[str], Q]] = {
    "name": lambda text: Q(name=text),
    "status": _of_status,
    "minRam": _number("minRam", "min_ram_mib"),
    "minDisk": _number("minDisk", "min_disk_gib"),
    "changes-since": _since,
    "type": lambda text: _has("image_type", text),
    # Clients name a server by its id or by its address.
    "server": lambda text: _has(_SERVER, text.rpartition("/")[2]),
}
