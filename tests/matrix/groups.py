"""Changed security groups on their way to the filters of ports, as cases of the matrix."""

from __future__ import annotations

from django.utils import timezone

from networks.groups import default_group
from networks.models import GroupChange, Port
from networks.packet_rules import port_filter
from networks.spread import mark_changed, note_rules, wake_hosts
from operations.models import Operation, OperationState
from servers.models import Server
from tests.authorisation import OWN_PROJECT
from tests.matrix.world import World


def begin_spread(world: World) -> Operation:
    """A rule more for a server that runs."""
    if not Server.objects.filter(deleted_at=None).exists():
        world.make_active()
        world.settle()
    group = default_group(OWN_PROJECT, now=timezone.now())
    number = 1 + group.rules.count()
    # A row alone, which counts against no quota.
    group.rules.create(
        direction="ingress",
        ethertype="IPv4",
        protocol="tcp",
        port_range_min=number,
        port_range_max=number,
    )
    note_rules([group.pk], now=timezone.now())
    return Operation.objects.get(kind="network.spread_changes", state=OperationState.PENDING)


def begin_apply(world: World) -> Operation:
    spread = begin_spread(world)
    Operation.objects.filter(pk=spread.pk).delete()
    while mark_changed():
        continue
    wake_hosts(now=timezone.now())
    return Operation.objects.get(kind="network.apply_filters", state=OperationState.PENDING)


def filters_follow(world: World, operation: Operation) -> None:
    """The host's filter is what the rules say, and nobody has anything left to do."""
    assert operation.state == OperationState.DONE, operation.error
    world.settle()
    assert not GroupChange.objects.exists()
    port = Port.objects.get()
    assert (port.filter_wanted, port.host) == (port.filter_applied, "host1")
    with world.hosts.opened():
        assert world.hosts["host1"].filters[str(port.pk)] == port_filter(port)
