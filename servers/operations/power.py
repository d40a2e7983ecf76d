"""Start, stop and reboot: what is done to the guest, and what the server's state becomes."""

from __future__ import annotations

from hypervisors import guests
from hypervisors.models import Hypervisor
from hypervisors.rescue import delete_rescue_disks
from operations.kinds import Context
from servers.models import Server
from servers.operations.definition import define_own
from servers.operations.guest_change import Change
from servers.states import PowerState, TaskState, VmState

# A guest has so long to stop by itself before it is switched off.
CLEAN_STOP_S = 60.0
RUNS = {"vm_state": VmState.ACTIVE, "power_state": PowerState.RUNNING}
_SOFT = (TaskState.REBOOTING, TaskState.REBOOT_PENDING, TaskState.REBOOT_STARTED)
_HARD = (
    TaskState.REBOOTING_HARD,
    TaskState.REBOOT_PENDING_HARD,
    TaskState.REBOOT_STARTED_HARD,
)


def _start(server: Server, host: Hypervisor, context: Context) -> None:
    guests.start_guest(host, server.pk)


def _stop(server: Server, host: Hypervisor, context: Context) -> None:
    guests.stop_guest(host, server.pk, CLEAN_STOP_S)


def _reboot(server: Server, host: Hypervisor, context: Context) -> None:
    _note_start(server, _SOFT)
    guests.reboot_guest(host, server.pk, hard=False)


def _reboot_hard(server: Server, host: Hypervisor, context: Context) -> None:
    _note_start(server, _HARD)
    if server.vm_state == VmState.ERROR:
        delete_rescue_disks(host, server.pk)  # of a rescue that could not be undone
    if server.adopted_name:
        # Its definition is its own.
        guests.reboot_guest(host, server.pk, hard=True)
        return
    # From the record, so that what was changed by hand heals.
    define_own(server, host)
    guests.reboot_guest(host, server.pk, hard=True)


def _note_start(server: Server, tasks: tuple[TaskState, ...]) -> None:
    Server.objects.filter(pk=server.pk, task_state__in=tasks).update(task_state=tasks[-1])


START = Change(
    "server.start", "compute_start_instance", _start, (TaskState.POWERING_ON,), RUNS
).operation()
STOP = Change(
    "server.stop",
    "compute_stop_instance",
    _stop,
    (TaskState.POWERING_OFF,),
    {"vm_state": VmState.STOPPED, "power_state": PowerState.SHUTDOWN},
).operation()
REBOOT = Change("server.reboot", "compute_reboot_instance", _reboot, _SOFT, RUNS).operation()
REBOOT_HARD = Change(
    "server.reboot_hard", "compute_reboot_instance", _reboot_hard, _HARD, RUNS
).operation()
