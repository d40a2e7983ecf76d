"""Routers: rows that join networks to an external one.

What a router does elsewhere each host does here by itself: libvirt gives every network of it a
gateway and NAT behind the host's own address. So a router's interface on a network is that gateway,
its own way out has no address, and it passes nothing from one of its networks to another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import F

from hypervisors.links import bridge_mac
from identity.actors import Actor
from networks.addresses import save_with_mac
from networks.create import consume_one, owner_of
from networks.errors import (
    BadRequest,
    IpAddressInUse,
    RouterExternalGatewayInUseByFloatingIp,
    RouterInterfaceInUseByFloatingIP,
    RouterInterfaceNotFound,
    RouterInterfaceNotFoundForSubnet,
    RouterInUse,
    RouterNotFound,
)
from networks.lookup import find, get_network, get_port, get_subnet, require
from networks.models import FixedIP, FloatingIP, Network, Port, PortStatus, Router, Subnet
from quotas.consume import release

ROUTER_INTERFACE = "network:router_interface"


@dataclass(frozen=True)
class NewRouter:
    """A router as asked for; `external_network_id` None leaves it without a way out."""

    name: str = ""
    description: str = ""
    project_id: str | None = None
    external_network_id: str | None = None


@dataclass(frozen=True)
class RouterInterface:
    """A router's place on a subnet."""

    router: Router
    port_id: UUID
    subnet_id: UUID
    network_id: UUID


def create_router(*, wanted: NewRouter, actor: Actor, now: datetime) -> Router:
    """Make a router, without interfaces.

    Raises:
        PolicyNotAuthorized: the actor may not, or not for that project.
        NetworkNotFound: no such network to go out by.
        BadRequest: that network is not an external one.
        OverQuota: the project has all it may have.
    """
    require(actor, "create_router", actor.project_id or "")
    project_id = owner_of(wanted.project_id, actor)
    if project_id != actor.project_id:
        require(actor, "create_router:project_id", project_id)
    router = Router(
        id=uuid4(),
        project_id=project_id,
        name=wanted.name,
        description=wanted.description,
        external_network=_external(wanted.external_network_id, actor),
        created_at=now,
        updated_at=now,
    )
    with transaction.atomic():
        consume_one(project_id, router.pk, "routers", "router", now)
        router.save(force_insert=True)
    return router


def update_router(
    *, router: Router, changes: Mapping[str, Any], actor: Actor, now: datetime
) -> Router:
    """Change name or description, or by `external_network_id` the way out; None closes that.

    Raises:
        PolicyNotAuthorized: the actor may not change it.
        NetworkNotFound, BadRequest: there is no such way out.
        RouterExternalGatewayInUseByFloatingIp: floating IPs need the present one.
    """
    require(actor, "update_router", router.project_id)
    changed = dict(changes)
    with transaction.atomic():
        if "external_network_id" in changed:
            network = _external(changed.pop("external_network_id"), actor)
            locked = _locked(router)
            if network != locked.external_network:
                _check_gateway_is_free(locked)
            changed["external_network"] = network
        _change(router, changed, now)
    router.refresh_from_db()
    return router


def delete_router(*, router: Router, actor: Actor) -> None:
    """Delete a router that has no interfaces.

    Raises:
        PolicyNotAuthorized: the actor may not delete it.
        RouterInUse: it has some.
    """
    require(actor, "delete_router", router.project_id)
    subject = router.pk
    with transaction.atomic():
        _locked(router)
        if interfaces_of(subject).exists():
            raise RouterInUse(f"Router {subject} still has ports")
        router.delete()
        release(subject=subject)


def interfaces_of(router_id: UUID) -> Any:
    """The ports by which the router is on its networks."""
    return Port.objects.filter(device_id=str(router_id), device_owner=ROUTER_INTERFACE)


def add_interface(
    *, router: Router, subnet_id: str | None, port_id: str | None, actor: Actor, now: datetime
) -> RouterInterface:
    """Put the router on a subnet, as its gateway.

    Raises:
        PolicyNotAuthorized: the actor may not change the router.
        BadRequest: nothing or too much is named, or the router cannot be there.
        SubnetNotFound, PortNotFound: there is none that the actor may see.
        IpAddressInUse: another router is the subnet's gateway.
        OverQuota: the project may have no more ports.
    """
    require(actor, "add_router_interface", router.project_id)
    _check_one(subnet_id, port_id)
    if port_id is not None:
        get_port(port_id, actor=actor)
        raise BadRequest(
            "Bad router request: A router is on a network by its subnet's gateway alone; "
            "name the subnet instead of a port."
        )
    subnet = get_subnet(str(subnet_id), actor=actor)
    _check_can_join(router, subnet, actor)
    port = Port(
        id=uuid4(),
        network_id=subnet.network_id,
        project_id=router.project_id,
        device_id=str(router.pk),
        device_owner=ROUTER_INTERFACE,
        status=PortStatus.ACTIVE,
        has_port_security=False,
        created_at=now,
        updated_at=now,
    )
    with transaction.atomic():
        _locked(router)
        consume_one(router.project_id, port.pk, "ports", "port", now)
        _check_gateway_is_nobodys(router, subnet)
        save_with_mac(port, bridge_mac(subnet.network_id))
        FixedIP.objects.create(port=port, subnet=subnet, address=str(subnet.gateway_ip))
        _change(router, {}, now)
    return RouterInterface(router, port.pk, subnet.pk, subnet.network_id)


def remove_interface(
    *, router: Router, subnet_id: str | None, port_id: str | None, actor: Actor, now: datetime
) -> RouterInterface:
    """Take the router off a subnet, named by itself or by the router's port there.

    Raises:
        PolicyNotAuthorized: the actor may not change the router.
        BadRequest: nothing is named, or two things that do not belong together.
        RouterInterfaceNotFound, RouterInterfaceNotFoundForSubnet: it is not there.
        RouterInterfaceInUseByFloatingIP: floating IPs need it.
    """
    require(actor, "remove_router_interface", router.project_id)
    if subnet_id is None and port_id is None:
        raise BadRequest("Bad router request: Either subnet_id or port_id must be specified.")
    with transaction.atomic():
        _locked(router)
        taken = _interface(router, subnet_id, port_id)
        used = FloatingIP.objects.filter(
            router=router, port__fixed_ips__subnet=taken.subnet_id, port__network=taken.network_id
        )
        if used.exists():
            raise RouterInterfaceInUseByFloatingIP(
                f"Router interface for subnet {taken.subnet_id} on router {router.pk} cannot be "
                "deleted, as it is required by one or more floating IPs."
            )
        Port.objects.filter(pk=taken.port_id).delete()
        release(subject=taken.port_id)
        _change(router, {}, now)
    return taken


def _interface(router: Router, subnet_id: str | None, port_id: str | None) -> RouterInterface:
    ports = interfaces_of(router.pk).prefetch_related("fixed_ips")
    if port_id is not None:
        port = find(ports, port_id)
        if port is None:
            raise RouterInterfaceNotFound(
                f"Router {router.pk} does not have an interface with id {port_id}"
            )
    else:
        port = next(
            (each for each in ports if str(each.fixed_ips.all()[0].subnet_id) == subnet_id), None
        )
        if port is None:
            raise RouterInterfaceNotFoundForSubnet(
                f"Router {router.pk} has no interface on subnet {subnet_id}"
            )
    subnet = port.fixed_ips.all()[0].subnet_id
    if subnet_id is not None and str(subnet) != subnet_id:
        raise BadRequest(f"Bad router request: Port {port_id} is not on subnet {subnet_id}.")
    return RouterInterface(router, port.pk, subnet, port.network_id)


def _check_one(subnet_id: str | None, port_id: str | None) -> None:
    if subnet_id is not None and port_id is not None:
        raise BadRequest("Bad router request: Cannot specify both subnet-id and port-id.")
    if subnet_id is None and port_id is None:
        raise BadRequest("Bad router request: Either subnet_id or port_id must be specified.")


def _check_can_join(router: Router, subnet: Subnet, actor: Actor) -> None:
    if subnet.network.is_external:
        raise BadRequest(
            f"Bad router request: Subnet {subnet.pk} is on an external network: it is the "
            "router's gateway that goes there."
        )
    if subnet.ip_version == 6:
        raise BadRequest(
            f"Bad router request: Subnet {subnet.pk} is of IPv6: its hosts route that by "
            "themselves, and floating IPs, which routers are for here, are of IPv4."
        )
    if not subnet.network.is_routed_by_hosts:
        raise BadRequest(
            f"Bad router request: Subnet {subnet.pk} is on a {subnet.network.type} network, whose "
            "gateway is outside the cloud."
        )
    if subnet.gateway_ip is None:
        raise BadRequest("Bad router request: Subnet for router interface must have a gateway IP")
    if subnet.project_id != actor.project_id and not actor.is_admin:
        raise BadRequest(
            f"Bad router request: Cannot add interface to router because subnet {subnet.pk} is "
            "not owned by project making the request"
        )


def _check_gateway_is_nobodys(router: Router, subnet: Subnet) -> None:
    """Of two at once the database's constraint refuses the second."""
    taken = (
        FixedIP.objects.filter(subnet=subnet, address=subnet.gateway_ip)
        .select_related("port")
        .first()
    )
    if taken is None:
        return
    if taken.port.device_id == str(router.pk):
        raise BadRequest(f"Bad router request: Router already has a port on subnet {subnet.pk}.")
    raise IpAddressInUse(
        f"Unable to complete operation for network {subnet.network_id}. "
        f"The IP address {subnet.gateway_ip} is in use."
    )


def _external(network_id: str | None, actor: Actor) -> Network | None:
    if network_id is None:
        return None
    network = get_network(network_id, actor=actor)
    if not network.is_external:
        raise BadRequest(f"Bad router request: Network {network_id} is not an external network.")
    return network


def _check_gateway_is_free(router: Router) -> None:
    if FloatingIP.objects.filter(router=router).exists():
        raise RouterExternalGatewayInUseByFloatingIp(
            f"Gateway cannot be updated for router {router.pk}, since a gateway to external "
            f"network {router.external_network_id} is required by one or more floating IPs."
        )


def _locked(router: Router) -> Router:
    """The row as it is now, held until the transaction ends: floating IPs rely on it."""
    held = Router.objects.select_for_update().filter(pk=router.pk).first()
    if held is None:
        raise RouterNotFound(f"Router {router.pk} could not be found")
    return held


def _change(router: Router, changes: Mapping[str, Any], now: datetime) -> None:
    Router.objects.filter(pk=router.pk).update(
        **changes, updated_at=now, revision=F("revision") + 1
    )
