"""The words for a server's state, and the status that the wire shows for them.

Source: the compute API's states; spellings (hyphens, underscores) are the wire's own.
"""

from collections.abc import Iterable

from django.db import models


class VmState(models.TextChoices):
    """What a server is when nothing is being done to it."""

    ACTIVE = "active"
    BUILDING = "building"
    STOPPED = "stopped"
    PAUSED = "paused"
    SUSPENDED = "suspended"
    RESCUED = "rescued"
    RESIZED = "resized"
    ERROR = "error"
    SOFT_DELETED = "soft-delete"
    SHELVED = "shelved"
    SHELVED_OFFLOADED = "shelved_offloaded"
    DELETED = "deleted"


class TaskState(models.TextChoices):
    """What is being done to a server at the moment; null when nothing is."""

    SCHEDULING = "scheduling"
    BLOCK_DEVICE_MAPPING = "block_device_mapping"
    NETWORKING = "networking"
    SPAWNING = "spawning"
    IMAGE_SNAPSHOT = "image_snapshot"
    IMAGE_SNAPSHOT_PENDING = "image_snapshot_pending"
    IMAGE_PENDING_UPLOAD = "image_pending_upload"
    IMAGE_UPLOADING = "image_uploading"
    IMAGE_BACKUP = "image_backup"
    UPDATING_PASSWORD = "updating_password"  # noqa: S105 - a state, no password
    RESIZE_PREP = "resize_prep"
    RESIZE_MIGRATING = "resize_migrating"
    RESIZE_MIGRATED = "resize_migrated"
    RESIZE_FINISH = "resize_finish"
    RESIZE_REVERTING = "resize_reverting"
    RESIZE_CONFIRMING = "resize_confirming"
    REBOOTING = "rebooting"
    REBOOT_PENDING = "reboot_pending"
    REBOOT_STARTED = "reboot_started"
    REBOOTING_HARD = "rebooting_hard"
    REBOOT_PENDING_HARD = "reboot_pending_hard"
    REBOOT_STARTED_HARD = "reboot_started_hard"
    PAUSING = "pausing"
    UNPAUSING = "unpausing"
    SUSPENDING = "suspending"
    RESUMING = "resuming"
    POWERING_OFF = "powering-off"
    POWERING_ON = "powering-on"
    RESCUING = "rescuing"
    UNRESCUING = "unrescuing"
    REBUILDING = "rebuilding"
    REBUILD_BLOCK_DEVICE_MAPPING = "rebuild_block_device_mapping"
    REBUILD_SPAWNING = "rebuild_spawning"
    MIGRATING = "migrating"
    DELETING = "deleting"
    SOFT_DELETING = "soft-deleting"
    RESTORING = "restoring"
    SHELVING = "shelving"
    SHELVING_IMAGE_PENDING_UPLOAD = "shelving_image_pending_upload"
    SHELVING_IMAGE_UPLOADING = "shelving_image_uploading"
    SHELVING_OFFLOADING = "shelving_offloading"
    UNSHELVING = "unshelving"


class PowerState(models.IntegerChoices):
    """What libvirt says of the guest."""

    NOSTATE = 0
    RUNNING = 1
    PAUSED = 3
    SHUTDOWN = 4
    CRASHED = 6
    SUSPENDED = 7


class ConsoleType(models.TextChoices):
    """The consoles there are, by the wire's names of their types."""

    NOVNC = "novnc"
    SERIAL = "serial"


class MigrationType(models.TextChoices):
    """Why a server goes from one host to another."""

    RESIZE = "resize"
    MIGRATION = "migration"
    LIVE = "live-migration"
    EVACUATION = "evacuation"


class MigrationStatus(models.TextChoices):
    """How far a server's move is; each type uses some of the words."""

    QUEUED = "queued"
    ACCEPTED = "accepted"
    PREPARING = "preparing"
    PRE_MIGRATING = "pre-migrating"
    MIGRATING = "migrating"
    POST_MIGRATING = "post-migrating"
    RUNNING = "running"
    FINISHED = "finished"
    CONFIRMING = "confirming"
    CONFIRMED = "confirmed"
    REVERTING = "reverting"
    REVERTED = "reverted"
    COMPLETED = "completed"
    DONE = "done"
    CANCELLED = "cancelled"
    ERROR = "error"
    FAILED = "failed"


def _shown(status: str, *tasks: TaskState) -> dict[TaskState, str]:
    return dict.fromkeys(tasks, status)


_REBUILDING = _shown(
    "REBUILD",
    TaskState.REBUILDING,
    TaskState.REBUILD_BLOCK_DEVICE_MAPPING,
    TaskState.REBUILD_SPAWNING,
)
_RESIZING = _shown(
    "RESIZE",
    TaskState.RESIZE_PREP,
    TaskState.RESIZE_MIGRATING,
    TaskState.RESIZE_MIGRATED,
    TaskState.RESIZE_FINISH,
)
_MIGRATING = _shown("MIGRATING", TaskState.MIGRATING)
# What a state shows as, and the tasks during which it shows as something else.
STATUS: dict[VmState, tuple[str, dict[TaskState, str]]] = {
    VmState.ACTIVE: (
        "ACTIVE",
        {
            **_shown(
                "REBOOT", TaskState.REBOOTING, TaskState.REBOOT_PENDING, TaskState.REBOOT_STARTED
            ),
            **_shown(
                "HARD_REBOOT",
                TaskState.REBOOTING_HARD,
                TaskState.REBOOT_PENDING_HARD,
                TaskState.REBOOT_STARTED_HARD,
            ),
            **_shown("PASSWORD", TaskState.UPDATING_PASSWORD),
            **_REBUILDING,
            **_MIGRATING,
            **_RESIZING,
        },
    ),
    VmState.BUILDING: ("BUILD", {}),
    VmState.STOPPED: ("SHUTOFF", {**_RESIZING, **_REBUILDING}),
    VmState.PAUSED: ("PAUSED", _MIGRATING),
    VmState.SUSPENDED: ("SUSPENDED", {}),
    VmState.RESCUED: ("RESCUE", {}),
    VmState.RESIZED: ("VERIFY_RESIZE", _shown("REVERT_RESIZE", TaskState.RESIZE_REVERTING)),
    VmState.ERROR: ("ERROR", _REBUILDING),
    VmState.SOFT_DELETED: ("SOFT_DELETED", {}),
    VmState.SHELVED: ("SHELVED", {}),
    VmState.SHELVED_OFFLOADED: ("SHELVED_OFFLOADED", {}),
    VmState.DELETED: ("DELETED", {}),
}


def status_of(vm_state: str, task_state: str | None) -> str:
    """The one-word status of the wire, e.g. ACTIVE or HARD_REBOOT."""
    found = STATUS.get(vm_state)  # type: ignore[call-overload]  # a choice is equal to its text
    if found is None:
        return "UNKNOWN"
    status, during = found
    return str(during.get(task_state, status))


def states_of(status: str) -> list[tuple[str, set[str] | None]] | None:
    """The (vm_state, task_states or None for any) pairs that show as a status, or None.

    A pair of ACTIVE and None still includes the rebooting task states: `status_of` decides.
    """
    status = status.upper()
    found: list[tuple[str, set[str] | None]] = []
    for state, (usual, during) in STATUS.items():
        if usual == status:
            found.append((state.value, None))
        elif tasks := _values(task for task, shown in during.items() if shown == status):
            found.append((state.value, tasks))
    return found or None


def _values(tasks: Iterable[TaskState]) -> set[str]:
    return {task.value for task in tasks}
