"""The version documents, by which clients find the API."""

from __future__ import annotations

from typing import Any

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from cloudportal.api.views import WireView
from identity.api.forms import address
from identity.api.shapes import (
    VERSION,
    VERSIONS,
)


def _version() -> dict[str, Any]:
    kind = "application/vnd.openstack.identity-v3+json"
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": address("")}],
        "media-types": [{"base": "application/json", "type": kind}],
    }


class OpenView(WireView):
    """A view of this API that needs no token; a bad one does not matter to it either."""

    service = "identity"
    authentication_classes = ()
    permission_classes = ()


class Versions(OpenView):
    """Every version, at the API's root."""

    @documented(
        "List the versions of the API.",
        responses={300: VERSIONS},
    )
    def get(self, request: Request) -> Response:
        """The list; 300 because the client is to choose."""
        response = Response(
            {"versions": {"values": [_version()]}}, status=status.HTTP_300_MULTIPLE_CHOICES
        )
        response["Location"] = address("")
        return response


class Version(OpenView):
    """Version 3."""

    @documented(
        "Show version 3.",
        responses={200: VERSION},
    )
    def get(self, request: Request) -> Response:
        """The document of this version."""
        return Response({"version": _version()})
