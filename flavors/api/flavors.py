"""`/flavors`: list, show, make, describe and delete flavors."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.response import Response

from cloudportal.api import paging
from cloudportal.api.microversions import available
from cloudportal.api.openapi import documented, listed, wrapped
from cloudportal.api.views import ComputeView, WireRequest
from flavors.api.body import (
    CREATE,
    DETAIL_SCHEMA,
    SHORT_SCHEMA,
    UPDATE,
    new_flavor,
    show_detail,
    show_short,
)
from flavors.api.listing import LIST, list_flavors
from flavors.create import create_flavor
from flavors.delete import delete_flavor
from flavors.extra_specs import may_read_extra_specs
from flavors.find import find_flavor
from flavors.models import Flavor
from flavors.update import update_flavor


class _FlavorView(ComputeView):
    def answer(self, request: WireRequest, flavor: Flavor) -> Response:
        """One flavor, whole."""
        with_specs = may_read_extra_specs(request.actor)
        shown = show_detail(self, flavor, request.microversion, with_specs=with_specs)
        return Response({"flavor": shown})

    def page(
        self, request: WireRequest, flavors: list[Flavor], shown: list[dict[str, Any]], *path: str
    ) -> Response:
        """A list with the link to its next page, if there may be one."""
        body: dict[str, Any] = {"flavors": shown}
        if flavors and len(flavors) == paging.parse_limit(request.query_params):
            href = paging.next_link(
                self.link(*path), request.query_params, marker=flavors[-1].flavorid
            )
            body["flavors_links"] = [{"rel": "next", "href": href}]
        return Response(body)


class FlavorsView(_FlavorView):
    """All flavors, short; and making one."""

    @documented("List flavors.", query=LIST, responses={200: listed("flavors", SHORT_SCHEMA)})
    def get(self, request: WireRequest) -> Response:
        """Answer with a page of the list."""
        query = request.query
        flavors = list_flavors(query, request.actor)
        shown = [show_short(self, flavor, request.microversion) for flavor in flavors]
        return self.page(request, flavors, shown, "flavors")

    @documented(
        "Create a flavor.", request=CREATE, responses={200: wrapped("flavor", DETAIL_SCHEMA)}
    )
    def post(self, request: WireRequest) -> Response:
        """Make the flavor and answer with it."""
        body = CREATE.at(request.microversion).check(request.data)
        flavor = create_flavor(wanted=new_flavor(body), actor=request.actor, now=timezone.now())
        return self.answer(request, flavor)


class FlavorsDetailView(_FlavorView):
    """All flavors, whole."""

    @documented(
        "List flavors with details.",
        query=LIST,
        responses={200: listed("flavors", DETAIL_SCHEMA)},
    )
    def get(self, request: WireRequest) -> Response:
        """Answer with a page of the list."""
        query = request.query
        flavors = list_flavors(query, request.actor)
        with_specs = may_read_extra_specs(request.actor)
        shown = [
            show_detail(self, flavor, request.microversion, with_specs=with_specs)
            for flavor in flavors
        ]
        return self.page(request, flavors, shown, "flavors", "detail")


class FlavorView(_FlavorView):
    """One flavor."""

    @documented("Show a flavor.", responses={200: wrapped("flavor", DETAIL_SCHEMA)})
    def get(self, request: WireRequest, flavor_id: str) -> Response:
        """Answer with the flavor."""
        return self.answer(request, find_flavor(flavorid=flavor_id, actor=request.actor))

    @available("2.55")
    @documented(
        "Change a flavor's description.",
        request=UPDATE,
        responses={200: wrapped("flavor", DETAIL_SCHEMA)},
    )
    def put(self, request: WireRequest, flavor_id: str) -> Response:
        """Set the description and answer with the flavor."""
        body = UPDATE.check(request.data)
        flavor = find_flavor(flavorid=flavor_id, actor=request.actor)
        description = body["flavor"]["description"]
        update_flavor(flavor=flavor, description=description, actor=request.actor)
        return self.answer(request, flavor)

    @documented("Delete a flavor.", responses={202: None})
    def delete(self, request: WireRequest, flavor_id: str) -> Response:
        """Delete the flavor."""
        delete_flavor(flavorid=flavor_id, actor=request.actor)
        return Response(status=202)
