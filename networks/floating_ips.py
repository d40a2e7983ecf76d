"""Floating IPs: addresses of external networks that projects take, and lead to their ports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction
from django.db.models import F

from identity.actors import Actor
from networks.addresses import check_address, free_address
from networks.create import consume_one, owner_of
from networks.errors import (
    BadRequest,
    ExternalGatewayForFloatingIPNotFound,
    FloatingIPNotFound,
    FloatingIPPortAlreadyAssociated,
    IpAddressGenerationFailure,
    IpAddressInUse,
    PortNotFound,
)
from networks.floating_places import let_go, wake_places
from networks.lookup import find, get_network, require, visible_ports
from networks.models import FixedIP, FloatingIP, Network, Port, Router, Subnet
from networks.routers import ROUTER_INTERFACE
from quotas.consume import release

_ATTEMPTS = 100


@dataclass(frozen=True)
class Target:
    """Where a floating IP is to lead: a port, and which of its addresses if it has several."""

    port_id: str
    fixed_address: str | None = None


@dataclass(frozen=True)
class NewFloatingIP:
    """A floating IP as asked for; without an address it is any free one of the network."""

    network_id: str
    subnet_id: str | None = None
    address: str | None = None
    description: str = ""
    project_id: str | None = None
    target: Target | None = None


def create_floating_ip(*, wanted: NewFloatingIP, actor: Actor, now: datetime) -> FloatingIP:
    """Take an address of an external network.

    Raises:
        PolicyNotAuthorized: the actor may not, or may not choose the address or the project.
        NetworkNotFound: there is none that the actor may see.
        BadRequest: the network is not external, or lacks the subnet.
        InvalidIpForNetwork, IpAddressInUse: the address wanted cannot be had.
        IpAddressGenerationFailure: none is left.
        OverQuota: the project has all it may have.
        CloudError: it cannot lead where it is to lead (see `associate`).
    """
    require(actor, "create_floatingip", actor.project_id or "")
    project_id = owner_of(wanted.project_id, actor)
    if project_id != actor.project_id:
        require(actor, "create_floatingip:project_id", project_id)
    if wanted.address is not None:
        require(actor, "create_floatingip:floating_ip_address", project_id)
    subnet = _subnet(get_network(wanted.network_id, actor=actor), wanted.subnet_id)
    row = FloatingIP(
        id=uuid4(),
        project_id=project_id,
        description=wanted.description,
        network_id=subnet.network_id,
        subnet=subnet,
        created_at=now,
        updated_at=now,
    )
    with transaction.atomic():
        consume_one(project_id, row.pk, "floating_ips", "floatingip", now)
        _take(row, wanted.address)
        if wanted.target is not None:
            _associate(row, wanted.target, actor, now)
    row.refresh_from_db()
    return row


def _subnet(network: Network, subnet_id: str | None) -> Subnet:
    if not network.is_external:
        raise BadRequest(
            f"Bad floatingip request: Network {network.pk} is not a valid external network."
        )
    subnets = list(network.subnets.all())
    for subnet in subnets:
        if subnet_id in (None, str(subnet.pk)):
            return subnet
    if subnet_id is None:
        raise _none_left(network.pk)
    raise BadRequest(
        f"Bad floatingip request: Network {network.pk} does not contain the subnet {subnet_id}."
    )


def _none_left(network_id: UUID) -> IpAddressGenerationFailure:
    return IpAddressGenerationFailure(f"No more IP addresses available on network {network_id}.")


def _take(row: FloatingIP, address: str | None) -> None:
    """The database's constraint decides, as with fixed IPs."""

    def taken(addresses: Sequence[str] | None) -> set[str]:
        rows = FloatingIP.objects.filter(subnet=row.subnet)
        if addresses is not None:
            rows = rows.filter(address__in=addresses)
        return set(rows.values_list("address", flat=True))

    if address is not None:
        check_address(row.subnet, address)
        if not _insert(row, address):
            raise IpAddressInUse(
                f"Unable to complete operation for network {row.network_id}. "
                f"The IP address {address} is in use."
            )
        return
    for _ in range(_ATTEMPTS):
        free = free_address(row.subnet.allocation_pools, taken)
        if free is None:
            break
        if _insert(row, free):
            return
    raise _none_left(row.network_id)


def _insert(row: FloatingIP, address: str) -> bool:
    row.address = address
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        return False
    return True


def associate(*, floating_ip: FloatingIP, target: Target, actor: Actor, now: datetime) -> None:
    """Let it lead to a port, whatever it led to before.

    Raises:
        PolicyNotAuthorized: the actor may not change it.
        PortNotFound: there is none that the actor may see.
        BadRequest: the port is another project's, or has no such address, or several.
        ExternalGatewayForFloatingIPNotFound: no router joins the two networks.
        FloatingIPPortAlreadyAssociated: the address has another one of that network.
    """
    require(actor, "update_floatingip", floating_ip.project_id)
    with transaction.atomic():
        _associate(floating_ip, target, actor, now)
    floating_ip.refresh_from_db()


def _associate(row: FloatingIP, target: Target, actor: Actor, now: datetime) -> None:
    port = _port(row, target.port_id, actor)
    # Held, so that it is not deleted meanwhile.
    if Port.objects.select_for_update().filter(pk=port.pk).first() is None:
        raise PortNotFound(f"Port {port.pk} could not be found.")
    fixed = _fixed_ip(port, target.fixed_address)
    router = _router(row, port, fixed)
    others = FloatingIP.objects.filter(
        network=row.network_id, port=port, fixed_address=fixed.address
    ).exclude(pk=row.pk)
    try:
        with transaction.atomic():
            if others.exists():
                raise _associated(row, port, fixed)
            FloatingIP.objects.filter(pk=row.pk).update(
                port=port,
                fixed_address=fixed.address,
                router=router,
                updated_at=now,
                revision=F("revision") + 1,
            )
    except IntegrityError:
        raise _associated(row, port, fixed) from None
    wake_places(now=now, request_id=actor.request_id)


def _associated(row: FloatingIP, port: Port, fixed: FixedIP) -> FloatingIPPortAlreadyAssociated:
    return FloatingIPPortAlreadyAssociated(
        f"Cannot associate floating IP {row.address} ({row.pk}) with port {port.pk} using fixed "
        f"IP {fixed.address}, as that fixed IP already has a floating IP on external network "
        f"{row.network_id}."
    )


def _port(row: FloatingIP, port_id: str, actor: Actor) -> Port:
    port = find(visible_ports(actor), port_id)
    if port is None:
        raise PortNotFound(f"Port {port_id} could not be found.")
    if port.project_id != row.project_id:
        raise BadRequest(
            f"Bad floatingip request: Cannot process floating IP association with Port {port_id}, "
            "since that port is owned by a different project."
        )
    if port.device_owner == ROUTER_INTERFACE:
        raise BadRequest(
            f"Bad floatingip request: Port {port_id} is a router's: it leads to no server."
        )
    return port


def _fixed_ip(port: Port, address: str | None) -> FixedIP:
    rows = port.fixed_ips.select_related("subnet").order_by("pk")
    found = [each for each in rows if each.subnet.ip_version == 4]
    if address is not None:
        found = [each for each in found if each.address == address]
        if not found:
            raise BadRequest(
                f"Bad floatingip request: Port {port.pk} does not have fixed ip {address}."
            )
    if not found:
        raise BadRequest(
            f"Bad floatingip request: Cannot add floating IP to port {port.pk} that has no fixed "
            "IPv4 addresses."
        )
    if len(found) > 1:
        raise BadRequest(
            f"Bad floatingip request: Port {port.pk} has multiple fixed IPv4 addresses.  Must "
            "provide a specific IPv4 address when assigning a floating IP"
        )
    return found[0]


def _router(row: FloatingIP, port: Port, fixed: FixedIP) -> Router:
    """The router between, held until the transaction ends: it must not lose what this needs."""
    joined = Port.objects.filter(device_owner=ROUTER_INTERFACE, fixed_ips__subnet=fixed.subnet_id)
    for router_id in joined.values_list("device_id", flat=True):
        held = Router.objects.select_for_update().filter(
            pk=router_id, external_network=row.network_id
        )
        router = held.first()
        # Looked at again now that nobody can take the interface away.
        if router is not None and joined.filter(device_id=router_id).exists():
            return router
    raise ExternalGatewayForFloatingIPNotFound(
        f"External network {row.network_id} is not reachable from subnet {fixed.subnet_id}.  "
        f"Therefore, cannot associate Port {port.pk} with a Floating IP."
    )


@dataclass(frozen=True)
class Change:
    """What is to change: where it leads, if `leads_elsewhere`, and its description unless None."""

    target: Target | None = None
    leads_elsewhere: bool = False
    description: str | None = None


def update_floating_ip(
    *, floating_ip: FloatingIP, change: Change, actor: Actor, now: datetime
) -> None:
    """Change all that is asked for, or nothing.

    Raises:
        PolicyNotAuthorized: the actor may not change it.
        CloudError: it cannot lead there (see `associate`).
    """
    require(actor, "update_floatingip", floating_ip.project_id)
    with transaction.atomic():
        if change.description is not None:
            FloatingIP.objects.filter(pk=floating_ip.pk).update(
                description=change.description, updated_at=now, revision=F("revision") + 1
            )
        if change.leads_elsewhere and change.target is not None:
            associate(floating_ip=floating_ip, target=change.target, actor=actor, now=now)
        elif change.leads_elsewhere:
            disassociate(floating_ip=floating_ip, actor=actor, now=now)


def disassociate(*, floating_ip: FloatingIP, actor: Actor, now: datetime) -> None:
    """Let it lead nowhere; again changes nothing.

    Raises:
        PolicyNotAuthorized: the actor may not change it.
    """
    require(actor, "update_floatingip", floating_ip.project_id)
    with transaction.atomic():
        let_go(FloatingIP.objects.filter(pk=floating_ip.pk), now=now, request_id=actor.request_id)
    floating_ip.refresh_from_db()


def delete_floating_ip(*, floating_ip: FloatingIP, actor: Actor, now: datetime) -> None:
    """Give the address back, wherever it leads to; its host learns of it a little later.

    Raises:
        PolicyNotAuthorized: the actor may not delete it.
        FloatingIPNotFound: somebody was faster.
    """
    require(actor, "delete_floatingip", floating_ip.project_id)
    subject = floating_ip.pk
    with transaction.atomic():
        deleted, _ = FloatingIP.objects.filter(pk=subject).delete()
        if not deleted:
            raise FloatingIPNotFound(f"Floating IP {subject} could not be found")
        release(subject=subject)
        wake_places(now=now, request_id=actor.request_id)
