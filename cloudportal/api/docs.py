"""Pages that show the OpenAPI document, and the document itself; all from this origin."""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

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

from cloudportal.api.microversions import UNVERSIONED, Microversion
from cloudportal.api.openapi import SERVICES, WireSchemaGenerator
from cloudportal.errors import Invalid, NotFound


def asked_document(request: Request) -> tuple[str, Microversion]:
    """The service and the microversion in the query; absent: the compute API's, and the newest.

    Raises:
        NotFound: no such service.
        Invalid: a malformed version, or one of a service that has none.
        NotAcceptable: a version that is not on offer.
    """
    service = request.query_params.get("service", "compute")
    if service not in SERVICES:
        raise NotFound(f"There is no service {service}; there are {', '.join(SERVICES)}.")
    versions, text = SERVICES[service], request.query_params.get("microversion")
    if versions is None:
        if text not in {None, "latest"}:
            raise Invalid(f"The {service} API has no microversions.")
        return service, UNVERSIONED
    return service, versions.negotiate(
        {"OpenStack-API-Version": f"{versions.service} {text or 'latest'}"}
    )


@lru_cache(maxsize=128)
def document_at(service: str, version: Microversion) -> dict[str, Any]:
    """The document of a service at one microversion; it depends on nothing but the code."""
    return WireSchemaGenerator(service, version).get_schema(public=True)


class SchemaView(SpectacularAPIView):
    """The document as JSON, or as YAML when that is asked for (`Accept`, `?format=yaml`)."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    # The wire APIs answer JSON whatever is accepted; here the caller chooses.
    content_negotiation_class = DefaultContentNegotiation
    renderer_classes = [JSONRenderer, OpenApiJsonRenderer, OpenApiYamlRenderer]

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The document of the service and the microversion in the query."""
        return Response(document_at(*asked_document(request)))


class _Page:
    """What both pages share: no login, and the query's service and microversion passed on."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def _get_schema_url(self, request: Request) -> str:
        service, version = asked_document(request)
        query = {"service": service}
        if SERVICES[service]:
            query["microversion"] = str(version)
        return f"/api/schema?{urlencode(query)}"


class SwaggerPage(_Page, SpectacularSwaggerView):  # type: ignore[misc]  # untyped base
    """Swagger UI: try calls from the browser with a token."""


class RedocPage(_Page, SpectacularRedocView):  # type: ignore[misc]  # untyped base
    """ReDoc: the reference to read."""

    template_name = "cloudportal/redoc.html"
