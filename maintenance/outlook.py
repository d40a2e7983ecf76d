"""Whether a server can leave its host as it is now, how, and what is in the way.

Only what its row and its volumes say is looked at; where it could go the scheduler says.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from hypervisors.models import Hypervisor
from maintenance.states import ItemState, Way
from servers.models import Server
from servers.states import VmState
from volumes.models import Attachment

_STAYS = {
    VmState.SUSPENDED: "It is suspended, with its memory on this host: resume or shelve it.",
    VmState.RESCUED: "It is in rescue: unrescue it.",
    VmState.RESIZED: (
        "Its resize waits to be confirmed or reverted, and until then both hosts hold a part of it."
    ),
    VmState.ERROR: "It is in ERROR: mend it (a hard reboot, a rebuild) or delete it.",
    VmState.SHELVED: "It is shelved, and leaves when it is offloaded.",
    VmState.SOFT_DELETED: "It is deleted softly: restore it, or delete it for good.",
}
_HAS_NODES = (
    "It has NUMA nodes, and would keep this host's processors and memory while it runs: stop it, "
    "and it is moved while it is off."
)
_HAS_DEVICES = (
    "It has PCI devices of this host, which cannot go along while it runs: stop it, and it is "
    "moved while it is off."
)
_HAS_TPM = (
    "It has a TPM, whose content is on this host and goes along with a live migration only: start "
    "it, and it is moved while it runs."
)
# What a server asked for that keeps it from going by a way.
_BOUND = (
    (Way.LIVE, "numa", _HAS_NODES),
    (Way.LIVE, "pci", _HAS_DEVICES),
    (Way.COLD, "tpm", _HAS_TPM),
)


@dataclass(frozen=True)
class Outlook:
    """The way of a server, and what keeps it from going: `state` is then waiting or blocked."""

    way: Way
    state: ItemState = ItemState.WAITING
    obstacle: str = ""


def outlook_of(
    server: Server, host: Hypervisor, *, moves_stopped: bool, volumes: Collection[UUID] = ()
) -> Outlook:
    """How the server can leave the host, by its state and its volumes."""
    way = _way(server, moves_stopped=moves_stopped)
    if server.task_state is not None:
        return Outlook(way, obstacle=f"Another task is under way ({server.task_state}).")
    if server.hypervisor_id != host.pk:
        return Outlook(Way.NONE, obstacle=_left_something(server))
    if server.vm_state in _STAYS:
        return Outlook(Way.NONE, ItemState.BLOCKED, _STAYS[VmState(server.vm_state)])
    if volumes:
        names = ", ".join(sorted(str(each) for each in volumes))
        return Outlook(
            Way.NONE,
            ItemState.BLOCKED,
            f"It has volumes, which lie on this host: detach them first ({names}).",
        )
    for bound, asked, words in _BOUND:
        if way == bound and server.request_spec.get(asked):
            return Outlook(Way.NONE, ItemState.BLOCKED, words)
    if way == Way.NONE:
        return Outlook(
            way, ItemState.BLOCKED, "It is off, and the plan leaves servers that are off."
        )
    return Outlook(way)


def volumes_of(servers: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """The volumes of each server that has some; in one query."""
    found: dict[UUID, list[UUID]] = {}
    rows = Attachment.objects.filter(server_id__in=servers, by_compute=True)
    for server_id, volume_id in rows.values_list("server_id", "volume_id"):
        if server_id is not None:
            found.setdefault(server_id, []).append(volume_id)
    return found


def lock_words(server: Server) -> str:
    """That it is locked, which does not keep administrators from moving it; "" when it is not."""
    if not server.locked_by:
        return ""
    why = f" ({server.locked_reason})" if server.locked_reason else ""
    return f" It is locked{why}, which a move by an administrator passes."


def _way(server: Server, *, moves_stopped: bool) -> Way:
    if server.vm_state in {VmState.ACTIVE, VmState.PAUSED}:
        return Way.LIVE
    if server.vm_state == VmState.STOPPED and moves_stopped:
        return Way.COLD
    return Way.NONE


def _left_something(server: Server) -> str:
    if server.vm_state == VmState.RESIZED:
        return _STAYS[VmState.RESIZED]
    return "It has left; what it had here is still to be taken off."
