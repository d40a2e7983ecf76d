"""Services, endpoints and regions: the catalogue once more, for administrators' lists."""

from __future__ import annotations

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from identity.api.forms import Json, endpoint_form, region_form, service_form
from identity.api.pages import paged_forms
from identity.api.views import IdentityView
from identity.catalog import REGION, services
from identity.errors import NoSuchThing
from identity.rules import require


def _matching(forms: list[Json], request: Request, keys: tuple[str, ...]) -> list[Json]:
    wanted = {key: request.query_params[key] for key in keys if key in request.query_params}
    return [form for form in forms if wanted.items() <= form.items()]


def _services() -> list[Json]:
    return [service_form(service) for service in services(settings.PUBLIC_URL)]


def _endpoints() -> list[Json]:
    return [
        endpoint_form(endpoint)
        for service in services(settings.PUBLIC_URL)
        for endpoint in service.endpoints
    ]


def _regions() -> list[Json]:
    return [region_form(REGION)]


def _one(kind: str, forms: list[Json], identifier: str) -> Response:
    for form in forms:
        if form["id"] == identifier:
            return Response({kind: form})
    raise NoSuchThing(kind, identifier)


class Services(IdentityView):
    """All services."""

    def get(self, request: Request) -> Response:
        """`type` and `name` narrow it."""
        require(self.actor, "identity:list_services")
        found = _matching(_services(), request, ("type", "name"))
        return paged_forms(request, "services", found)


class ServiceView(IdentityView):
    """One service."""

    def get(self, request: Request, service_id: str) -> Response:
        """The service."""
        require(self.actor, "identity:get_service")
        return _one("service", _services(), service_id)


class Endpoints(IdentityView):
    """All endpoints."""

    def get(self, request: Request) -> Response:
        """`service_id`, `interface` and `region_id` narrow it."""
        require(self.actor, "identity:list_endpoints")
        found = _matching(_endpoints(), request, ("service_id", "interface", "region_id"))
        return paged_forms(request, "endpoints", found)


class EndpointView(IdentityView):
    """One endpoint."""

    def get(self, request: Request, endpoint_id: str) -> Response:
        """The endpoint."""
        require(self.actor, "identity:get_endpoint")
        return _one("endpoint", _endpoints(), endpoint_id)


class Regions(IdentityView):
    """All regions."""

    def get(self, request: Request) -> Response:
        """`parent_region_id` narrows it to nothing: the only region has no parent."""
        require(self.actor, "identity:list_regions")
        found = _matching(_regions(), request, ("parent_region_id",))
        return paged_forms(request, "regions", found)


class RegionView(IdentityView):
    """One region."""

    def get(self, request: Request, region_id: str) -> Response:
        """The region."""
        require(self.actor, "identity:get_region")
        return _one("region", _regions(), region_id)
