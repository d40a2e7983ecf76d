"""Pages that show the OpenAPI document, and the document itself; all from this origin."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.views import (
    SpectacularAPIView,
    SpectacularRedocView,
    SpectacularSwaggerView,
)
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.microversions import Microversion
from cloudportal.api.openapi import WireSchemaGenerator
from cloudportal.api.views import COMPUTE


def asked_microversion(request: Request) -> Microversion:
    """The microversion in the query; the newest when there is none.

    Raises:
        Invalid: a malformed version.
        NotAcceptable: a version that is not on offer.
    """
    text = request.query_params.get("microversion", "latest")
    return COMPUTE.negotiate({COMPUTE.legacy_header: text})


@lru_cache(maxsize=128)
def document_at(version: Microversion) -> dict[str, Any]:
    """The document of one microversion; it depends on nothing but the code."""
    return WireSchemaGenerator(version).get_schema(public=True)


class SchemaView(SpectacularAPIView):
    """The document as JSON, or as YAML when that is asked for (`Accept`, `?format=yaml`)."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    # The wire APIs answer JSON whatever is accepted; here the caller chooses.
    content_negotiation_class = DefaultContentNegotiation
    renderer_classes = [JSONRenderer, OpenApiJsonRenderer, OpenApiYamlRenderer]

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The document of the microversion in the query."""
        return Response(document_at(asked_microversion(request)))


class _Page:
    """What both pages share: no login, and the query's microversion passed on."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def _get_schema_url(self, request: Request) -> str:
        return f"/api/schema?microversion={asked_microversion(request)}"


class SwaggerPage(_Page, SpectacularSwaggerView):  # type: ignore[misc]  # untyped base
    """Swagger UI: try calls from the browser with a token."""


class RedocPage(_Page, SpectacularRedocView):  # type: ignore[misc]  # untyped base
    """ReDoc: the reference to read."""

    template_name = "cloudportal/redoc.html"
