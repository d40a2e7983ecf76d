"""A connection to a host, watched by keepalive, with a deadline on each call.

libvirt's calls block without bound, so each runs in a daemon thread of its own while the caller
waits no longer than the deadline. A call that outlives it cannot be stopped: its connection is
given up, and keepalive ends the thread when the host is really dead.

A host that hangs, so that it takes calls and answers none, is told from one that is busy by a ping
(see `calls.Pulse`). Whoever comes while it hangs is refused at once; whoever waits is let go once
it has been silent for long.
"""

import contextlib
import functools
import os
import threading
import time
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import libvirt

from hypervisors.libvirt.calls import Beat, Outcome, Pulse, give_up_s
from hypervisors.libvirt.errors import (
    DriverError,
    Hanging,
    HostUnreachable,
    Unsupported,
    translated,
)

__all__ = [
    "Beat",
    "Connection",
    "Opening",
    "begin_opening",
    "on_host",
    "open_connection",
    "ssh_uri",
]

P = ParamSpec("P")
R = TypeVar("R")

KEEPALIVE_INTERVAL_S = 5
KEEPALIVE_COUNT = 3
DEADLINE_S = 30.0
# A host's libvirtd takes 5 calls of a client at a time (max_client_requests) and reads nothing more
# from it meanwhile, keepalive and pings included: one place is always theirs.
PARALLEL = 4
_LOOK_S = 0.5
# Keys of a URI that weaken the check of the host's key or run a program on this machine.
_REFUSED_KEYS = ("no_verify", "no_sanity", "known_hosts_verify", "command", "netcat", "pkipath")


def ssh_uri(uri: str, ssh_command: str) -> str:
    """The URI with the portal's own ssh wrapper for qemu+ssh; any other URI as it is.

    Args:
        uri: for example qemu+ssh://root@10.0.0.11/system or qemu:///system.
        ssh_command: path of a program that runs ssh with the portal's key and known_hosts.

    Raises:
        Unsupported: the URI switches off the check of the host's key or names a program to run.
    """
    parts = urlsplit(uri)
    query = parse_qsl(parts.query, keep_blank_values=True)
    refused = sorted({key for key, _ in query if key.lower() in _REFUSED_KEYS})
    if refused:
        raise Unsupported(f"The parameter {refused[0]} is not allowed in a hypervisor's URI.")
    if not parts.scheme.endswith("+ssh"):
        return uri
    query.append(("command", ssh_command))
    return parts._replace(query=urlencode(query, safe="/", quote_via=quote)).geturl()


class _EventLoop:
    """libvirt's event loop in a daemon thread, once a process; keepalive needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid: int | None = None

    def ensure(self) -> None:
        with self._lock:
            if self._pid == os.getpid():
                return
            if self._pid is not None:
                # The loop's wake-up descriptor would be shared with the parent process.
                raise DriverError("libvirt was used before this process was forked.")
            libvirt.registerErrorHandler(_discard_error, None)  # else each goes to stderr as well
            libvirt.virEventRegisterDefaultImpl()
            # Without any timer the loop could sleep before the first connection adds a handle.
            libvirt.virEventAddTimeout(1000, _tick, None)
            self._pid = os.getpid()
            threading.Thread(target=self._run, name="libvirt-events", daemon=True).start()

    @staticmethod
    def _run() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()


def _discard_error(_context: object, _error: object) -> None:
    """Errors reach the caller as exceptions."""


def _tick(_timer: int, _opaque: object) -> None:
    """Wake the loop."""


_event_loop = _EventLoop()


def begin_opening(uri: str) -> "Opening":
    """Begin to connect; for who waits elsewhere.

    Raises:
        DriverError: libvirt was used before this process was forked.
    """
    _event_loop.ensure()
    return Opening(uri)


class Connection:
    """An open connection to one host. Thread-safe, as libvirt's own are."""

    def __init__(self, raw: Any, uri: str) -> None:
        self._raw = raw
        self._lock = threading.Lock()
        self._broken = False
        self._closed = False
        self._inside_count = 0
        self._places = threading.BoundedSemaphore(PARALLEL)
        # The host answers this before others.
        self._pulse = Pulse(lambda: self._inside(lambda raw: raw.getLibVersion()))
        # Called before the connection is closed: what else holds it.
        self.on_close: list[Callable[[Any], None]] = []
        self.is_listened = False  # whether somebody is told of events, see `events.py`
        self.uri = uri
        self.pid = os.getpid()

    def __repr__(self) -> str:
        return f"<Connection {self.uri.split('?')[0]}{' broken' if self._broken else ''}>"

    def call(
        self,
        function: Callable[..., R],
        *args: Any,
        deadline_s: float = DEADLINE_S,
        beat: Beat | None = None,
    ) -> R:
        """Run `function(virConnect, *args)`, waiting at most so long after the last beat.

        Raises:
            HostUnreachable: no answer in time, the host answers nothing at all, or the connection
                is lost; but for a host that hangs it is then broken.
            DriverError: what libvirt said, translated.
        """
        self._take_place(deadline_s)
        mark = self._pulse.begin()
        why = "The caller was ended."
        try:
            outcome = Outcome(lambda: self._inside(function, *args), "libvirt-call")
            why = self._pulse.watch(outcome, deadline_s, beat or Beat())
        finally:
            self._pulse.end(mark, is_answered=not why)
            self._places.release()
            if why:
                self.close()
        if why:
            raise HostUnreachable(why)
        try:
            return outcome.take()
        except HostUnreachable:
            self.close()
            raise

    def is_alive(self) -> bool:
        """Whether the connection is usable, as far as keepalive knows; asks nobody."""
        return not self._broken and self.pid == os.getpid() and bool(self._raw.isAlive())

    def close(self) -> None:
        """Begin nothing more over this connection, and close it when its last call is over.

        Not sooner: libvirt frees what the threads of those calls still use. When the host is dead
        keepalive ends them; until then they cost a thread each.
        """
        with self._lock:
            self._broken = True
            if self._closed or self._inside_count:
                return
            self._closed = True
        # Closing talks to the host too, so it must not hold up anyone either.
        threading.Thread(target=self._close, name="libvirt-close", daemon=True).start()

    def _inside(self, function: Callable[..., R], *args: Any) -> R:
        with self._lock:
            if self._broken:
                raise HostUnreachable("The connection to the host is broken.")
            self._inside_count += 1
        try:
            return function(self._raw, *args)
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._inside_count -= 1
            is_broken = self._broken
        if is_broken:
            self.close()

    def _take_place(self, seconds: float) -> None:
        """Wait for one of the places; a host that hangs is found out here.

        Raises:
            HostUnreachable: it hangs, the connection is broken, or no place became free.
        """
        ends_at = time.monotonic() + seconds
        while True:
            if self._broken:
                raise HostUnreachable("The connection to the host is broken.")
            if self._pulse.is_hanging():
                if self._pulse.silent_s() >= give_up_s():
                    self.close()
                raise Hanging("The host takes calls and answers none.")
            if self._places.acquire(timeout=_LOOK_S):
                return
            if time.monotonic() >= ends_at:
                raise HostUnreachable(f"The host was busy with other calls for {seconds:g} s.")

    def _close(self) -> None:
        for let_go in self.on_close:
            with contextlib.suppress(libvirt.libvirtError):
                let_go(self._raw)
        with contextlib.suppress(libvirt.libvirtError):
            self._raw.close()  # lost already is what closing is for


def connect(uri: str) -> Connection:
    """Connect to a host with keepalive on; blocks for as long as the host lets it.

    Raises:
        HostUnreachable: the host refused.
    """
    try:
        with translated():
            raw = libvirt.open(uri)
            _keep_alive(raw)
    except DriverError as error:
        # Whatever the code, from here the host cannot be reached.
        raise HostUnreachable(error.text, code=error.code) from error
    return Connection(raw, uri)


def _keep_alive(raw: Any) -> None:
    try:
        raw.setKeepAlive(KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT)
    except libvirt.libvirtError as error:
        # Drivers inside this process (test:///) have no peer to ask for signs of life.
        if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
            raise


def open_connection(uri: str, timeout_s: float = 10.0) -> Connection:
    """Connect to a host, waiting no longer than this.

    Raises:
        HostUnreachable: the host did not answer in time, or refused.
        DriverError: libvirt was used before this process was forked.
    """
    opening = begin_opening(uri)
    if not opening.wait(timeout_s):
        opening.abandon()
        raise HostUnreachable(f"No connection to the host within {timeout_s:g} s.")
    return opening.take()


class Opening(Outcome[Connection]):
    """A connection being opened, which nothing can end; one that nobody wants any more closes."""

    def __init__(self, uri: str) -> None:
        self._lock = threading.Lock()
        self._is_abandoned = False
        self._opened: Connection | None = None
        super().__init__(lambda: self._open(uri), "libvirt-open")

    def _open(self, uri: str) -> Connection:
        opened = connect(uri)
        with self._lock:
            self._opened = opened
            if self._is_abandoned:
                opened.close()
        return opened

    def abandon(self) -> None:
        """Close the connection as soon as it is open."""
        with self._lock:
            self._is_abandoned = True
            if self._opened is not None:
                self._opened.close()


def on_host(
    deadline_s: float = DEADLINE_S,
) -> Callable[[Callable[Concatenate[Any, P], R]], Callable[Concatenate[Connection, P], R]]:
    """Turn a function of a bare virConnect into one of a Connection, run as one bounded call."""

    def decorate(
        function: Callable[Concatenate[Any, P], R],
    ) -> Callable[Concatenate[Connection, P], R]:
        @functools.wraps(function)
        def bounded(connection: Connection, /, *args: P.args, **kwargs: P.kwargs) -> R:
            return connection.call(
                lambda raw: function(raw, *args, **kwargs), deadline_s=deadline_s
            )

        return bounded

    return decorate
