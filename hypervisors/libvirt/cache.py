"""Connections kept open: one a process and host, opened again after it broke.

Opening one to a host that hangs can take for ever, and nothing can end it. So there is one attempt
at a time, which stays under way when those who waited for it have left: it is what tells that the
host is back. Who comes meanwhile is refused at once.
"""

import os
import threading
import time

from hypervisors.libvirt.calls import give_up_s
from hypervisors.libvirt.connection import Connection, Opening, begin_opening
from hypervisors.libvirt.errors import HostUnreachable

# An attempt that goes well takes half a second: those who come meanwhile wait so long for it.
JOIN_S = 2.0
# Who tries again after a failure waits no longer than this.
RETRY_S = 3.0


class _Slot:
    """What the cache knows of one host. The lock is held only while looking at it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.connection: Connection | None = None
        self.opening: Opening | None = None
        self.failure: HostUnreachable | None = None
        self.retry_at = 0.0


class ConnectionCache:
    """One connection a process and host.

    A host that did not answer is not asked again for `negative_s`, so that a crowd of callers
    pays its time-out once.
    """

    def __init__(self, *, timeout_s: float = 10.0, negative_s: float = 5.0) -> None:
        self._timeout_s = timeout_s
        self._negative_s = negative_s
        self._lock = threading.Lock()
        self._slots: dict[tuple[int, str], _Slot] = {}

    def get(self, uri: str) -> Connection:
        """The live connection to this URI.

        Raises:
            HostUnreachable: the host does not answer, now or a moment ago.
        """
        with self._lock:
            slot = self._slots.setdefault((os.getpid(), uri), _Slot())
        with slot.lock:
            found = self._settled(slot)
            if found is not None:
                return found
            opening, ends_at = self._begin(slot, uri)
        opening.wait(ends_at - time.monotonic())
        with slot.lock:
            found = self._settled(slot)
            if found is not None:
                return found
            if slot.failure is None:
                waited_s = time.monotonic() - opening.began_at
                text = f"No connection to the host within {waited_s:.0f} s."
                slot.failure = HostUnreachable(text)
            raise self._refusal(slot)

    def forget(self, uri: str) -> None:
        """Close the connection to this URI, if any, and forget that it failed."""
        with self._lock:
            slot = self._slots.pop((os.getpid(), uri), None)
        if slot is None:
            return
        with slot.lock:
            if slot.connection is not None:
                slot.connection.close()
            if slot.opening is not None:
                slot.opening.abandon()

    def _settled(self, slot: _Slot) -> Connection | None:
        """Take over what an attempt came to, drop a connection that broke; what is left."""
        if slot.connection is not None and not slot.connection.is_alive():
            slot.connection.close()
            slot.connection = None
        if slot.opening is None or not slot.opening.is_done:
            return slot.connection
        try:
            slot.connection = slot.opening.take()
            slot.failure = None
        except HostUnreachable as error:
            slot.failure = error
            # From its own end on: nobody may have looked for long, and the host be back since.
            slot.retry_at = slot.opening.ended_at + self._negative_s
        finally:
            slot.opening = None
        return slot.connection

    def _begin(self, slot: _Slot, uri: str) -> tuple[Opening, float]:
        """The attempt under way, or a new one, and until when to wait for it."""
        now = time.monotonic()
        if slot.opening is not None:
            if now >= slot.opening.began_at + JOIN_S:
                raise self._refusal(slot)
            return slot.opening, slot.opening.began_at + JOIN_S
        if slot.failure is not None and now < slot.retry_at:
            raise self._refusal(slot)
        slot.opening = begin_opening(uri)
        patience_s = self._timeout_s if slot.failure is None else min(self._timeout_s, RETRY_S)
        return slot.opening, now + min(patience_s, give_up_s())

    @staticmethod
    def _refusal(slot: _Slot) -> HostUnreachable:
        if slot.failure is None:
            return HostUnreachable("The host does not let the portal connect.")
        return HostUnreachable(slot.failure.text, code=slot.failure.code)
