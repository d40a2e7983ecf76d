"""Which versions of the compute API there are: what a client reads before anything else."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented, wrapped
from cloudportal.api.query import IGNORED
from cloudportal.api.representation import LINKS, STRING, array, record
from cloudportal.api.views import COMPUTE, ComputeView, WireView, router_not_found
from cloudportal.errors import NotFound

# When each began; clients show it and act on nothing in it.
UPDATED = {"v2.0": "2011-01-21T11:33:21Z", "v2.1": "2013-07-23T11:33:21Z"}
PATHS = {"v2.0": "v2", "v2.1": "v2.1"}
_STATUS = {"v2.0": "DEPRECATED", "v2.1": "CURRENT"}
_MEDIA_TYPE = {"v2.0": "2", "v2.1": "2.1"}

_SUMMARY = dict.fromkeys(("id", "status", "version", "min_version", "updated"), STRING)
_MEDIA_TYPES = array(record({"base": STRING, "type": STRING}))
SUMMARY = record({**_SUMMARY, "links": LINKS})
DOCUMENT = record({**_SUMMARY, "links": LINKS, "media-types": _MEDIA_TYPES})
CHOICE = record({"id": STRING, "status": STRING, "links": LINKS, "media-types": _MEDIA_TYPES})


def _media_types(version_id: str) -> list[dict[str, str]]:
    kind = f"application/vnd.openstack.compute+json;version={_MEDIA_TYPE[version_id]}"
    return [{"base": "application/json", "type": kind}]


def _summary(base_url: str, version_id: str) -> dict[str, Any]:
    has_microversions = version_id == "v2.1"
    return {
        "id": version_id,
        "status": _STATUS[version_id],
        "version": str(COMPUTE.maximum) if has_microversions else "",
        "min_version": str(COMPUTE.minimum) if has_microversions else "",
        "updated": UPDATED[version_id],
        "links": [{"rel": "self", "href": f"{base_url}/{PATHS[version_id]}/"}],
    }


def _document(base_url: str, version_id: str) -> dict[str, Any]:
    summary = _summary(base_url, version_id)
    origin = base_url.removesuffix("/compute")
    described = {"rel": "describedby", "type": "text/html", "href": f"{origin}/api/docs/"}
    return {
        **summary,
        "links": [*summary["links"], described],
        "media-types": _media_types(version_id),
    }


class VersionsView(WireView):
    """All versions; needs no token."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @documented(
        "List the versions of the compute API.",
        query=IGNORED,
        responses={200: record({"versions": array(SUMMARY)})},
    )
    def get(self, request: Request) -> Response:
        """Answer with the list."""
        return Response({"versions": [_summary(self.base_url, each) for each in PATHS]})


class ChoicesView(WireView):
    """An address without a version: says at which versions it could be asked."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @documented(
        "Say at which versions an address could be asked.",
        query=IGNORED,
        responses={300: record({"choices": array(CHOICE)})},
    )
    def get(self, request: Request, rest: str) -> Response:
        """Answer with the choices."""
        choices = [
            {
                "id": version_id,
                "status": _STATUS[version_id],
                "links": [{"rel": "self", "href": f"{self.base_url}/{path}/{rest}"}],
                "media-types": _media_types(version_id),
            }
            for version_id, path in PATHS.items()
        ]
        return Response({"choices": choices}, status=300)

    post = put = patch = delete = get


class VersionView(ComputeView):
    """The version that is spoken under this address; needs no token."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @documented(
        "Show the version of the compute API.",
        query=IGNORED,
        responses={200: wrapped("version", DOCUMENT)},
    )
    def get(self, request: Request) -> Response:
        """Answer with the version's document."""
        version_id = "v2.0" if self.is_legacy else "v2.1"
        return Response({"version": _document(self.base_url, version_id)})


class VersionByIdView(ComputeView):
    """A version by its id."""

    @documented(
        "Show a version of the compute API by its id.",
        responses={200: wrapped("version", DOCUMENT)},
    )
    def get(self, request: Request, version_id: str) -> Response:
        """Answer with the version's document."""
        if version_id not in PATHS:
            raise NotFound(f"The version {version_id} could not be found.")
        return Response({"version": _document(self.base_url, version_id)})


class NoSuchRoute(ComputeView):
    """What no part of the API answers; the token is looked at before."""

    http_method_names = []

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """The router's 404, also to one whose version is not on offer."""
        answer = super().dispatch(request, *args, **kwargs)
        # Nobody, or a database that is away: those come before the router.
        return answer if answer.status_code in {401, 503} else router_not_found()
