"""A guest on its way between two hosts: watched, ended, hastened, switched."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import TYPE_CHECKING

from cloudportal.errors import CloudError
from hypervisors.connections import connected, translated
from hypervisors.errors import HostUnreachable, NotOnHost
from hypervisors.host import Host
from hypervisors.libvirt.migrate import MoveProgress

if TYPE_CHECKING:
    from hypervisors.move import Move

logger = logging.getLogger(__name__)

PROGRESS_EVERY_S = 1.0
# A switched guest's stream that brings nothing for so long is dead at one end.
DEAD_S = 10.0
_POLL_S = 0.2


def carry_out(
    move: Move,
    watch: Callable[[MoveProgress | None], None],
    work: Callable[[Host, Host], None],
) -> None:
    """Run the work between the two hosts in a thread, and watch it from here."""
    with connected(move.source) as here, connected(move.destination) as there:

        def migrate() -> None:
            with translated(move.source):
                work(here, there)

        with ThreadPoolExecutor(1, thread_name_prefix="migration") as beside:
            moving, stream = beside.submit(migrate), Stream(move)
            try:
                while not wait([moving], timeout=PROGRESS_EVERY_S).done:
                    stream.look(watch)
            finally:
                _end(move, moving, stream)
        moving.result()


def _end(move: Move, moving: Future[None], stream: Stream) -> None:
    """Abort again and again: what has not yet begun to send does not hear it."""
    while not moving.done():
        # A host that has fallen silent ends it by itself.
        with suppress(CloudError):
            abort_move(move)
            stream.look(lambda progress: None)
        wait([moving], timeout=_POLL_S)


class Stream:
    """What is sent of a guest's memory, looked at again and again.

    After the switch libvirt waits at the destination for an end of the stream that QEMU there may
    never notice: its own end of one that is dead at the source.
    """

    def __init__(self, move: Move) -> None:
        self._move = move
        self._is_switched = False
        self._seen: MoveProgress | None = None
        self._since = time.monotonic()

    def look(self, watch: Callable[[MoveProgress | None], None]) -> None:
        """See how far it is, and tell; a switched guest's hosts may be away for a while."""
        try:
            progress = progress_of(self._move)
        except HostUnreachable:
            if not self._is_switched:
                raise
            return
        self._is_switched = self._is_switched or (progress is not None and progress.has_switched)
        if progress is None or progress != self._seen:
            self._seen, self._since = progress, time.monotonic()
        elif self._is_switched and time.monotonic() >= self._since + DEAD_S:
            self._since = time.monotonic()
            with suppress(CloudError):
                end_dead_stream(self._move)
        watch(progress)


def end_dead_stream(move: Move) -> None:
    """End the destination's half of a switched guest's stream, when the source's half is gone.

    One that only stands still goes on by itself when the hosts see each other again.
    """
    with connected(move.source) as here:
        if here.has_stream(move.server_id):
            return
    logger.warning("The stream of %s is gone at its source: it is mended.", move.server_id)
    with connected(move.destination) as there:
        there.end_dead_stream(move.server_id)


def progress_of(move: Move) -> MoveProgress | None:
    """How far the guest's migration is; None: none leaves the source."""
    try:
        with connected(move.source) as here:
            return here.migration_progress(move.server_id)
    except NotOnHost:
        return None


def abort_move(move: Move) -> None:
    """End the guest's migration, if one is under way."""
    with connected(move.source) as here:
        here.abort_migration(move.server_id)


def switch_move(move: Move) -> None:
    """Let the guest run at the destination now, and fetch what is missing from there."""
    with connected(move.source) as here:
        here.start_post_copy(move.server_id)


def hasten_move(move: Move) -> None:
    """Halt the guest until it has arrived, so that the migration comes to its end."""
    with connected(move.source) as here:
        here.hasten_migration(move.server_id)
