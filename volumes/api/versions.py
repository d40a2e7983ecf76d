"""What clients read before they start: the versions there are."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from cloudportal.api.views import VOLUME
from cloudportal.errors import NotFound
from volumes.api import shapes
from volumes.api.views import VolumeView

_UPDATED = "2026-01-01T00:00:00Z"
_MEDIA = "application/vnd.openstack.volume+json;version=3"


def _document() -> dict[str, Any]:
    return {
        "versions": [
            {
                "id": "v3.0",
                "status": "CURRENT",
                "version": str(VOLUME.maximum),
                "min_version": str(VOLUME.minimum),
                "updated": _UPDATED,
                "links": [{"rel": "self", "href": f"{settings.PUBLIC_URL}/volume/v3/"}],
                "media-types": [{"base": "application/json", "type": _MEDIA}],
            }
        ]
    }


class _Open(VolumeView):
    """A view that needs no token."""

    authentication_classes = ()
    permission_classes = ()
    versions = None


class Versions(_Open):
    """All versions; the client is to choose."""

    @documented("List the versions.", responses={300: shapes.VERSIONS})
    def get(self, request: Request) -> Response:
        """The document."""
        return Response(_document(), status=300)


class NotHere(VolumeView):
    """Whatever else the field's service has: backups, groups, transfers and more."""

    is_catch_all = True

    def _refuse(self, request: Request, **_: str) -> Response:
        """Not found, in the service's own form.

        Raises:
            NotFound: always.
        """
        raise NotFound("The resource could not be found.")

    get = post = put = delete = _refuse


class VersionThree(_Open):
    """Version 3."""

    @documented("Show version 3.", responses={200: shapes.VERSIONS})
    def get(self, request: Request) -> Response:
        """The document."""
        return Response(_document())
