"""Floating IPs on their way to hosts, as cases of the matrix."""

from __future__ import annotations

from django.utils import timezone

from networks.floating_places import compare, wake_hosts, wake_places
from networks.models import FloatingIP, FloatingPlace, Network, Port, Subnet
from operations.models import UNFINISHED, Operation
from servers.models import Server
from tests.authorisation import OWN_PROJECT
from tests.matrix.world import World

_ADDRESS = "203.0.113.7"


def _floating_ip() -> FloatingIP:
    """A row alone, which counts against no quota."""
    network, is_new = Network.objects.get_or_create(
        name="public", defaults={"project_id": "of-admins", "is_external": True}
    )
    if is_new:
        Subnet.objects.create(
            network=network, project_id="of-admins", cidr="203.0.113.0/24", gateway_ip="203.0.113.1"
        )
    found, _ = FloatingIP.objects.get_or_create(
        address=_ADDRESS,
        defaults={
            "network": network,
            "subnet": network.subnets.get(),
            "project_id": OWN_PROJECT,
        },
    )
    return found


def _lead(world: World) -> None:
    """Lead it to a server that runs, which did not have it before."""
    if not Server.objects.filter(deleted_at=None).exists():
        world.make_active()
    row = _floating_ip()
    FloatingIP.objects.update(port=None, fixed_address=None)
    wake_places(now=timezone.now())
    world.settle()
    port = Port.objects.get()
    FloatingIP.objects.filter(pk=row.pk).update(
        port=port, fixed_address=port.fixed_ips.get().address
    )


def begin_place(world: World) -> Operation:
    _lead(world)
    wake_places(now=timezone.now())
    return Operation.objects.get(kind="network.place_floating_ips", state__in=UNFINISHED)


def begin_apply(world: World) -> Operation:
    _lead(world)
    compare(timezone.now())
    wake_hosts(now=timezone.now())
    return Operation.objects.get(kind="network.apply_floating_ips", state__in=UNFINISHED)


def it_is_there(world: World, operation: Operation) -> None:
    """The server's host answers for it, and nobody has anything left to do."""
    world.settle()
    operation.refresh_from_db()
    assert operation.state == "done", operation.error
    place = FloatingPlace.objects.get()
    assert (place.host, place.address, place.is_leaving) == ("host1", _ADDRESS, False)
    assert place.applied == place.wanted
    with world.hosts.opened():
        assert set(world.hosts["host1"].floating) == {_ADDRESS} == world.hosts["host1"].outside
