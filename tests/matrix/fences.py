"""Hosts that are fenced, in the matrix."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from hypervisors.fence_command import Fencing, set_fencing
from hypervisors.models import HostState, Hypervisor
from operations.models import Operation, OperationState
from servers.high_availability import see_to_hosts
from servers.models import Server
from servers.states import VmState
from tests.matrix.world import World


def begin(world: World) -> Operation:
    """A host that is down, with a server that is to run whatever becomes of it."""
    rows = Hypervisor.objects.filter(name="host1")
    rows.update(is_forced_down=False, fenced_at=None, fence_note="", state=HostState.UP)
    server = world.make_active()
    Server.objects.filter(pk=server.pk).update(options={"enable_ha": True})
    set_fencing(rows.get(), Fencing(("/bin/true",)))
    now = timezone.now()
    rows.update(state=HostState.DOWN, state_since=now - timedelta(hours=1), looked_at=now)
    see_to_hosts(now)
    return Operation.objects.get(subject=rows.get().uuid, state=OperationState.PENDING)


def host_is_fenced(world: World, operation: Operation) -> None:
    """It is held for dead, and its server is as it was: what follows is an operation of its own."""
    assert operation.state == OperationState.DONE, operation.error
    assert operation.outputs["fence"]["outcome"] in {"Fenced.", "The host is fenced."}
    host = Hypervisor.objects.get(name="host1")
    assert host.is_forced_down
    assert host.fenced_at is not None
    server = Server.objects.get(deleted_at=None)
    assert (server.hypervisor, server.vm_state, server.task_state) == (host, VmState.ACTIVE, None)
