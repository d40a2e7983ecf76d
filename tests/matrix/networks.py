"""Networks of several hosts, brought to one host and taken off it, as a case of the matrix."""

from __future__ import annotations

import uuid

from django.utils import timezone

from hypervisors.models import Hypervisor
from networks.models import Network, NetworkPlace, PortPlace, Subnet
from networks.network_places import end_places
from networks.segments import ensure_network
from operations.models import UNFINISHED, Operation
from tests.matrix.world import World

_NAMES = ("joined", "parted")


def _network(name: str, segment: int) -> Network:
    """A row alone, which counts against no quota."""
    network, is_new = Network.objects.get_or_create(
        name=name, defaults={"project_id": "of-admins", "type": "vxlan", "segment": segment}
    )
    if is_new:
        Subnet.objects.create(
            network=network,
            project_id="of-admins",
            cidr=f"10.30.{segment}.0/24",
            gateway_ip=f"10.30.{segment}.1",
        )
    return network


def begin_apply(world: World) -> Operation:
    """Of two networks on the first host one is new, and the other has lost its last port."""
    first, second = Hypervisor.objects.order_by("name")
    Hypervisor.objects.update(host_ip="10.0.0.1")
    Hypervisor.objects.filter(pk=second.pk).update(host_ip="10.0.0.2")
    NetworkPlace.objects.all().delete()
    joined, parted = (_network(name, number) for number, name in enumerate(_NAMES, 1))
    for host in (first, second):
        PortPlace.objects.get_or_create(
            port_id=uuid.uuid5(joined.pk, host.name), network_id=joined.pk, hypervisor=host
        )
    NetworkPlace.objects.create(network_id=joined.pk, hypervisor=second, applied=1)
    NetworkPlace.objects.create(network_id=joined.pk, hypervisor=first)
    NetworkPlace.objects.create(network_id=parted.pk, hypervisor=first, applied=1)
    first.refresh_from_db()
    ensure_network(first, parted)
    end_places(now=timezone.now())
    return Operation.objects.get(kind="network.apply_networks", state__in=UNFINISHED)


def one_is_there(world: World, operation: Operation) -> None:
    """The host is joined to the other one, has nothing of the second, and nobody has to do more."""
    world.settle()
    operation.refresh_from_db()
    assert operation.state == "done", operation.error
    joined, parted = (Network.objects.get(name=name) for name in _NAMES)
    assert not NetworkPlace.objects.filter(network_id=parted.pk).exists()
    place = NetworkPlace.objects.get(network_id=joined.pk, hypervisor__name="host1")
    assert (place.is_leaving, place.applied) == (False, place.wanted)
    with world.hosts.opened():
        host = world.hosts["host1"]
        assert set(host.segments) == {joined.pk}
        assert host.floods[joined.pk] == {"10.0.0.2"}
