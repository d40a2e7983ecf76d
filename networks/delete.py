"""Deletes networks, subnets and ports."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid5

from django.db import transaction
from django.db.models import ProtectedError

from hypervisors.models import Hypervisor
from identity.actors import Actor
from networks.create import check_is_idle
from networks.errors import NetworkInUse, PortInUse, SubnetInUse
from networks.floating_places import let_go
from networks.lookup import require
from networks.models import FloatingIP, Network, Port, Subnet
from networks.server_ports import OWNER_PREFIX
from networks.spread import note_members
from operations.enqueue import enqueue
from quotas.consume import release

REMOVE_NETWORK = "network.remove"


def delete_network(*, network: Network, actor: Actor, now: datetime) -> None:
    """Delete a network without ports, and its subnets; hosts forget it a little later.

    Raises:
        PolicyNotAuthorized: the actor may not delete it.
        NetworkInUse: it has ports.
    """
    require(actor, "delete_network", network.project_id)
    network_id = network.pk
    with transaction.atomic():
        subjects = [network_id, *network.subnets.values_list("pk", flat=True)]
        try:
            network.delete()
        except ProtectedError:
            raise NetworkInUse(
                f"Unable to complete operation on network {network.pk}. There are one or more "
                "ports still in use on the network."
            ) from None
        for subject in subjects:
            release(subject=subject)
        for hypervisor_id in Hypervisor.objects.values_list("pk", flat=True):
            enqueue(
                REMOVE_NETWORK,
                subject=uuid5(network_id, f"hypervisor {hypervisor_id}"),
                params={"network": str(network_id), "hypervisor": hypervisor_id},
                request_id=actor.request_id,
                now=now,
            )


def delete_subnet(*, subnet: Subnet, actor: Actor) -> None:
    """Delete a subnet without addresses in use.

    Raises:
        PolicyNotAuthorized: the actor may not delete it.
        SubnetInUse: ports have its addresses.
        NetworkInUse: servers are on its network, with addresses of another one.
    """
    require(actor, "delete_subnet", subnet.project_id)
    subject = subnet.pk
    with transaction.atomic():
        if not subnet.fixed_ips.exists():
            check_is_idle(subnet.network)
        try:
            subnet.delete()
        except ProtectedError:
            raise SubnetInUse(
                f"Unable to complete operation on subnet {subject}: One or more ports have an IP "
                "allocation from this subnet."
            ) from None
        release(subject=subject)


def delete_port(*, port: Port, actor: Actor, now: datetime) -> None:
    """Delete a port that no server has.

    Raises:
        PolicyNotAuthorized: the actor may not delete it.
        PortInUse: a server has it.
    """
    require(actor, "delete_port", port.project_id)
    subject = port.pk
    with transaction.atomic():
        # Compared in the database: a server may be taking it right now.
        rows = Port.objects.select_for_update().filter(pk=subject, device_id="")
        if rows.first() is None and (held := Port.objects.filter(pk=subject).first()):
            reason = (
                "it belongs to a server."
                if held.device_owner.startswith(OWNER_PREFIX)
                else f"has device owner {held.device_owner}."
            )
            raise PortInUse(f"Port {subject} cannot be deleted directly via the port API: {reason}")
        groups = set(port.security_groups.values_list("pk", flat=True))
        let_go(FloatingIP.objects.filter(port=subject), now=now, request_id=actor.request_id)
        rows.delete()
        note_members(groups, now=now)
        release(subject=subject)
