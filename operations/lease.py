"""The lease: at most one worker runs an operation, and a dead one's is taken over in seconds."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import Error, connection
from django.db.models import Q
from django.utils import timezone

from operations.errors import LeaseLost
from operations.models import UNFINISHED, Operation

logger = logging.getLogger(__name__)

LEASE_S = 15.0
HEARTBEAT_S = 4.0


def acquire(operation_id: UUID, owner: str) -> bool:
    """Take the lease by one conditional update; False: somebody has it, or there is nothing to do.

    `wake_at` is honoured, so that a doubled wake-up cannot shorten a pause.
    """
    now = timezone.now()
    return bool(
        Operation.objects.filter(pk=operation_id, state__in=UNFINISHED, wake_at__lte=now)
        .filter(Q(lease_until=None) | Q(lease_until__lt=now))
        .update(
            lease_owner=owner,
            lease_until=now + timedelta(seconds=LEASE_S),
            sweeps=0,
            is_put_aside=False,
        )
    )


def write(operation_id: UUID, owner: str, **fields: Any) -> None:
    """Write to an operation that is still ours, and extend the lease with it.

    Raises:
        LeaseLost: another worker took over; nothing was written.
    """
    now = timezone.now()
    fields.setdefault("lease_until", now + timedelta(seconds=LEASE_S))
    if not Operation.objects.filter(pk=operation_id, lease_owner=owner).update(
        updated_at=now, **fields
    ):
        raise LeaseLost


def release(operation_id: UUID, owner: str, **fields: Any) -> None:
    """Give the lease back with some last fields; silent when it is no longer ours."""
    with contextlib.suppress(LeaseLost):
        write(operation_id, owner, lease_owner="", lease_until=None, **fields)


@contextlib.contextmanager
def heartbeat(operation_id: UUID, owner: str, make_way: threading.Event) -> Iterator[None]:
    """Extend the lease from a thread while the body runs; sets `make_way` when it should end.

    Work that is quicker than one beat never touches the database for it.
    """
    done = threading.Event()
    thread = threading.Thread(
        target=_beat, args=(operation_id, owner, make_way, done), name="lease", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _beat(operation_id: UUID, owner: str, make_way: threading.Event, done: threading.Event) -> None:
    try:
        while not done.wait(HEARTBEAT_S):
            try:
                if not _extend(operation_id, owner, make_way):
                    return
            except Error:
                # The next beat tries again; if none gets through, another worker takes over and
                # our next write is refused.
                logger.warning("The lease of %s could not be extended.", operation_id)
            finally:
                # Not held between beats: every long operation of every worker would hold one more
                # of the connections that the database has to give, and one that broke stays broken.
                connection.close()
    finally:
        connection.close()


def _extend(operation_id: UUID, owner: str, make_way: threading.Event) -> bool:
    mine = Operation.objects.filter(pk=operation_id, lease_owner=owner)
    if not mine.update(lease_until=timezone.now() + timedelta(seconds=LEASE_S)):
        make_way.set()
        return False
    if mine.exclude(successor=None).exists():
        make_way.set()
    return True
