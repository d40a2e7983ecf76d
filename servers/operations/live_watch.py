"""Watch a guest on its way to another host: note how far it is, end it, hasten it, or switch it.

A guest that changes its memory faster than it is sent never arrives by itself. It is slowed down
until it does, or, where that is switched on, is let run at the destination after a time, with the
rest of its memory sent after it (post-copy). The switch is written down before it is made: from
then on the migration cannot be ended any more, and whoever comes later knows.
"""

from __future__ import annotations

import time

from django.conf import settings
from django.utils import timezone

from hypervisors import under_way
from hypervisors.move import Move, MoveProgress
from operations.kinds import Context
from servers import history
from servers.errors import MigrationAborted
from servers.live_migration import ABORT, EVENTS, FORCE_COMPLETE
from servers.models import Migration, Server
from servers.operations.departure import migration_of, note_migration
from servers.states import MigrationStatus

# For each GiB of memory and disk; a guest that changes them faster than they are sent gets no more.
LIMIT_S_PER_GIB = 800.0
# The memory is to be sent once as a whole before: what is missing after a switch, the guest waits
# for page by page.
ROUNDS_BEFORE_SWITCH = 2
ABORTED = "The live migration was aborted."
_GIB = 1024**3


class LiveWatch:
    """What is done while the guest is on its way."""

    def __init__(self, context: Context, wanted: Move) -> None:
        self._context = context
        self._move = wanted
        self._began_at = time.monotonic()
        self._memory_began_at: float | None = None
        self._is_forced = False

    def look(self, progress: MoveProgress | None) -> None:
        """Note how far it is, and do what is asked meanwhile."""
        self._context.checkpoint()
        if progress is not None and progress.has_switched:
            self._note(progress)
            return
        asked = migration_of(self._context).asked
        if asked == ABORT:
            raise MigrationAborted(ABORTED)
        if asked == FORCE_COMPLETE:
            self._force(progress)
        if progress is not None:
            self._note(progress)
            self._limit(progress)

    def _force(self, progress: MoveProgress | None) -> None:
        # Again each time: before the first byte is sent it is not heard.
        if not self._move.may_post_copy:
            under_way.hasten_move(self._move)
        elif progress is not None and progress.memory_processed:
            self._switch()
        if not self._is_forced:
            end_asked(self._context)
        self._is_forced = True

    def _limit(self, progress: MoveProgress) -> None:
        """See that it comes to an end."""
        now = time.monotonic()
        if progress.memory_processed and self._memory_began_at is None:
            self._memory_began_at = now
        limit_s = LIMIT_S_PER_GIB * max(2.0, _total(progress) / _GIB)
        is_over = now - self._began_at > limit_s
        if self._may_switch(progress, now, is_over=is_over):
            self._switch()
        elif is_over:
            raise MigrationAborted(f"The live migration did not end within {limit_s:.0f} s.")

    def _may_switch(self, progress: MoveProgress, now: float, *, is_over: bool) -> bool:
        if not self._move.may_post_copy or self._memory_began_at is None:
            return False
        is_late = now - self._memory_began_at >= settings.LIVE_MIGRATION_POSTCOPY_AFTER_S
        return is_over or (is_late and progress.memory_rounds >= ROUNDS_BEFORE_SWITCH)

    def _switch(self) -> None:
        """Let the guest run at the destination, unless an abort was taken in first.

        Raises:
            MigrationAborted: it was.
        """
        row = Migration.objects.filter(pk=self._context.params["migration"])
        if not row.exclude(asked=ABORT).update(status=MigrationStatus.POST_MIGRATING):
            raise MigrationAborted(ABORTED)
        under_way.switch_move(self._move)

    def _note(self, progress: MoveProgress) -> None:
        fields = {
            f"{kind}_{part}_bytes": getattr(progress, f"{kind}_{part}")
            for kind in ("memory", "disk")
            for part in ("total", "processed", "remaining")
        }
        note_migration(self._context, **fields)
        total = _total(progress)
        left = progress.memory_remaining + progress.disk_remaining
        if total:
            percent = max(0, min(100, 100 - 100 * left // total))
            Server.objects.filter(pk=self._context.subject).update(progress=percent)


def _total(progress: MoveProgress) -> int:
    return progress.memory_total + progress.disk_total


def has_switched(context: Context) -> bool:
    """Whether the guest was let run at its destination, or was about to be."""
    return migration_of(context).status == MigrationStatus.POST_MIGRATING


def end_asked(context: Context, error: str = "") -> None:
    """The action that asked for something of the migration is over."""
    row = migration_of(context)
    if not row.asked:
        return
    history.end_event(
        server_id=context.subject,
        request_id=row.asked_request_id,
        event=EVENTS[row.asked][1],
        host=row.source_name,
        error=error,
        now=timezone.now(),
    )
