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
from servers.options import has_bound_disks
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
_ADOPTED = (
    "Its guest was adopted: its disks are not the portal's to move. Move it by hand, or release it."
)
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
_STAYS_OFF = "It is off, and the plan leaves servers that are off."
_IS_BOUND = "Its disks are logical volumes of this host, and stay: shelve it."
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
    server: Server,
    host: Hypervisor,
    *,
    moves_stopped: bool,
    volumes: Collection[UUID] = (),
    blocks: Collection[str] = (),
) -> Outlook:
    """How the server can leave the host, by its state, its volumes and its disks.

    `blocks` are the host's pools whose volumes are block devices.
    """
    way = _way(server, moves_stopped=moves_stopped)
    if server.task_state is not None:
        return Outlook(way, obstacle=f"Another task is under way ({server.task_state}).")
    if server.hypervisor_id != host.pk:
        return Outlook(Way.NONE, obstacle=_left_something(server))
    obstacle = _obstacle(server, way, volumes, blocks)
    return Outlook(Way.NONE, ItemState.BLOCKED, obstacle) if obstacle else Outlook(way)


def _obstacle(server: Server, way: Way, volumes: Collection[UUID], blocks: Collection[str]) -> str:
    """Why it stays until somebody does something about it; "": it can go."""
    if server.adopted_name:
        return _ADOPTED
    if server.vm_state in _STAYS:
        return _STAYS[VmState(server.vm_state)]
    if volumes:
        names = ", ".join(sorted(str(each) for each in volumes))
        return f"It has volumes, which lie on this host: detach them first ({names})."
    if has_bound_disks(server, blocks):
        return _IS_BOUND
    for bound, asked, words in _BOUND:
        if way == bound and server.request_spec.get(asked):
            return words
    return _STAYS_OFF if way == Way.NONE else ""


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
