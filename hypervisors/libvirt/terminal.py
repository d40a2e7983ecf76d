"""A guest's serial line as a terminal: a stream of libvirt's, beside the log that virtlogd keeps.

libvirt gives the line to one at a time; who takes it puts the one before out. Output is read by
libvirt's event loop and never waits for anybody: a guest must not stand still because nobody reads.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import libvirt

from hypervisors.libvirt.connection import Connection
from hypervisors.libvirt.errors import Busy, DriverError, WrongState

_PIECE = 64 * 1024
# Pieces that one turn of the event loop reads: other streams and keepalive have theirs too.
_PIECES = 16
_SEND_S = 10.0
_PAUSE_S = 0.05
_NOT_NOW = -2
_EVENTS = (
    libvirt.VIR_STREAM_EVENT_READABLE
    | libvirt.VIR_STREAM_EVENT_ERROR
    | libvirt.VIR_STREAM_EVENT_HANGUP
)


class Terminal:
    """An open serial line. Thread-safe."""

    def __init__(
        self,
        connection: Connection,
        stream: Any,
        on_output: Callable[[bytes], None],
        on_end: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._on_output = on_output
        self._on_end = on_end
        self._lock = threading.Lock()
        self._has_ended = False

    def listen(self) -> None:
        """Have the output read, from now on; `on_end` is called once, when there is no more."""
        self._stream.eventAddCallback(_EVENTS, self._on_event, None)

    def is_alive(self) -> bool:
        """Whether the line is open, as far as is known; asks nobody."""
        return not self._has_ended and self._connection.is_alive()

    def send(self, keys: bytes) -> None:
        """Give the guest input; waits for a guest that does not take it, within bounds.

        Raises:
            WrongState: the line has ended.
            Busy: the guest takes no input.
            HostUnreachable: the host does not answer.
        """
        rest, ends_at = keys, time.monotonic() + _SEND_S
        while rest:
            sent = self._connection.call(self._send, rest, deadline_s=_SEND_S)
            rest = rest[sent:]
            if rest and time.monotonic() > ends_at:
                raise Busy("The guest takes no input.")
            if not sent:
                time.sleep(_PAUSE_S)

    def close(self) -> None:
        """Give the line back. `on_end` is not called for it."""
        if self._end():
            with contextlib.suppress(DriverError):  # a host that is gone has let go of it as well
                self._connection.call(lambda _: self._let_go(), deadline_s=_SEND_S)

    def _send(self, _raw: Any, piece: bytes) -> int:
        if self._has_ended:
            raise WrongState("The serial line has ended.")
        sent: int = self._stream.send(piece)
        return max(sent, 0)

    def _let_go(self) -> None:
        with contextlib.suppress(libvirt.libvirtError):
            self._stream.eventRemoveCallback()
        with contextlib.suppress(libvirt.libvirtError):
            self._stream.abort()

    def _on_event(self, stream: Any, events: int, _opaque: object) -> None:
        """Called by libvirt's event loop."""
        if self._has_ended:
            return
        if not events & libvirt.VIR_STREAM_EVENT_READABLE:
            self._is_over()
            return
        for _ in range(_PIECES):
            try:
                piece = stream.recv(_PIECE)
            except libvirt.libvirtError:
                piece = b""
            if piece == _NOT_NOW:
                return
            if not piece:
                self._is_over()
                return
            self._on_output(piece)

    def _is_over(self) -> None:
        if self._end():
            self._let_go()
            self._on_end()

    def _end(self) -> bool:
        """Whether it was this call that ended it."""
        with self._lock:
            has_ended, self._has_ended = self._has_ended, True
        return not has_ended


def open_terminal(
    connection: Connection,
    uuid: UUID,
    on_output: Callable[[bytes], None],
    on_end: Callable[[], None],
) -> Terminal:
    """Open the guest's serial line; who had it loses it.

    `on_output` and `on_end` are called by libvirt's event loop and must not wait.

    Raises:
        NotThere: no such guest.
        WrongState: it does not run.
        DriverError: it has no serial line.
    """

    def run(raw: Any) -> Terminal:
        domain = raw.lookupByUUID(uuid.bytes)
        stream = raw.newStream(libvirt.VIR_STREAM_NONBLOCK)
        domain.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
        terminal = Terminal(connection, stream, on_output, on_end)
        terminal.listen()
        return terminal

    return connection.call(run)
