"""Which action is legal in which state of a server: the one declaration of it.

The checks before an action, the condition under which its task begins, the page of the docs and
the test of all combinations come from `LEGAL`. Source: the compute API's states, section 3.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from django.db.models import Q

from servers.states import TaskState, VmState

ANYTHING = frozenset(VmState) - {VmState.DELETED}
NO_TASK: frozenset[TaskState] = frozenset()
ANY_TASK = frozenset(TaskState)


class Subject(Protocol):
    """What the rules look at."""

    vm_state: str
    task_state: str | None
    launched_at: datetime | None


@dataclass(frozen=True)
class Rule:
    """When an action is legal, who may ask for it, and the task that it begins.

    `action` is its name in the wire's errors, and in the server's history unless `recorded_as` is
    another. `tasks`: which may be under way; none at all is
    always fine. `heeds_lock`: a lock stands in its way, for all but administrators.
    `for_adopted`: it needs nothing of what an adopted guest does not have from here, its disks and
    its cards.
    """

    action: str
    policy: str
    states: frozenset[VmState] = ANYTHING
    tasks: frozenset[TaskState] = NO_TASK
    needs_launch: bool = True
    heeds_lock: bool = True
    begins: TaskState | None = None
    recorded_as: str = ""
    for_adopted: bool = False

    @property
    def record(self) -> str:
        """The name in the server's history."""
        return self.recorded_as or self.action

    def obstacle(self, server: Subject) -> tuple[str, str] | None:
        """The attribute that stands in the way and its value, vm_state first; None: nothing."""
        if server.vm_state not in self.states:
            return "vm_state", server.vm_state
        if server.task_state is not None and server.task_state not in self.tasks:
            return "task_state", server.task_state
        if self.needs_launch and server.launched_at is None:
            return "launched_at", "None"
        return None

    def condition(self) -> Q:
        """The same as a condition on the rows of servers, the lock apart."""
        found = Q(vm_state__in=self.states)
        if self.tasks != ANY_TASK:
            found &= Q(task_state=None) | Q(task_state__in=self.tasks)
        return found & Q(launched_at__isnull=False) if self.needs_launch else found


def _of(
    action: str,
    policy: str,
    states: Collection[VmState],
    begins: TaskState | None = None,
    *,
    tasks: frozenset[TaskState] = NO_TASK,
    heeds_lock: bool = True,
) -> Rule:
    """A rule of the common form: in these states, once launched."""
    return Rule(
        action,
        f"os_compute_api:{policy}",
        frozenset(states),
        tasks,
        heeds_lock=heeds_lock,
        begins=begins,
    )


def _whenever(action: str, policy: str, *, heeds_lock: bool = False) -> Rule:
    """A rule for what may happen in any state, launched or not, whatever is being done."""
    rule = f"os_compute_api:{policy}"
    return Rule(action, rule, tasks=ANY_TASK, needs_launch=False, heeds_lock=heeds_lock)


_RUNS = (VmState.ACTIVE,)
_RUNS_OR_OFF = (VmState.ACTIVE, VmState.STOPPED)
_OR_ERROR = (*_RUNS_OR_OFF, VmState.ERROR)
_PRESENT = (*_RUNS_OR_OFF, VmState.PAUSED)
_AT_REST = (*_PRESENT, VmState.SUSPENDED)
_AWAY = (VmState.SHELVED, VmState.SHELVED_OFFLOADED)
_WITH_VOLUMES = (*_PRESENT, VmState.RESIZED, VmState.SOFT_DELETED, *_AWAY)
# A hard reboot is the way out of these, should they hang.
_INTERRUPTIBLE = frozenset(
    {
        TaskState.REBOOTING,
        TaskState.REBOOT_PENDING,
        TaskState.REBOOT_STARTED,
        TaskState.REBOOTING_HARD,
        TaskState.RESUMING,
        TaskState.UNPAUSING,
        TaskState.PAUSING,
        TaskState.SUSPENDING,
    }
)

_LEGAL: dict[str, Rule] = {
    "start": _of("start", "servers:start", {VmState.STOPPED}, TaskState.POWERING_ON),
    "stop": _of("stop", "servers:stop", {VmState.ACTIVE, VmState.ERROR}, TaskState.POWERING_OFF),
    "reboot": _of("reboot", "servers:reboot", _RUNS, TaskState.REBOOTING),
    "hard reboot": _of(
        *("reboot", "servers:reboot", {*_AT_REST, VmState.ERROR}, TaskState.REBOOTING_HARD),
        tasks=_INTERRUPTIBLE,
    ),
    "pause": _of("pause", "os-pause-server:pause", _RUNS, TaskState.PAUSING),
    "unpause": _of("unpause", "os-pause-server:unpause", {VmState.PAUSED}, TaskState.UNPAUSING),
    "suspend": _of("suspend", "os-suspend-server:suspend", _RUNS, TaskState.SUSPENDING),
    "resume": _of("resume", "os-suspend-server:resume", {VmState.SUSPENDED}, TaskState.RESUMING),
    "rescue": _of("rescue", "os-rescue", _OR_ERROR, TaskState.RESCUING),
    "unrescue": _of("unrescue", "os-unrescue", {VmState.RESCUED}, TaskState.UNRESCUING),
    "resize": _of("resize", "servers:resize", _RUNS_OR_OFF, TaskState.RESIZE_PREP),
    "migrate": _of("migrate", "os-migrate-server:migrate", _RUNS_OR_OFF, TaskState.RESIZE_PREP),
    "confirmResize": _of("confirmResize", "servers:confirm_resize", {VmState.RESIZED}),
    "revertResize": _of(
        *("revertResize", "servers:revert_resize", {VmState.RESIZED}, TaskState.RESIZE_REVERTING)
    ),
    "rebuild": _of("rebuild", "servers:rebuild", _OR_ERROR, TaskState.REBUILDING),
    "createImage": _of(
        *("createImage", "servers:create_image", _AT_REST, TaskState.IMAGE_SNAPSHOT_PENDING),
        heeds_lock=False,
    ),
    "createBackup": _of(
        "createBackup", "os-create-backup", _AT_REST, TaskState.IMAGE_BACKUP, heeds_lock=False
    ),
    "changePassword": _of(
        "changePassword", "os-admin-password", _RUNS, TaskState.UPDATING_PASSWORD
    ),
    "shelve": _of("shelve", "os-shelve:shelve", _AT_REST, TaskState.SHELVING),
    "shelveOffload": _of(
        *("shelveOffload", "os-shelve:shelve_offload", {VmState.SHELVED}),
        TaskState.SHELVING_OFFLOADING,
    ),
    "unshelve": _of("unshelve", "os-shelve:unshelve", _AWAY, TaskState.UNSHELVING),
    "restore": _of(
        "restore", "os-deferred-delete:restore", {VmState.SOFT_DELETED}, TaskState.RESTORING
    ),
    "delete": Rule(
        "delete",
        "os_compute_api:servers:delete",
        tasks=ANY_TASK,
        needs_launch=False,
        begins=TaskState.DELETING,
    ),
    "forceDelete": Rule(
        "delete",
        "os_compute_api:os-deferred-delete:force",
        tasks=ANY_TASK,
        needs_launch=False,
        begins=TaskState.DELETING,
    ),
    "trigger_crash_dump": _of(
        "trigger_crash_dump",
        "servers:trigger_crash_dump",
        {VmState.ACTIVE, VmState.PAUSED, VmState.RESCUED, VmState.RESIZED, VmState.ERROR},
    ),
    "os-migrateLive": Rule(
        "os-migrateLive",
        "os_compute_api:os-migrate-server:migrate_live",
        frozenset({VmState.ACTIVE, VmState.PAUSED}),
        begins=TaskState.MIGRATING,
        recorded_as="live-migration",
    ),
    "evacuate": _of(
        *("evacuate", "os-evacuate", _OR_ERROR, TaskState.REBUILDING),
        tasks=ANY_TASK,
        heeds_lock=False,
    ),
    "release": Rule(
        "release",
        "cloudportal:servers:release",
        ANYTHING,
        needs_launch=False,
        begins=TaskState.DELETING,
    ),
    "lock": _whenever("lock", "os-lock-server:lock"),
    "unlock": _whenever("unlock", "os-lock-server:unlock"),
    "resetState": _whenever("resetState", "os-admin-actions:reset_state"),
    "injectNetworkInfo": _whenever(
        "injectNetworkInfo", "os-admin-actions:inject_network_info", heeds_lock=True
    ),
    # Of the shelved ones from 2.20 on: the API sees to that.
    "attach_volume": _of("attach_volume", "os-volumes-attachments:create", _WITH_VOLUMES),
    "detach_volume": _of("detach_volume", "os-volumes-attachments:delete", _WITH_VOLUMES),
    "swap_volume": _of(
        "swap_volume",
        "os-volumes-attachments:swap",
        {VmState.ACTIVE, VmState.PAUSED, VmState.RESIZED},
    ),
    "attach_interface": _of("attach_interface", "os-attach-interfaces:create", _PRESENT),
    "detach_interface": _of("detach_interface", "os-attach-interfaces:delete", _PRESENT),
    "addFixedIp": _whenever("addFixedIp", "os-multinic:add", heeds_lock=True),
    "removeFixedIp": _whenever("removeFixedIp", "os-multinic:remove", heeds_lock=True),
    "addFloatingIp": _whenever("addFloatingIp", "os-floating-ips:add"),
    "removeFloatingIp": _whenever("removeFloatingIp", "os-floating-ips:remove"),
    "addSecurityGroup": _whenever("addSecurityGroup", "os-security-groups:add"),
    "removeSecurityGroup": _whenever("removeSecurityGroup", "os-security-groups:remove"),
    "update metadata": _of("update metadata", "server-metadata:update", _AT_REST, tasks=ANY_TASK),
    "delete metadata": _of("delete metadata", "server-metadata:delete", _AT_REST, tasks=ANY_TASK),
    "update tag(s)": _of(
        *("update tag(s)", "os-server-tags:update", _AT_REST), tasks=ANY_TASK, heeds_lock=False
    ),
    "delete tag(s)": _of(
        *("delete tag(s)", "os-server-tags:delete", _AT_REST), tasks=ANY_TASK, heeds_lock=False
    ),
    "update": _whenever("update", "servers:update"),
    "console": Rule(
        "get_vnc_console",
        "os_compute_api:os-remote-consoles",
        ANYTHING - {VmState.SHELVED_OFFLOADED},
        ANY_TASK - {TaskState.DELETING, TaskState.MIGRATING},
        needs_launch=False,
        heeds_lock=False,
    ),
    "console output": Rule(
        "get_console_output",
        "os_compute_api:os-console-output",
        ANYTHING - {VmState.SHELVED_OFFLOADED},
        ANY_TASK,
        needs_launch=False,
        heeds_lock=False,
    ),
}

_FOR_ADOPTED = frozenset(
    {
        *("start", "stop", "reboot", "hard reboot", "pause", "unpause", "suspend", "resume"),
        *("trigger_crash_dump", "release", "lock", "unlock", "resetState"),
        *("update metadata", "delete metadata", "update tag(s)", "delete tag(s)", "update"),
        "console",
    }
)
LEGAL = {name: replace(rule, for_adopted=name in _FOR_ADOPTED) for name, rule in _LEGAL.items()}
