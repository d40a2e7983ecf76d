"""Which networks, subnets, ports and groups an actor sees, and getting one of them."""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from cloudportal.errors import NotFound
from identity import policy
from identity.actors import Actor
from networks.errors import (
    FloatingIPNotFound,
    NetworkNotFound,
    PolicyNotAuthorized,
    PortNotFound,
    RouterNotFound,
    SecurityGroupNotFound,
    SubnetNotFound,
)
from networks.models import (
    FloatingIP,
    Network,
    NetworkQuerySet,
    Port,
    Router,
    SecurityGroup,
    Subnet,
)
from networks.models.networks import seen_by

M = TypeVar("M", bound=Model)


def visible_networks(actor: Actor) -> NetworkQuerySet:
    """The project's own, shared and external networks; all of them for an administrator.

    Raises:
        Forbidden: the actor has no role in a project.
    """
    policy.require(actor, "get_network", project_id=actor.project_id)
    everything = Network.objects.all()
    return everything if actor.is_admin else Network.objects.seen_by(actor.project_id)


def visible_subnets(actor: Actor) -> QuerySet[Subnet]:
    """The subnets of the networks that the actor sees."""
    policy.require(actor, "get_subnet", project_id=actor.project_id)
    if actor.is_admin:
        return Subnet.objects.all()
    given = seen_by(actor.project_id, "network")
    return Subnet.objects.filter(given | Q(network__is_external=True))


def visible_ports(actor: Actor) -> QuerySet[Port]:
    """The project's ports; all of them for an administrator."""
    policy.require(actor, "get_port", project_id=actor.project_id)
    return (
        Port.objects.all() if actor.is_admin else Port.objects.filter(project_id=actor.project_id)
    )


def visible_groups(actor: Actor) -> QuerySet[SecurityGroup]:
    """The project's security groups; all of them for an administrator."""
    policy.require(actor, "get_security_group", project_id=actor.project_id)
    if actor.is_admin:
        return SecurityGroup.objects.all()
    return SecurityGroup.objects.filter(project_id=actor.project_id)


def visible_routers(actor: Actor) -> QuerySet[Router]:
    """The project's routers; all of them for an administrator."""
    policy.require(actor, "get_router", project_id=actor.project_id)
    if actor.is_admin:
        return Router.objects.all()
    return Router.objects.filter(project_id=actor.project_id)


def visible_floating_ips(actor: Actor) -> QuerySet[FloatingIP]:
    """The project's floating IPs; all of them for an administrator."""
    policy.require(actor, "get_floatingip", project_id=actor.project_id)
    if actor.is_admin:
        return FloatingIP.objects.all()
    return FloatingIP.objects.filter(project_id=actor.project_id)


def find(rows: QuerySet[M], identifier: str | UUID, key: str = "pk") -> M | None:
    """The row of this uuid; a text that is none finds nothing."""
    try:
        return rows.filter(**{key: UUID(str(identifier))}).first()
    except ValueError:
        return None


def get_network(network_id: str | UUID, *, actor: Actor) -> Network:
    """The network.

    Raises:
        NetworkNotFound: there is none that the actor may see.
    """
    return _found(visible_networks(actor), network_id, NetworkNotFound, "Network")


def get_subnet(subnet_id: str | UUID, *, actor: Actor) -> Subnet:
    """The subnet.

    Raises:
        SubnetNotFound: there is none that the actor may see.
    """
    return _found(visible_subnets(actor), subnet_id, SubnetNotFound, "Subnet")


def get_port(port_id: str | UUID, *, actor: Actor) -> Port:
    """The port.

    Raises:
        PortNotFound: there is none that the actor may see.
    """
    return _found(visible_ports(actor), port_id, PortNotFound, "Port")


def get_group(group_id: str | UUID, *, actor: Actor) -> SecurityGroup:
    """The security group.

    Raises:
        SecurityGroupNotFound: there is none that the actor may see.
    """
    found = find(visible_groups(actor), group_id)
    if found is None:
        raise SecurityGroupNotFound(f"Security group {group_id} does not exist")
    return found


def get_router(router_id: str | UUID, *, actor: Actor) -> Router:
    """The router.

    Raises:
        RouterNotFound: there is none that the actor may see.
    """
    return _found(visible_routers(actor), router_id, RouterNotFound, "Router")


def get_floating_ip(floating_ip_id: str | UUID, *, actor: Actor) -> FloatingIP:
    """The floating IP.

    Raises:
        FloatingIPNotFound: there is none that the actor may see.
    """
    rows = visible_floating_ips(actor)
    return _found(rows, floating_ip_id, FloatingIPNotFound, "Floating IP")


def _found(rows: QuerySet[M], identifier: str | UUID, kind: type[NotFound], name: str) -> M:
    found = find(rows, identifier)
    if found is None:
        raise kind(f"{name} {identifier} could not be found.")
    return found


def find_only_network(project_id: str | None) -> Network | None:
    """The one network that a server of the project gets without asking; None when unclear."""
    usable = list(Network.objects.usable_by(project_id)[:2])
    return usable[0] if len(usable) == 1 else None


def require(actor: Actor, rule: str, owner: str) -> None:
    """Refuse to change what the actor sees but may not change.

    Raises:
        PolicyNotAuthorized: the rule does not let the actor.
    """
    if not policy.allows(actor, rule, project_id=owner):
        raise PolicyNotAuthorized(f"rule:{rule} is disallowed by policy")


def networks_held_by(project_id: str) -> str:
    """In words what a project has of networks and ports; "" when nothing."""
    networks = Network.objects.filter(project_id=project_id).count()
    ports = Port.objects.filter(project_id=project_id).count()
    held = [
        f"{networks} networks" if networks else "",
        f"{ports} ports" if ports else "",
        *(
            f"{count} {words}"
            for model, words in ((Router, "routers"), (FloatingIP, "floating IPs"))
            if (count := model._default_manager.filter(project_id=project_id).count())
        ),
    ]
    return ", ".join(filter(None, held))
