"""Lead floating IPs to a server, and away from it, by the compute API's old actions."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_address

from cloudportal.errors import Conflict, Invalid, NotFound
from identity.actors import Actor
from networks.errors import (
    BadRequest,
    ExternalGatewayForFloatingIPNotFound,
    FloatingIPPortAlreadyAssociated,
)
from networks.floating_ips import Target, associate, disassociate
from networks.lookup import visible_floating_ips
from networks.models import FixedIP, FloatingIP
from networks.server_ports import ports_of
from servers.begin import check_legal, require
from servers.legal import LEGAL
from servers.models import Server


def add_floating_ip(
    *, server: Server, address: str, fixed_address: str | None, actor: Actor, now: datetime
) -> None:
    """Let the floating IP lead to that address of the server, or to its first one.

    Raises:
        NotFound: the project has no such floating IP.
        Invalid: the server has no such address, or none that it can lead to.
        InvalidState, ServerLocked, Forbidden: as for every action.
    """
    require(actor, LEGAL["addFloatingIp"], server)
    check_legal(server, "addFloatingIp", actor)
    floating_ip = _find(address, server, actor)
    fixed = _fixed_ip(server, fixed_address)
    target = Target(str(fixed.port_id), fixed.address)
    try:
        associate(floating_ip=floating_ip, target=target, actor=actor, now=now)
    except (
        BadRequest,
        ExternalGatewayForFloatingIPNotFound,
        FloatingIPPortAlreadyAssociated,
    ) as error:
        raise Invalid(
            f"Unable to associate floating IP {address} to fixed IP {fixed.address} for instance "
            f"{server.pk}. Error: {error}"
        ) from error


def remove_floating_ip(*, server: Server, address: str, actor: Actor, now: datetime) -> None:
    """Let the floating IP lead to the server no more; the project keeps it.

    Raises:
        NotFound: the project has no such floating IP.
        Conflict: it does not lead to the server.
        InvalidState, ServerLocked, Forbidden: as for every action.
    """
    require(actor, LEGAL["removeFloatingIp"], server)
    check_legal(server, "removeFloatingIp", actor)
    floating_ip = _find(address, server, actor)
    if floating_ip.port is None or floating_ip.port.device_id != str(server.pk):
        raise Conflict(f"Floating IP {address} is not associated with instance {server.pk}.")
    disassociate(floating_ip=floating_ip, actor=actor, now=now)


def _find(address: str, server: Server, actor: Actor) -> FloatingIP:
    rows = visible_floating_ips(actor).filter(project_id=server.project_id)
    found = rows.filter(address=str(ip_address(address))).select_related("port").first()
    if found is None:
        raise NotFound("floating IP not found")
    return found


def _fixed_ip(server: Server, address: str | None) -> FixedIP:
    rows = FixedIP.objects.filter(port__in=ports_of(server.pk), subnet__ip_version=4)
    rows = rows.order_by("port__device_index", "pk")
    first = rows.first()
    if first is None:
        raise Invalid("No fixed IPs associated to instance")
    if address is None:
        return first
    found = rows.filter(address=str(ip_address(address))).first()
    if found is None:
        raise Invalid("Specified fixed address not assigned to instance")
    return found
