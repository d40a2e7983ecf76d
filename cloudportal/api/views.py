"""The base of every wire view: its service, its microversion, its answer headers."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase, QueryDict
from django.utils.cache import patch_vary_headers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from cloudportal.api.microversions import Microversion, VersionRange
from cloudportal.errors import Invalid

if TYPE_CHECKING:
    from identity.actors import Actor

COMPUTE = VersionRange(
    "compute", Microversion(2, 1), Microversion(2, 104), "X-OpenStack-Nova-API-Version"
)
VOLUME = VersionRange("volume", Microversion(3, 0), Microversion(3, 71))


def router_not_found() -> HttpResponse:
    """The router's own 404: no fault object, since no part of the API was reached."""
    return HttpResponse(
        "404 Not Found\n\nThe resource could not be found.\n",
        status=HTTPStatus.NOT_FOUND,
        content_type="text/plain; charset=UTF-8",
    )


class WireRequest(Request):
    """What a wire view gets; documents the attributes that the kernel adds."""

    microversion: Microversion
    actor: Actor
    request_id: str
    # The part of the query string that the method's declaration knows, checked.
    query: QueryDict


class WireView(APIView):
    """A view of one service.

    `request.actor` is who asks; `request.microversion` is there when `versions` is set. A
    `project_id` in the URL must be the token's own.
    """

    service: ClassVar[str] = "compute"
    versions: ClassVar[VersionRange | None] = None
    # Asked below an address from before microversions: the headers of versions are not heard.
    is_legacy = False
    # Answers for whatever the service does not have; no document names it.
    is_catch_all: ClassVar[bool] = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Negotiate, authenticate, then compare the project in the URL with the token's."""
        if "%00" in request.get_full_path():
            raise Invalid("Malformed request URL", detail="a NUL in the address")
        if self.versions is not None:
            request.microversion = (  # type: ignore[attr-defined]  # our addition
                self.versions.minimum
                if self.is_legacy
                else self.versions.negotiate(request.headers)
            )
        super().initial(request, *args, **kwargs)
        request.actor = request.user  # type: ignore[attr-defined]  # our addition
        asked = self.kwargs.pop("project_id", None)
        actor: Any = request.user
        if asked is not None and actor and asked != (actor.project_id or ""):
            raise Invalid(
                f"Malformed request URL: URL's project_id '{asked}' doesn't match Context's "
                f"project_id '{actor.project_id}'"
            )

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Keep the URL's project from the handlers: they all answer the same with and without."""
        self.url_project_id = kwargs.get("project_id")
        answer = super().dispatch(request, *args, **kwargs)
        # The framework keeps an answer in two circles, at the view and at what it is rendered with:
        # a long list would stay in memory until somebody looks for garbage.
        del self.response
        if isinstance(answer, Response):
            answer.add_post_render_callback(_let_go)
        return answer

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        """Say which microversion was spoken, and that the answer depends on the headers."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        version = getattr(request, "microversion", None)
        if self.versions is not None and not self.is_legacy:
            patch_vary_headers(answer, ["OpenStack-API-Version"])
            if self.versions.legacy_header:
                patch_vary_headers(answer, [self.versions.legacy_header])
            if version is not None:
                answer["OpenStack-API-Version"] = f"{self.versions.service} {version}"
                if self.versions.legacy_header:
                    answer[self.versions.legacy_header] = str(version)
        return answer

    @property
    def base_url(self) -> str:
        """The service's public address, without a trailing slash."""
        return f"{settings.PUBLIC_URL}/{self.service}"


def _let_go(answer: HttpResponseBase) -> None:
    answer.renderer_context = {}  # type: ignore[attr-defined]  # the framework's addition


def _name_type(answer: HttpResponseBase) -> None:
    answer.headers["Content-Type"] = "application/json"


class ComputeView(WireView):
    """A view of the compute API.

    The same views answer below `/v2.1` and, as the API was before microversions, below `/v2`.
    """

    service = "compute"
    versions = COMPUTE
    # The router of the compute API knows no OPTIONS.
    http_method_names = ["get", "post", "put", "patch", "delete", "head"]
    has_method = True

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """A method that the address does not have is no route at all: the router's own 404."""
        self.is_legacy = kwargs.pop("is_legacy", False)
        answer = super().dispatch(request, *args, **kwargs)
        is_missing = answer.status_code == HTTPStatus.NOT_FOUND and not self.has_method
        return router_not_found() if is_missing else answer

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        """An accepted request is answered with nothing, but with its type, as in the field."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        is_empty = isinstance(answer, Response) and answer.data is None
        if answer.status_code == HTTPStatus.ACCEPTED and is_empty:
            answer.add_post_render_callback(_name_type)
        return answer

    def http_method_not_allowed(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """Remember that it was the method, which a 404 does not tell."""
        self.has_method = False
        return super().http_method_not_allowed(request, *args, **kwargs)

    def link(self, *parts: str) -> str:
        """A versioned address, with the project in it only if the request had it."""
        version = "v2" if self.is_legacy else "v2.1"
        return "/".join([f"{self.base_url}/{version}", *self._project(), *parts])

    def bookmark(self, *parts: str) -> str:
        """The same address without the version."""
        return "/".join([self.base_url, *self._project(), *parts])

    def links(self, *parts: str) -> list[dict[str, str]]:
        """The `links` of a resource."""
        return [
            {"rel": "self", "href": self.link(*parts)},
            {"rel": "bookmark", "href": self.bookmark(*parts)},
        ]

    def _project(self) -> list[str]:
        return [self.url_project_id] if self.url_project_id else []
