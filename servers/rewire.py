"""Addresses of interfaces, added and taken away; and the host told anew of all of them."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_address

from django.db import transaction
from django.db.models import F

from cloudportal.errors import Conflict, Invalid
from identity.actors import Actor
from networks.addresses import allocate
from networks.errors import IpAddressGenerationFailure
from networks.models import FixedIP, Port
from networks.server_ports import ports_of
from networks.spread import note_members
from operations.enqueue import enqueue
from servers.action_log import record_action
from servers.begin import check_legal, require
from servers.legal import LEGAL
from servers.models import Server

REWIRE = "server.rewire"


def inject_network_info(*, server: Server, actor: Actor, now: datetime) -> None:
    """Have the host make the networks, filters and DHCP entries of the server's ports anew.

    Raises:
        Conflict: it is on no host, or something is being done to it.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor may not.
    """
    require(actor, LEGAL["injectNetworkInfo"], server)
    check_legal(server, "injectNetworkInfo", actor)
    if server.hypervisor_id is None:
        raise Conflict(f"Instance {server.pk} is not ready")
    with transaction.atomic():
        _rewire(server, actor, now)


def add_fixed_ip(*, server: Server, network_id: str, actor: Actor, now: datetime) -> None:
    """Give the server's interface on that network another address of it.

    Raises:
        Invalid: the server is not on the network, or the network has no address left.
        Conflict: something is being done to the server.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor may not.
    """
    require(actor, LEGAL["addFixedIp"], server)
    check_legal(server, "addFixedIp", actor)
    port = next((each for each in _ports(server) if str(each.network_id) == str(network_id)), None)
    subnet = None if port is None else port.network.subnets.order_by("ip_version").first()
    if port is None or subnet is None:
        raise Invalid(f"Network {network_id} is not one of instance {server.pk}.")
    with transaction.atomic():
        try:
            allocate(port, subnet)
        except IpAddressGenerationFailure as error:
            raise Invalid(f"No fixed IP addresses available for network: {network_id}") from error
        _changed(port, now)
        record_action([server.pk], "addFixedIp", actor=actor, now=now)
        _rewire(server, actor, now)


def remove_fixed_ip(*, server: Server, address: str, actor: Actor, now: datetime) -> None:
    """Take an address from the server's interface that has it.

    Raises:
        Invalid: no interface of the server has it.
        Conflict: something is being done to the server.
        ServerLocked: it is locked, and the actor is no administrator.
        Forbidden: the actor may not.
    """
    require(actor, LEGAL["removeFixedIp"], server)
    check_legal(server, "removeFixedIp", actor)
    wanted = str(ip_address(address))
    with transaction.atomic():
        taken = FixedIP.objects.filter(port__in=ports_of(server.pk), address=wanted).first()
        if taken is None:
            raise Invalid(f"Fixed IP address {address} not found for instance {server.pk}.")
        port = taken.port
        taken.delete()
        _changed(port, now)
        record_action([server.pk], "removeFixedIp", actor=actor, now=now)
        _rewire(server, actor, now)


def _ports(server: Server) -> list[Port]:
    return list(ports_of(server.pk).select_related("network"))


def _changed(port: Port, now: datetime) -> None:
    groups = set(port.security_groups.values_list("pk", flat=True))
    note_members(groups, now=now)
    Port.objects.filter(pk=port.pk).update(revision=F("revision") + 1, updated_at=now)


def _rewire(server: Server, actor: Actor, now: datetime) -> None:
    Server.objects.change(server.pk, updated_at=now)
    # Without a host the next build there does it.
    if server.hypervisor_id is not None:
        enqueue(REWIRE, subject=server.pk, params={}, request_id=actor.request_id, now=now)
