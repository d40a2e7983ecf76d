"""Data for imports: in one request as in the field, or in pieces with a `Content-Range` each."""

from __future__ import annotations

import re
from typing import cast

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from cloudportal.api.views import WireRequest
from cloudportal.errors import Invalid
from images.api.data import OCTETS, announced_length, body_chunks, octets
from images.api.shapes import DATA, STAGED
from images.api.versions import ImageView
from images.lookup import get_image
from images.resume import Piece, Progress, append_image_data, staged_so_far
from images.stage import stage_image_data

_PIECE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)


class StagedData(ImageView):
    """What waits for an import."""

    @documented("Show how far an upload in pieces is.", responses={200: STAGED}, faults=[409])
    def get(self, request: Request, image_id: str) -> Response:
        """How far an upload in pieces is: where the next piece begins."""
        actor = cast(WireRequest, request).actor
        found = staged_so_far(image=get_image(image_id, actor=actor), actor=actor)
        body = {"offset": found.offset, "size": found.total}
        return _with_offset(Response(body), found)

    @documented(
        "Stage data for an import, whole or a piece of it.",
        request=DATA,
        responses={204: None},
        media=OCTETS,
    )
    def put(self, request: Request, image_id: str) -> Response:
        """Take data in; the image is `uploading` then."""
        actor = cast(WireRequest, request).actor
        image = get_image(image_id, actor=actor)
        environ, now = octets(request), timezone.now()
        announced = announced_length(environ)
        piece = _piece(request.headers.get("Content-Range", ""), announced)
        chunks = body_chunks(environ)
        if piece is None:
            stage_image_data(image=image, chunks=chunks, actor=actor, now=now, announced=announced)
            return Response(status=204)
        reached = append_image_data(image=image, piece=piece, chunks=chunks, actor=actor, now=now)
        return _with_offset(Response(status=204), reached)


def _piece(text: str, announced: int | None) -> Piece | None:
    if not text:
        return None
    found = _PIECE.fullmatch(text.strip())
    if found is None:
        raise Invalid("Content-Range must be: bytes FIRST-LAST/TOTAL")
    piece = Piece(*map(int, found.groups()))
    if announced is not None and announced != piece.length:
        raise Invalid("Content-Range and Content-Length do not fit together.")
    return piece


def _with_offset(response: Response, found: Progress) -> Response:
    response["Upload-Offset"] = str(found.offset)
    if found.total is not None:
        response["Upload-Length"] = str(found.total)
    return response
