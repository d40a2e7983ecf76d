"""What a project may store and has stored."""

from __future__ import annotations

from typing import cast

from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from cloudportal.api.views import WireRequest
from images.api.shapes import USAGE
from images.api.versions import ImageView
from images.usage import image_usage


class Usage(ImageView):
    """Limits and usage of the caller's project."""

    @documented("Show what the project may store and has stored.", responses={200: USAGE})
    def get(self, request: Request) -> Response:
        """By resource; sizes in MiB, -1 is no limit."""
        found = image_usage(actor=cast(WireRequest, request).actor)
        usage = {name: {"limit": limit, "usage": used} for name, (limit, used) in found.items()}
        return Response({"usage": usage})
