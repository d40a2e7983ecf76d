"""Routers and floating IPs over HTTP: list, show, create, change, delete; a router's interfaces."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from identity.actors import Actor
from networks import floating_ips, lookup, routers
from networks.api import router_bodies as bodies
from networks.api.base import STALE, ItemView, ListView, actor_of, create_from
from networks.api.bodies import Body
from networks.api.listing import FIELDS
from networks.api.resources import FLOATING_IP, ROUTER
from networks.api.shapes import INTERFACE_SHAPE
from networks.errors import FloatingIPNotFound, RouterNotFound
from networks.floating_places import placed
from networks.models import FloatingIP, Router


def _floating_ips(rows: QuerySet[FloatingIP]) -> QuerySet[FloatingIP]:
    return placed(rows).select_related("port")


class Routers(ListView):
    """Routers."""

    resource = ROUTER
    create = Body("router", "routers", bodies.CREATE_ROUTER)

    def rows(self, actor: Actor) -> QuerySet[Router]:
        """The project's."""
        return lookup.visible_routers(actor)

    @documented("Create routers.", request=create.one_or_more, responses={201: ROUTER.made})
    def post(self, request: Request) -> Response:
        """Make routers."""

        def make(fields: dict[str, Any]) -> Router:
            wanted = bodies.new_router(fields)
            return routers.create_router(wanted=wanted, actor=actor_of(request), now=timezone.now())

        return create_from(self, request, self.create, make)


class OneRouter(ItemView):
    """A router."""

    resource = ROUTER
    not_found = RouterNotFound
    label = "Router"
    change = Body("router", "routers", bodies.UPDATE_ROUTER)

    def rows(self, actor: Actor) -> QuerySet[Router]:
        """The project's."""
        return lookup.visible_routers(actor)

    @documented(
        "Change one router.",
        request=change.one,
        query=FIELDS,
        responses={200: ROUTER.shown},
        faults=STALE,
    )
    def put(self, request: Request, pk: str) -> Response:
        """Change it."""
        row = routers.update_router(
            router=self.row(request, pk),
            changes=bodies.router_changes(self.change.read(request.data)),
            actor=actor_of(request),
            now=timezone.now(),
        )
        return self.shown(request, row)

    @documented("Delete one router.", responses={204: None}, faults=STALE)
    def delete(self, request: Request, pk: str) -> Response:
        """Delete it."""
        routers.delete_router(router=self.row(request, pk), actor=actor_of(request))
        return Response(status=204)


class _Interface(OneRouter):
    """A router's place on a subnet, coming or going."""

    http_method_names = ("put",)

    def shown_interface(self, found: routers.RouterInterface) -> Response:
        """The interface that came or went."""
        return Response(
            {
                "id": str(found.router.pk),
                "tenant_id": found.router.project_id,
                "project_id": found.router.project_id,
                "port_id": str(found.port_id),
                "network_id": str(found.network_id),
                "subnet_id": str(found.subnet_id),
                "subnet_ids": [str(found.subnet_id)],
                "tags": [],
            }
        )


class AddRouterInterface(_Interface):
    """Puts a router on a subnet."""

    @documented(
        "Put a router on a subnet.",
        request=bodies.INTERFACE,
        responses={200: INTERFACE_SHAPE},
        faults=STALE,
    )
    def put(self, request: Request, pk: str) -> Response:
        """Do it."""
        router = self.row(request, pk)
        fields = bodies.INTERFACE.check(request.data)
        found = routers.add_interface(
            router=router,
            subnet_id=fields.get("subnet_id"),
            port_id=fields.get("port_id"),
            actor=actor_of(request),
            now=timezone.now(),
        )
        return self.shown_interface(found)


class RemoveRouterInterface(_Interface):
    """Takes a router off a subnet."""

    @documented(
        "Take a router off a subnet.",
        request=bodies.INTERFACE,
        responses={200: INTERFACE_SHAPE},
        faults=STALE,
    )
    def put(self, request: Request, pk: str) -> Response:
        """Do it."""
        router = self.row(request, pk)
        fields = bodies.INTERFACE.check(request.data)
        found = routers.remove_interface(
            router=router,
            subnet_id=fields.get("subnet_id"),
            port_id=fields.get("port_id"),
            actor=actor_of(request),
            now=timezone.now(),
        )
        return self.shown_interface(found)


class FloatingIPs(ListView):
    """Floating IPs."""

    resource = FLOATING_IP
    create = Body("floatingip", "floatingips", bodies.CREATE_FLOATING_IP)

    def rows(self, actor: Actor) -> QuerySet[FloatingIP]:
        """The project's."""
        return _floating_ips(lookup.visible_floating_ips(actor))

    @documented(
        "Create floating IPs.", request=create.one_or_more, responses={201: FLOATING_IP.made}
    )
    def post(self, request: Request) -> Response:
        """Take floating IPs."""

        def make(fields: dict[str, Any]) -> FloatingIP:
            wanted = bodies.new_floating_ip(fields)
            return floating_ips.create_floating_ip(
                wanted=wanted, actor=actor_of(request), now=timezone.now()
            )

        return create_from(self, request, self.create, make)


class OneFloatingIP(ItemView):
    """A floating IP."""

    resource = FLOATING_IP
    not_found = FloatingIPNotFound
    label = "Floating IP"
    change = Body("floatingip", "floatingips", bodies.UPDATE_FLOATING_IP)

    def rows(self, actor: Actor) -> QuerySet[FloatingIP]:
        """The project's."""
        return _floating_ips(lookup.visible_floating_ips(actor))

    @documented(
        "Change one floating IP.",
        request=change.one,
        query=FIELDS,
        responses={200: FLOATING_IP.shown},
        faults=STALE,
    )
    def put(self, request: Request, pk: str) -> Response:
        """Lead it to a port or to none, or describe it."""
        row = self.row(request, pk)
        fields = self.change.read(request.data)
        changed = floating_ips.Change(
            target=bodies.target_of(fields),
            leads_elsewhere="port_id" in fields,
            description=fields.get("description"),
        )
        floating_ips.update_floating_ip(
            floating_ip=row, change=changed, actor=actor_of(request), now=timezone.now()
        )
        return self.shown(request, row)

    @documented("Delete one floating IP.", responses={204: None}, faults=STALE)
    def delete(self, request: Request, pk: str) -> Response:
        """Give it back."""
        floating_ips.delete_floating_ip(
            floating_ip=self.row(request, pk), actor=actor_of(request), now=timezone.now()
        )
        return Response(status=204)
