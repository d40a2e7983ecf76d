"""The bytes of images: streamed in and out, never held in memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from django.http import FileResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.faults import fault_body
from cloudportal.api.openapi import documented
from cloudportal.api.views import WireRequest
from cloudportal.errors import Invalid, UnsupportedMediaType
from identity import policy
from images.api.shapes import DATA
from images.api.versions import ImageView
from images.errors import ImageTooLarge, IncompleteUpload
from images.lookup import get_image
from images.models import ImageStatus
from images.storage import CHUNK, data_of
from images.upload import store_image_data

OCTETS = "application/octet-stream"
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class ImageData(ImageView):
    """An image's data."""

    @documented("Store the data of an image.", request=DATA, responses={204: None}, media=OCTETS)
    def put(self, request: Request, image_id: str) -> Response:
        """Take the data in; DRF's parsers, which would hold all of it, are not asked."""
        actor = cast(WireRequest, request).actor
        image = get_image(image_id, actor=actor)
        environ = octets(request)
        store_image_data(
            image=image,
            chunks=body_chunks(environ),
            actor=actor,
            now=timezone.now(),
            announced=announced_length(environ),
        )
        return Response(status=204)

    @documented(
        "Read the data of an image, or a range of it.",
        responses={200: DATA, 204: None, 206: DATA},
        faults=[416],
        media=OCTETS,
    )
    def get(self, request: Request, image_id: str) -> HttpResponseBase:
        """The data, or the range of it that is asked for; 204 while there is none."""
        actor = cast(WireRequest, request).actor
        image = get_image(image_id, actor=actor)
        policy.require(actor, "download_image", project_id=actor.project_id)
        if image.status == ImageStatus.DEACTIVATED:
            policy.require(actor, "download_deactivated_image", project_id=image.owner)
        elif image.status != ImageStatus.ACTIVE:
            return Response(status=204)
        size = image.size or 0
        path = data_of(image)
        asked = request.headers.get("Range", "")
        response = _part(path, asked, size) if asked else _whole(path, size)
        if response.status_code == 200:
            response["Content-MD5"] = image.checksum
        response["Accept-Ranges"] = "bytes"
        return response


def octets(request: Request) -> dict[str, Any]:
    """The WSGI environment of a request with data in its body.

    Raises:
        UnsupportedMediaType: the body is something else.
    """
    kind = (request.content_type or "").split(";")[0].strip().lower()
    if kind != OCTETS:
        raise UnsupportedMediaType(f"Unsupported Content-Type: {kind}; {OCTETS} is needed")
    environ: dict[str, Any] = request._request.META
    return environ


def announced_length(environ: dict[str, Any]) -> int | None:
    """How much data the client says it sends; None where it does not say.

    Raises:
        Invalid: that is no number.
        ImageTooLarge: it is more than is accepted.
    """
    announced = environ.get("CONTENT_LENGTH") or ""
    if not announced:
        return None
    if not (announced.isascii() and announced.isdigit() and len(announced) < 19):
        raise Invalid("The Content-Length header makes no sense.")
    if int(announced) > settings.MAX_IMAGE_BYTES:
        raise ImageTooLarge(f"Image exceeds the size limit of {settings.MAX_IMAGE_BYTES} bytes.")
    return int(announced)


def body_chunks(environ: dict[str, Any]) -> Iterator[bytes]:
    """The request's body as it arrives, by its announced length or in chunks.

    Raises:
        ImageTooLarge: the announced length is too much; nothing is read.
        IncompleteUpload: the client went away before the end.
    """
    length = announced_length(environ)
    if length is not None:
        return _counted(environ["wsgi.input"], length)
    if "chunked" in str(environ.get("HTTP_TRANSFER_ENCODING", "")).lower():
        return _until_end(environ["wsgi.input"])
    return iter(())


def _counted(stream: Any, length: int) -> Iterator[bytes]:
    missing = length
    while missing:
        chunk = _read(stream, min(CHUNK, missing))
        if not chunk:
            raise IncompleteUpload(f"The upload ended {missing} bytes before its end.")
        missing -= len(chunk)
        yield chunk


def _until_end(stream: Any) -> Iterator[bytes]:
    """The server takes the chunked coding off and tells the end of the body by an empty read."""
    while chunk := _read(stream, CHUNK):
        yield chunk


def _read(stream: Any, size: int) -> bytes:
    try:
        return cast(bytes, stream.read(size))
    except OSError as error:
        raise IncompleteUpload("The upload broke off.", detail=str(error)) from error


def _whole(path: Path, size: int) -> HttpResponseBase:
    response = FileResponse(path.open("rb"), content_type=OCTETS)
    response["Content-Length"] = str(size)
    return response


def _part(path: Path, asked: str, size: int) -> HttpResponseBase:
    """One range, as RFC 9110 has it; several at once are not offered."""
    bounds = _bounds(asked, size)
    if bounds is None:
        response: HttpResponseBase = Response(
            fault_body("image", 416, f"Invalid range: {asked}"), status=416
        )
        response["Content-Range"] = f"bytes */{size}"
        return response
    first, last = bounds
    response = StreamingHttpResponse(
        _slice(path, first, last - first + 1), status=206, content_type=OCTETS
    )
    response["Content-Range"] = f"bytes {first}-{last}/{size}"
    response["Content-Length"] = str(last - first + 1)
    return response


def _bounds(asked: str, size: int) -> tuple[int, int] | None:
    found = _RANGE.fullmatch(asked.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        first, last = max(0, size - int(found[2])), size - 1
    else:
        first, last = int(found[1]), min(int(found[2] or size - 1), size - 1)
    return (first, last) if first <= last else None


def _slice(path: Path, offset: int, length: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(offset)
        while length and (chunk := file.read(min(CHUNK, length))):
            length -= len(chunk)
            yield chunk
