"""Networks, subnets, ports and security groups over HTTP: list, show, create, change, delete."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from cloudportal.api.openapi import documented
from identity.actors import Actor
from networks import create, delete, lookup, security_groups, update
from networks.api import bodies
from networks.api.base import STALE, ItemView, ListView, actor_of, create_from
from networks.api.bodies import Body
from networks.api.listing import FIELDS
from networks.api.resources import GROUP, NETWORK, PORT, RULE, SUBNET
from networks.errors import (
    NetworkNotFound,
    PortNotFound,
    SecurityGroupNotFound,
    SecurityGroupRuleNotFound,
    SubnetNotFound,
)
from networks.groups import default_group
from networks.models import Network, Port, SecurityGroup, SecurityGroupRule, Subnet


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

    @documented("Create networks.", request=create.one_or_more, responses={201: NETWORK.made})
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

    @documented(
        "Change one network.",
        request=change.one,
        query=FIELDS,
        responses={200: NETWORK.shown},
        faults=STALE,
    )
    def put(self, request: Request, pk: str) -> Response:
        """Change it."""
        row = update.update_network(
            network=self.row(request, pk),
            changes=bodies.changes(self.change.read(request.data)),
            actor=actor_of(request),
            now=timezone.now(),
        )
        return self.shown(request, row)

    @documented("Delete one network.", responses={204: None}, faults=STALE)
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

    @documented("Create subnets.", request=create.one_or_more, responses={201: SUBNET.made})
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

    @documented(
        "Change one subnet.",
        request=change.one,
        query=FIELDS,
        responses={200: SUBNET.shown},
        faults=STALE,
    )
    def put(self, request: Request, pk: str) -> Response:
        """Change it."""
        row = update.update_subnet(
            subnet=self.row(request, pk),
            changes=bodies.changes(self.change.read(request.data)),
            actor=actor_of(request),
            now=timezone.now(),
        )
        return self.shown(request, row)

    @documented("Delete one subnet.", responses={204: None}, faults=STALE)
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

    @documented("Create ports.", request=create.one_or_more, responses={201: PORT.made})
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

    @documented(
        "Change one port.",
        request=change.one,
        query=FIELDS,
        responses={200: PORT.shown},
        faults=STALE,
    )
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

    @documented("Delete one port.", responses={204: None}, faults=STALE)
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

    @documented("Create security groups.", request=create.one_or_more, responses={201: GROUP.made})
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

    @documented(
        "Change one security group.",
        request=change.one,
        query=FIELDS,
        responses={200: GROUP.shown},
        faults=STALE,
    )
    def put(self, request: Request, pk: str) -> Response:
        """Change it."""
        row = security_groups.update_group(
            group=self.row(request, pk),
            changes=bodies.changes(self.change.read(request.data)),
            actor=actor_of(request),
            now=timezone.now(),
        )
        return self.shown(request, row)

    @documented("Delete one security group.", responses={204: None}, faults=STALE)
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

    @documented(
        "Create security group rules.", request=create.one_or_more, responses={201: RULE.made}
    )
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

    @documented("Delete one security group rule.", responses={204: None}, faults=STALE)
    def delete(self, request: Request, pk: str) -> Response:
        """Delete it."""
        security_groups.delete_rule(
            rule=self.row(request, pk), actor=actor_of(request), now=timezone.now()
        )
        return Response(status=204)
