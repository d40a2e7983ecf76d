"""Pause and unpause: the guest is halted with its memory in place, and runs on."""

from __future__ import annotations

from hypervisors import guests
from hypervisors.models import Hypervisor
from operations.kinds import Context
from servers.models import Server
from servers.operations.guest_change import Change
from servers.operations.power import RUNS
from servers.states import PowerState, TaskState, VmState


def _pause(server: Server, host: Hypervisor, context: Context) -> None:
    guests.pause_guest(host, server.pk)


def _unpause(server: Server, host: Hypervisor, context: Context) -> None:
    guests.unpause_guest(host, server.pk)


PAUSE = Change(
    "server.pause",
    "compute_pause_instance",
    _pause,
    (TaskState.PAUSING,),
    {"vm_state": VmState.PAUSED, "power_state": PowerState.PAUSED},
).operation()
UNPAUSE = Change(
    "server.unpause", "compute_unpause_instance", _unpause, (TaskState.UNPAUSING,), RUNS
).operation()
