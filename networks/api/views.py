"""Networks, subnets, ports and security groups over HTTP: list, show, create, change, delete."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, cast

from django.db import transaction
from django.db.models import Model, QuerySet
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.views import WireRequest, WireView
from cloudportal.errors import Invalid, NotFound
from identity.actors import Actor
from networks import create, delete, lookup, security_groups, update
from networks.api import bodies
from networks.api.bodies import Body
from networks.api.listing import Resource
from networks.api.resources import GROUP, NETWORK, PORT, RULE, SUBNET
from networks.errors import (
    NetworkNotFound,
    PortNotFound,
    RevisionNumberConstraintFailed,
    SecurityGroupNotFound,
    SecurityGroupRuleNotFound,
    SubnetNotFound,
)
from networks.groups import default_group
from networks.models import Network, Port, SecurityGroup, SecurityGroupRule, Subnet

_REVISION = re.compile(r"\s*\"?revision_number=([0-9]{1,9})\"?\s*")


class NetworkView(WireView):
    """A view of the network API."""

    service = "network"


def actor_of(request: Request) -> Actor:
    """Who asks."""
    return cast(WireRequest, request).actor


class ListView(NetworkView, ABC):
    """All of one kind that the caller sees."""

    resource: ClassVar[Resource]

    @abstractmethod
    def rows(self, actor: Actor) -> QuerySet[Any]:
        """What the caller sees, with all that is shown of it."""

    def get(self, request: Request) -> Response:
        """One page of what the query asks for."""
        actor = actor_of(request)
        url = f"{self.base_url}/v2.0/{self.resource.plural.replace('_', '-')}"
        return Response(self.resource.page(self.rows(actor), request.query_params, actor, url))


def _check_revision(request: Request, row: Any) -> None:
    """Whether the thing is still as the caller saw it, where the request says what that was."""
    wanted = request.headers.get("If-Match", "")
    if request.method not in ("PUT", "DELETE") or not wanted:
        return
    match = _REVISION.fullmatch(wanted)
    if match is None:
        raise Invalid(f"Invalid value for If-Match: {wanted[:64]!r}; revision_number=N is one.")
    revision = getattr(row, "revision", 0)
    if int(match[1]) != revision:
        raise RevisionNumberConstraintFailed(
            f"Constrained to {match[1]}, but current revision is {revision}"
        )


class ItemView(NetworkView, ABC):
    """One thing."""

    resource: ClassVar[Resource]
    not_found: ClassVar[type[NotFound]]
    label: ClassVar[str]

    @abstractmethod
    def rows(self, actor: Actor) -> QuerySet[Any]:
        """What the caller sees, with all that is shown of it."""

    def row(self, request: Request, pk: str) -> Any:
        """The thing, if the caller sees it."""
        found = lookup.find(self.rows(actor_of(request)), pk, self.resource.key)
        if found is None:
            raise self.not_found(f"{self.label} {pk} could not be found.")
        _check_revision(request, found)
        return found

    def get(self, request: Request, pk: str) -> Response:
        """The thing."""
        row = self.row(request, pk)
        return Response(self.resource.show(row, request.query_params, actor_of(request)))

    def shown(self, request: Request, row: Model) -> Response:
        """The thing as it is now."""
        fresh = self.rows(actor_of(request)).get(pk=row.pk)
        return Response(self.resource.show(fresh, request.query_params, actor_of(request)))


def create_from(
    view: ListView, request: Request, body: Body, make: Callable[[dict[str, Any]], Model]
) -> Response:
    """Make one, or several all or none, and show what was made."""
    actor = actor_of(request)
    resource = view.resource
    if body.is_bulk(request.data):
        with transaction.atomic():
            made = [make(fields).pk for fields in body.read_bulk(request.data)]
        rows = {row.pk: row for row in view.rows(actor).filter(pk__in=made)}
        resource.attach(list(rows.values()))
        return Response(
            {resource.plural: [resource.body(rows[pk], actor) for pk in made]}, status=201
        )
    row = view.rows(actor).get(pk=make(body.read(request.data)).pk)
    return Response({resource.name: resource.body(row, actor)}, status=201)


def _networks(actor: Actor) -> QuerySet[Network]:
    return lookup.visible_networks(actor).prefetch_related("subnets", "shares")


def _ports(actor: Actor) -> QuerySet[Port]:
    return lookup.visible_ports(actor).prefetch_related("fixed_ips", "security_groups")


def _groups(actor: Actor) -> QuerySet[SecurityGroup]:
    groups = lookup.visible_groups(actor).prefetch_related("rules__group")
    if actor.project_id:
        default_group(actor.project_id, now=timezone.now())
    return groups


def _rules(actor: Actor) -> QuerySet[SecurityGroupRule]:
    groups = _groups(actor).prefetch_related(None)
    return SecurityGroupRule.objects.filter(group__in=groups).select_related("group")


class Networks(ListView):
    """Networks."""

    resource = NETWORK
    create = Body("network", "networks", bodies.CREATE_NETWORK)

    def rows(self, actor: Actor) -> QuerySet[Network]:
        """Own and shared ones."""
        return _networks(actor)

    def post(self, request: Request) -> Response:
        """Make networks."""

        def make(fields: dict[str, Any]) -> Network:
            wanted = bodies.new_network(fields)
            return create.create_network(wanted=wanted, actor=actor_of(request), now=timezone.now())

        return create_from(self, request, self.create, make)


class OneNetwork(ItemView):
    """A network."""

    resource = NETWORK
    not_found = NetworkNotFound
    label = "Network"
    change = Body("network", "networks", bodies.UPDATE_NETWORK)

    def rows(self, actor: Actor) -> QuerySet[Network]:
        """Own and shared ones."""
        return _networks(actor)

    def put(self, request: Request, pk: str) -> Response:
        """Change it."""
        row = update.update_network(
            network=self.row(request, pk),
            changes=bodies.changes(self.change.read(request.data)),
            actor=actor_of(request),
            now=timezone.now(),
        )
        return self.shown(request, row)

    def delete(self, request: Request, pk: str) -> Response:
        """Delete it."""
        delete.delete_network(
            network=self.row(request, pk), actor=actor_of(request), now=timezone.now()
        )
        return Response(status=204)


class Subnets(ListView):
    """Subnets."""

    resource = SUBNET
    create = Body("subnet", "subnets", bodies.CREATE_SUBNET)

    def rows(self, actor: Actor) -> QuerySet[Subnet]:
        """Those of the networks that the caller sees."""
        return lookup.visible_subnets(actor)

    def post(self, request: Request) -> Response:
        """Make subnets."""

        def make(fields: dict[str, Any]) -> Subnet:
            wanted = bodies.new_subnet(fields)
            return create.create_subnet(wanted=wanted, actor=actor_of(request), now=timezone.now())

        return create_from(self, request, self.create, make)


class OneSubnet(ItemView):
    """A subnet."""

    resource = SUBNET
    not_found = SubnetNotFound
    label = "Subnet"
    change = Body("subnet", "subnets", bodies.UPDATE_SUBNET)

    def rows(self, actor: Actor) -> QuerySet[Subnet]:
        """Those of the networks that the caller sees."""
        return lookup.visible_subnets(actor)

    def put(self, request: Request, pk: str) -> Response:
        """Change it."""
        row = update.update_subnet(
            subnet=self.row(request, pk),
            changes=bodies.changes(self.change.read(request.data)),
            actor=actor_of(request),
            now=timezone.now(),
        )
        return self.shown(request, row)

    def delete(self, request: Request, pk: str) -> Response:
        """Delete it."""
        delete.delete_subnet(subnet=self.row(request, pk), actor=actor_of(request))
        return Response(status=204)


class Ports(ListView):
    """Ports."""

    resource = PORT
    create = Body("port", "ports", bodies.CREATE_PORT)

    def rows(self, actor: Actor) -> QuerySet[Port]:
        """The project's."""
        return _ports(actor)

    def post(self, request: Request) -> Response:
        """Make ports."""

        def make(fields: dict[str, Any]) -> Port:
            wanted = bodies.new_port(fields)
            return create.create_port(wanted=wanted, actor=actor_of(request), now=timezone.now())

        return create_from(self, request, self.create, make)


class OnePort(ItemView):
    """A port."""

    resource = PORT
    not_found = PortNotFound
    label = "Port"
    change = Body("port", "ports", bodies.UPDATE_PORT)

    def rows(self, actor: Actor) -> QuerySet[Port]:
        """The project's."""
        return _ports(actor)

    def put(self, request: Request, pk: str) -> Response:
        """Change it."""
        fields = self.change.read(request.data)
        row = update.update_port(
            port=self.row(request, pk),
            changes=bodies.changes(fields),
            actor=actor_of(request),
            now=timezone.now(),
            security_groups=(fields["security_groups"] or [])
            if "security_groups" in fields
            else None,
        )
        return self.shown(request, row)

    def delete(self, request: Request, pk: str) -> Response:
        """Delete it."""
        delete.delete_port(port=self.row(request, pk), actor=actor_of(request), now=timezone.now())
        return Response(status=204)


class SecurityGroups(ListView):
    """Security groups."""

    resource = GROUP
    create = Body("security_group", "security_groups", bodies.CREATE_GROUP)

    def rows(self, actor: Actor) -> QuerySet[SecurityGroup]:
        """The project's."""
        return _groups(actor)

    def post(self, request: Request) -> Response:
        """Make groups."""

        def make(fields: dict[str, Any]) -> SecurityGroup:
            return security_groups.create_group(
                name=fields["name"],
                description=fields.get("description", ""),
                project_id=bodies.project_of(fields),
                actor=actor_of(request),
                now=timezone.now(),
            )

        return create_from(self, request, self.create, make)


class OneSecurityGroup(ItemView):
    """A security group."""

    resource = GROUP
    not_found = SecurityGroupNotFound
    label = "Security group"
    change = Body("security_group", "security_groups", bodies.UPDATE_GROUP)

    def rows(self, actor: Actor) -> QuerySet[SecurityGroup]:
        """The project's."""
        return _groups(actor)

    def put(self, request: Request, pk: str) -> Response:
        """Change it."""
        row = security_groups.update_group(
            group=self.row(request, pk),
            changes=bodies.changes(self.change.read(request.data)),
            actor=actor_of(request),
            now=timezone.now(),
        )
        return self.shown(request, row)

    def delete(self, request: Request, pk: str) -> Response:
        """Delete it."""
        security_groups.delete_group(group=self.row(request, pk), actor=actor_of(request))
        return Response(status=204)


class SecurityGroupRules(ListView):
    """Rules of security groups."""

    resource = RULE
    create = Body("security_group_rule", "security_group_rules", bodies.CREATE_RULE)

    def rows(self, actor: Actor) -> QuerySet[SecurityGroupRule]:
        """Those of the project's groups."""
        return _rules(actor)

    def post(self, request: Request) -> Response:
        """Make rules."""

        def make(fields: dict[str, Any]) -> SecurityGroupRule:
            wanted = bodies.new_rule(fields)
            return security_groups.create_rule(
                wanted=wanted, actor=actor_of(request), now=timezone.now()
            )

        return create_from(self, request, self.create, make)


class OneSecurityGroupRule(ItemView):
    """A rule."""

    resource = RULE
    not_found = SecurityGroupRuleNotFound
    label = "Security group rule"

    def rows(self, actor: Actor) -> QuerySet[SecurityGroupRule]:
        """Those of the project's groups."""
        return _rules(actor)

    def delete(self, request: Request, pk: str) -> Response:
        """Delete it."""
        security_groups.delete_rule(
            rule=self.row(request, pk), actor=actor_of(request), now=timezone.now()
        )
        return Response(status=204)
