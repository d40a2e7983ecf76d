"""Bring the servers' power states in line with what their hosts say.

A host that does not answer makes its servers' power state unknown, never off; what went down with
the host is started again when it is back. A server with a task under way is left to its operation,
and so is one that changed after its host was asked.
"""

from __future__ import annotations

import logging

from hypervisors.look import HostLook
from servers.models import Server, ServerQuerySet
from servers.start_again import start_again, went_down_with_host
from servers.states import PowerState, VmState

logger = logging.getLogger(__name__)

POWER = {
    "running": PowerState.RUNNING,
    "paused": PowerState.PAUSED,
    "shutdown": PowerState.SHUTDOWN,
    "crashed": PowerState.CRASHED,
    "suspended": PowerState.SUSPENDED,
    "nostate": PowerState.NOSTATE,
}
# A guest that stopped, or was started or resumed by hand: the state follows it. What a suspended
# server has in memory is on the disk of its host, so that it is off says nothing.
FOLLOWS = {
    (VmState.ACTIVE, PowerState.SHUTDOWN): VmState.STOPPED,
    (VmState.ACTIVE, PowerState.CRASHED): VmState.STOPPED,
    (VmState.STOPPED, PowerState.RUNNING): VmState.ACTIVE,
    (VmState.PAUSED, PowerState.RUNNING): VmState.ACTIVE,
    (VmState.PAUSED, PowerState.SHUTDOWN): VmState.STOPPED,
    (VmState.PAUSED, PowerState.CRASHED): VmState.STOPPED,
    (VmState.SUSPENDED, PowerState.RUNNING): VmState.ACTIVE,
}


def note_power_states(look: HostLook) -> int:
    """Write down what one look at a host says of its servers; returns how many changed."""
    settled = Server.objects.filter(
        hypervisor=look.hypervisor, task_state=None, deleted_at=None, updated_at__lt=look.seen_at
    )
    if not look.is_up:
        return settled.exclude(power_state=PowerState.NOSTATE).update(
            power_state=PowerState.NOSTATE
        )
    guests = {guest.uuid: guest for guest in look.guests}
    changed = 0
    lost = []
    for server in settled.only("vm_state", "power_state", "options"):
        guest = guests.get(server.pk)
        # A guest that is gone altogether has no power state either.
        power = PowerState.NOSTATE if guest is None else POWER[guest.power_state]
        if went_down_with_host(server, guest):
            lost.append(server)
        elif power != server.power_state:
            changed += _note(settled, server, power, look)
    for server in start_again(look.hypervisor, lost, look.seen_at):
        changed += _note(settled, server, PowerState.SHUTDOWN, look)
    return changed


def _note(settled: ServerQuerySet, server: Server, power: PowerState, look: HostLook) -> int:
    fields: dict[str, object] = {"power_state": power}
    following = FOLLOWS.get((VmState(server.vm_state), power))
    if following is not None:
        fields.update(vm_state=following, updated_at=look.seen_at)
        logger.info("Server %s is %s: its guest is %s.", server.pk, following, power.label)
    return settled.filter(pk=server.pk, vm_state=server.vm_state).update(**fields)
