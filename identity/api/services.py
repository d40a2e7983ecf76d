"""Services, endpoints and regions: the catalogue once more, for administrators' lists."""

from __future__ import annotations

from typing import NoReturn

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from identity.api.forms import Json, endpoint_form, region_form, service_form
from identity.api.pages import paged_forms
from identity.api.shapes import (
    ENDPOINT,
    REGION_SHAPE,
    SERVICE,
    asked,
    many,
    one,
    refusal,
)
from identity.api.views import IdentityView
from identity.catalog import REGION, services
from identity.errors import KeptElsewhere, NoSuchThing
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


class CatalogView(IdentityView):
    """Part of the catalogue, which is the portal's own: what would change it is refused."""

    def _refuse(self) -> NoReturn:
        require(self.actor, "identity:change_catalog")
        raise KeptElsewhere("Services, endpoints and regions come with the portal")


class CatalogList(CatalogView):
    """A list of the catalogue."""

    @documented(
        "Refused: the catalogue comes with the portal.",
        responses={403: refusal(403)},
    )
    def post(self, request: Request) -> NoReturn:
        """Refuse; 403."""
        self._refuse()


class CatalogEntry(CatalogView):
    """One thing of the catalogue."""

    @documented(
        "Refused: the catalogue comes with the portal.",
        responses={403: refusal(403)},
    )
    def patch(self, request: Request, **names: str) -> NoReturn:
        """Refuse; 403."""
        self._refuse()

    @documented(
        "Refused: the catalogue comes with the portal.",
        responses={403: refusal(403)},
    )
    def delete(self, request: Request, **names: str) -> NoReturn:
        """Refuse; 403."""
        self._refuse()


class Services(CatalogList):
    """All services."""

    @documented(
        "List services.",
        query=asked("type", "name"),
        responses={200: many("services", SERVICE)},
    )
    def get(self, request: Request) -> Response:
        """`type` and `name` narrow it."""
        require(self.actor, "identity:list_services")
        found = _matching(_services(), request, ("type", "name"))
        return paged_forms(request, "services", found)


class ServiceView(CatalogEntry):
    """One service."""

    @documented(
        "Show a service.",
        responses={200: one("service", SERVICE)},
    )
    def get(self, request: Request, service_id: str) -> Response:
        """The service."""
        require(self.actor, "identity:get_service")
        return _one("service", _services(), service_id)


class Endpoints(CatalogList):
    """All endpoints."""

    @documented(
        "List endpoints.",
        query=asked("service_id", "interface", "region_id"),
        responses={200: many("endpoints", ENDPOINT)},
    )
    def get(self, request: Request) -> Response:
        """`service_id`, `interface` and `region_id` narrow it."""
        require(self.actor, "identity:list_endpoints")
        found = _matching(_endpoints(), request, ("service_id", "interface", "region_id"))
        return paged_forms(request, "endpoints", found)


class EndpointView(CatalogEntry):
    """One endpoint."""

    @documented(
        "Show an endpoint.",
        responses={200: one("endpoint", ENDPOINT)},
    )
    def get(self, request: Request, endpoint_id: str) -> Response:
        """The endpoint."""
        require(self.actor, "identity:get_endpoint")
        return _one("endpoint", _endpoints(), endpoint_id)


class Regions(CatalogList):
    """All regions."""

    @documented(
        "List regions.",
        query=asked("parent_region_id"),
        responses={200: many("regions", REGION_SHAPE)},
    )
    def get(self, request: Request) -> Response:
        """`parent_region_id` narrows it to nothing: the only region has no parent."""
        require(self.actor, "identity:list_regions")
        found = _matching(_regions(), request, ("parent_region_id",))
        return paged_forms(request, "regions", found)


class RegionView(CatalogEntry):
    """One region."""

    @documented(
        "Show a region.",
        responses={200: one("region", REGION_SHAPE)},
    )
    def get(self, request: Request, region_id: str) -> Response:
        """The region."""
        require(self.actor, "identity:get_region")
        return _one("region", _regions(), region_id)
