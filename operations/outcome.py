"""Waiting for an operation's end, for a request whose answer tells it; the operation goes on.

Only a few requests of a process wait at a time: were a host to hang, those who wait for it would
otherwise hold all threads that answer requests. The others are told how it stands.
"""

from __future__ import annotations

import threading
import time
from uuid import UUID

from operations.models import UNFINISHED, Operation

# Clients and the web server's own limit are more patient.
PATIENCE_S = 20.0
WAITING_MOST = 4
_LOOK_S = 0.1
_places = threading.BoundedSemaphore(WAITING_MOST)


def wait_for_end(operation_id: UUID, *, within_s: float | None = None) -> Operation:
    """The operation when it is finished, or as it is after so long; outside of any transaction."""
    if not _places.acquire(blocking=False):
        return Operation.objects.get(pk=operation_id)
    try:
        ends_at = time.monotonic() + (PATIENCE_S if within_s is None else within_s)
        while True:
            operation = Operation.objects.get(pk=operation_id)
            if operation.state not in UNFINISHED or time.monotonic() >= ends_at:
                return operation
            time.sleep(_LOOK_S)
    finally:
        _places.release()


def wait_until_free(subject: UUID, *, kinds: tuple[str, ...]) -> None:
    """Wait while work of these kinds is under way on the subject, within the same bound."""
    at_work = Operation.objects.filter(subject=subject, state__in=UNFINISHED, kind__in=kinds)
    found = at_work.values_list("pk", flat=True).first()
    if found is not None:
        wait_for_end(found)
