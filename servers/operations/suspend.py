"""Suspend and resume: the guest's memory goes to its host's disk, and comes back from there."""

from __future__ import annotations

from hypervisors import guests
from hypervisors.models import Hypervisor
from operations.kinds import Context
from servers.models import Server
from servers.operations.guest_change import Change
from servers.operations.power import RUNS
from servers.states import PowerState, TaskState, VmState

# Tens of GiB of memory take their time, and the host may be slow.
SAVE_DEADLINE_S = 3600.0


def _suspend(server: Server, host: Hypervisor, context: Context) -> None:
    guests.suspend_guest(host, server.pk)


def _resume(server: Server, host: Hypervisor, context: Context) -> None:
    guests.resume_guest(host, server.pk)


def _run_on(server: Server, host: Hypervisor) -> None:
    """After a suspension that failed, as on a full disk, the guest goes on where it was."""
    guests.resume_guest(host, server.pk, may_boot=False)


SUSPEND = Change(
    "server.suspend",
    "compute_suspend_instance",
    _suspend,
    (TaskState.SUSPENDING,),
    {"vm_state": VmState.SUSPENDED, "power_state": PowerState.SHUTDOWN},
    undo=_run_on,
    undone=RUNS,
    may_be_lost=True,
    deadline_s=SAVE_DEADLINE_S,
).operation()
RESUME = Change(
    "server.resume",
    "compute_resume_instance",
    _resume,
    (TaskState.RESUMING,),
    RUNS,
    may_be_lost=True,
    deadline_s=SAVE_DEADLINE_S,
).operation()
