"""What clients read before they start: versions, and what the service is able to do."""

from __future__ import annotations

from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from cloudportal.api.views import WireView
from images.api.shapes import VERSIONS

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

    @documented(
        "List the versions; 300 at the root, where the client is to choose.",
        responses={200: VERSIONS, 300: VERSIONS},
    )
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
