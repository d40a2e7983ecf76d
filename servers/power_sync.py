"""Bring the servers' power states in line with what their hosts say.

A host that does not answer makes its servers' power state unknown, never off. A server with a task
under way is left to its operation, and so is one that changed after its host was asked.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.conf import settings

from hypervisors.look import HostLook, look_at_all
from servers.models import Server, ServerQuerySet
from servers.states import PowerState, VmState

logger = logging.getLogger(__name__)

SYNC_EVERY_S: float = settings.HEARTBEAT_S
POWER = {
    "running": PowerState.RUNNING,
    "paused": PowerState.PAUSED,
    "shutdown": PowerState.SHUTDOWN,
    "crashed": PowerState.CRASHED,
    "suspended": PowerState.SUSPENDED,
    "nostate": PowerState.NOSTATE,
}
# A guest that stopped, or was started, by itself: the state follows it.
FOLLOWS = {
    (VmState.ACTIVE, PowerState.SHUTDOWN): VmState.STOPPED,
    (VmState.ACTIVE, PowerState.CRASHED): VmState.STOPPED,
    (VmState.STOPPED, PowerState.RUNNING): VmState.ACTIVE,
}


def sync_power_states(now: datetime) -> None:
    """Look at all hosts and note what became of their servers."""
    for look in look_at_all(now):
        note_power_states(look)


def note_power_states(look: HostLook) -> int:
    """Write down what one look at a host says of its servers; returns how many changed."""
    settled = Server.objects.filter(
        hypervisor=look.hypervisor, task_state=None, deleted_at=None, updated_at__lt=look.seen_at
    )
    if not look.is_up:
        return settled.exclude(power_state=PowerState.NOSTATE).update(
            power_state=PowerState.NOSTATE
        )
    states = {guest.uuid: POWER[guest.power_state] for guest in look.guests}
    changed = 0
    for server in settled.only("vm_state", "power_state"):
        # A guest that is gone altogether has no power state either.
        power = states.get(server.pk, PowerState.NOSTATE)
        if power != server.power_state:
            changed += _note(settled, server, power, look)
    return changed


def _note(settled: ServerQuerySet, server: Server, power: PowerState, look: HostLook) -> int:
    fields: dict[str, object] = {"power_state": power}
    following = FOLLOWS.get((VmState(server.vm_state), power))
    if following is not None:
        fields.update(vm_state=following, updated_at=look.seen_at)
        logger.info("Server %s is %s: its guest is %s.", server.pk, following, power.label)
    return settled.filter(pk=server.pk, vm_state=server.vm_state).update(**fields)
