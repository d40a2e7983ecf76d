"""Where a guest is that was on its way to another host when that broke off; it is there alone.

A guest that came to the destination is kept there from the moment on at which it may run there, and
until then the one on the source can go on. A guest that was switched (see `libvirt.post_copy`) is
neither here nor there until the last of its memory has arrived: nothing is started or taken away on
either host, and its stream is mended.
"""

from __future__ import annotations

import enum
import logging
import time
from collections.abc import Callable

from hypervisors.connections import connected
from hypervisors.errors import HostBusy, HostUnreachable
from hypervisors.guests import guest_info, reboot_guest, remove_guest
from hypervisors.libvirt.migrate import MoveProgress
from hypervisors.libvirt.post_copy import has_left, is_arriving, was_handed_over
from hypervisors.libvirt.spec import GuestInfo
from hypervisors.models import Hypervisor
from hypervisors.move import Move, resume_move
from hypervisors.under_way import abort_move, end_dead_stream, progress_of

__all__ = ["Side", "finish_switched", "settle"]

logger = logging.getLogger(__name__)

ABORT_S = 20.0
# For so long both hosts must say that the rest of a guest's memory is gone before that is believed.
LOST_S = 10.0
# A stream that brings nothing for so long, with both hosts there, is dead at one end.
STILL_S = 5.0
_POLL_S = 0.2


class Side(enum.Enum):
    """Where a guest belongs."""

    SOURCE = "source"
    DESTINATION = "destination"
    # It runs at the destination, and the rest of its memory is on the source.
    BETWEEN = "between"


def settle(move: Move) -> Side:
    """See where the guest is, and let it be on that host alone, unless it is between both.

    A guest that a broken-off migration left halted on the source runs on there. One that ran at the
    destination when the rest of its memory was lost with the source starts anew there.

    Raises:
        HostUnreachable: a host that has to be asked does not answer.
        HostBusy: the guest is just being handed over; ask again.
    """
    try:
        here = guest_info(move.source, move.server_id)
    except HostUnreachable:
        # It cannot be both: a guest that runs whole at the destination was handed over.
        there = guest_info(move.destination, move.server_id)
        if there is not None and not is_arriving(there) and _has_arrived(move, None, there):
            return Side.DESTINATION
        raise
    if here is not None and has_left(here):
        return _settle_left(move)
    if here is not None and here.power_state == "running":
        _end_migration(move)
    else:
        there = guest_info(move.destination, move.server_id)
        if there is not None and is_arriving(there):
            return _settle_arriving(move)
        if _has_arrived(move, here, there):
            return Side.DESTINATION
    # What is there can never run any more: its other half is here, and nothing is sent.
    remove_guest(move.destination, move.server_id)
    if here is not None and here.power_state == "paused" and not move.is_paused:
        with connected(move.source) as source:
            source.unpause_guest(move.server_id)
    return Side.SOURCE


def finish_switched(move: Move, watch: Callable[[MoveProgress | None], None]) -> None:
    """Bring a guest that is between both hosts to its destination, and come back when it is there.

    Raises:
        HostBusy: its memory is being sent without us; ask again where it is.
        HostUnreachable: a host does not answer; nothing is lost by that.
        CloudError: the hosts do not reach each other.
    """
    try:
        resume_move(move, watch)
    except HostBusy:
        if _stands_still(move):
            end_dead_stream(move)
        raise


def _stands_still(move: Move) -> bool:
    before = progress_of(move)
    time.sleep(STILL_S)
    after = progress_of(move)
    return before is not None and after == before


def _settle_left(move: Move) -> Side:
    """The source has but memory to send; to whom, unless the guest went off meanwhile.

    It never runs on the source again: its disks, and what others know of it, have gone on.
    """
    ends_at = time.monotonic() + LOST_S
    while time.monotonic() < ends_at:
        here, there = _look(move.source, move), _look(move.destination, move)
        if here is None or not has_left(here):
            raise HostBusy("The guest's last memory has just arrived.")
        if there is None or not there.is_persistent or there.power_state != "shutdown":
            return Side.BETWEEN
        time.sleep(_POLL_S)
    logger.error("%s went off on %s on its way there.", move.server_id, move.destination.name)
    return Side.DESTINATION


def _settle_arriving(move: Move) -> Side:
    """The guest runs there with memory missing, and no half of it waits on the source.

    Either its last pages have just arrived, or they are lost, with the source's power or QEMU; its
    disks are whole there, for they were handed over before the switch.
    """
    ends_at = time.monotonic() + LOST_S
    while time.monotonic() < ends_at:
        here, there = _look(move.source, move), _look(move.destination, move)
        if there is None or not is_arriving(there):
            return Side.DESTINATION
        if here is not None and was_handed_over(here):
            raise HostBusy("The guest's last memory has just arrived.")
        if here is not None and here.power_state != "shutdown":
            raise HostBusy("The guest is just being handed over.")
        time.sleep(_POLL_S)
    logger.error(
        "The rest of the memory of %s is lost with %s: it starts anew on %s.",
        move.server_id,
        move.source.name,
        move.destination.name,
    )
    reboot_guest(move.destination, move.server_id, hard=True)
    return Side.DESTINATION


def _look(host: Hypervisor, move: Move) -> GuestInfo | None:
    return guest_info(host, move.server_id)


def _end_migration(move: Move) -> None:
    """End what an earlier try left under way; the guest stays on the source, and is seen to."""
    ends_at = time.monotonic() + ABORT_S
    abort_move(move)
    while progress_of(move) is not None:
        if time.monotonic() >= ends_at:
            raise HostBusy("The guest's migration is still being ended.")
        time.sleep(_POLL_S)
    found = guest_info(move.source, move.server_id)
    if found is None or found.power_state != "running":
        raise HostBusy("The guest is just being handed over.")


def _has_arrived(move: Move, here: GuestInfo | None, there: GuestInfo | None) -> bool:
    """Whether the guest belongs to the destination, when it does not run on the source.

    libvirt keeps the definition there before it lets the guest run, so without one it never ran.
    """
    if there is None or not there.is_persistent:
        return False
    if there.power_state == "running" or (there.power_state == "paused" and move.is_paused):
        return True
    if there.power_state == "paused":
        raise HostBusy("The guest is just being handed over.")
    # It went off after its arrival, unless its other half still waits to be handed over.
    return here is None or here.power_state != "paused"
