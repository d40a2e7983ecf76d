"""The words for a server's state, and the status that the wire shows for them.

Source: the compute API's states; spellings (hyphens, underscores) are the wire's own.
"""

from django.db import models


class VmState(models.TextChoices):
    """What a server is when nothing is being done to it."""

    ACTIVE = "active"
    BUILDING = "building"
    STOPPED = "stopped"
    ERROR = "error"
    DELETED = "deleted"


class TaskState(models.TextChoices):
    """What is being done to a server at the moment; null when nothing is."""

    SCHEDULING = "scheduling"
    NETWORKING = "networking"
    BLOCK_DEVICE_MAPPING = "block_device_mapping"
    SPAWNING = "spawning"
    POWERING_OFF = "powering-off"
    POWERING_ON = "powering-on"
    REBOOTING = "rebooting"
    REBOOT_PENDING = "reboot_pending"
    REBOOT_STARTED = "reboot_started"
    REBOOTING_HARD = "rebooting_hard"
    REBOOT_PENDING_HARD = "reboot_pending_hard"
    REBOOT_STARTED_HARD = "reboot_started_hard"
    DELETING = "deleting"


class PowerState(models.IntegerChoices):
    """What libvirt says of the guest."""

    NOSTATE = 0
    RUNNING = 1
    PAUSED = 3
    SHUTDOWN = 4
    CRASHED = 6
    SUSPENDED = 7


_SOFT_REBOOT = {TaskState.REBOOTING, TaskState.REBOOT_PENDING, TaskState.REBOOT_STARTED}
_HARD_REBOOT = {
    TaskState.REBOOTING_HARD,
    TaskState.REBOOT_PENDING_HARD,
    TaskState.REBOOT_STARTED_HARD,
}
_STATUS = {
    VmState.ACTIVE: "ACTIVE",
    VmState.BUILDING: "BUILD",
    VmState.STOPPED: "SHUTOFF",
    VmState.ERROR: "ERROR",
    VmState.DELETED: "DELETED",
}


def status_of(vm_state: str, task_state: str | None) -> str:
    """The one-word status of the wire, e.g. ACTIVE or HARD_REBOOT."""
    if vm_state == VmState.ACTIVE and task_state in _SOFT_REBOOT:
        return "REBOOT"
    if vm_state == VmState.ACTIVE and task_state in _HARD_REBOOT:
        return "HARD_REBOOT"
    try:
        return _STATUS[VmState(vm_state)]
    except ValueError:
        return "UNKNOWN"


def states_of(status: str) -> list[tuple[str, set[str] | None]] | None:
    """The (vm_state, task_states or None for any) pairs that show as a status, or None.

    A pair of ACTIVE and None still includes the rebooting task states: `status_of` decides.
    """
    status = status.upper()
    if status == "REBOOT":
        return [(VmState.ACTIVE.value, {state.value for state in _SOFT_REBOOT})]
    if status == "HARD_REBOOT":
        return [(VmState.ACTIVE.value, {state.value for state in _HARD_REBOOT})]
    found: list[tuple[str, set[str] | None]] = [
        (state.value, None) for state, shown in _STATUS.items() if shown == status
    ]
    return found or None
