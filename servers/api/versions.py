"""Which versions of the compute API there are: what a client reads before anything else."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from cloudportal.api.views import COMPUTE, ComputeView, WireView
from cloudportal.errors import NotFound

ID = "v2.1"
# When the newest microversion came; clients show it and act on nothing in it.
UPDATED = "2013-07-23T11:33:21Z"
MEDIA_TYPES = [
    {
        "base": "application/json",
        "type": "application/vnd.openstack.compute+json;version=2.1",
    }
]


def _summary(base_url: str) -> dict[str, Any]:
    return {
        "id": ID,
        "status": "CURRENT",
        "version": str(COMPUTE.maximum),
        "min_version": str(COMPUTE.minimum),
        "updated": UPDATED,
        "links": [{"rel": "self", "href": f"{base_url}/{ID}/"}],
    }


def _document(base_url: str) -> dict[str, Any]:
    summary = _summary(base_url)
    origin = base_url.removesuffix("/compute")
    described = {"rel": "describedby", "type": "text/html", "href": f"{origin}/api/docs/"}
    return {
        **summary,
        "links": [*summary["links"], described],
        "media-types": MEDIA_TYPES,
    }


class VersionsView(WireView):
    """All versions; needs no token."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @documented("List the versions of the compute API.")
    def get(self, request: Request) -> Response:
        """Answer with the list."""
        return Response({"versions": [_summary(self.base_url)]})


class ChoicesView(WireView):
    """An address without a version: says which versions it could be asked at."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @documented("Say at which versions an address could be asked.", responses={300: {}})
    def get(self, request: Request, rest: str) -> Response:
        """Answer with the choices."""
        choice = {
            "id": ID,
            "status": "CURRENT",
            "links": [{"rel": "self", "href": f"{self.base_url}/{ID}/{rest}"}],
            "media-types": MEDIA_TYPES,
        }
        return Response({"choices": [choice]}, status=300)

    post = put = patch = delete = get


class VersionView(ComputeView):
    """The version that is spoken under this address; needs no token."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @documented("Show the version of the compute API.")
    def get(self, request: Request) -> Response:
        """Answer with the version's document."""
        return Response({"version": _document(self.base_url)})


class VersionByIdView(ComputeView):
    """A version by its id."""

    @documented("Show a version of the compute API by its id.")
    def get(self, request: Request, version_id: str) -> Response:
        """Answer with the version's document."""
        if version_id != ID:
            raise NotFound(f"The version {version_id} could not be found.")
        return Response({"version": _document(self.base_url)})


def no_such_route(request: HttpRequest, rest: str) -> HttpResponse:
    """The router's own 404: no fault object, since no part of the API was reached."""
    return HttpResponse(
        "404 Not Found\n\nThe resource could not be found.\n",
        status=404,
        content_type="text/plain; charset=UTF-8",
    )


no_such_route.csrf_exempt = True  # type: ignore[attr-defined]  # read by the middleware; a 404 needs no form token
