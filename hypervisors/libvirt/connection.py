"""Connections to hosts: one a process and host, watched by keepalive, with a deadline on each call.

libvirt's calls block without bound, so each runs in a daemon thread of its own while the caller
waits no longer than the deadline. A call that outlives it cannot be stopped: its connection is
given up, and keepalive ends the thread when the host is really dead. Threads rather than a pool:
starting one costs some 60 µs against a millisecond for the call, and no pool can be filled up by
a dead host or hold up the end of the process.
"""

import functools
import os
import threading
import time
from collections.abc import Callable
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import libvirt

from hypervisors.libvirt.errors import DriverError, HostUnreachable, Unsupported, translated

P = ParamSpec("P")
R = TypeVar("R")

KEEPALIVE_INTERVAL_S = 5
KEEPALIVE_COUNT = 3
DEADLINE_S = 30.0
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


class Beat:
    """A long transfer's sign of life: the deadline counts from the last one."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def touch(self) -> None:
        """Say that something moved."""
        self.last = time.monotonic()


class _Outcome(Generic[R]):
    """Runs one function in a daemon thread and keeps what came of it."""

    def __init__(self, function: Callable[[], R], name: str) -> None:
        self._function = function
        self._done = threading.Event()
        self._value: R | None = None
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def _run(self) -> None:
        try:
            with translated():
                self._value = self._function()
        except BaseException as error:  # noqa: BLE001 - carried over to the thread that waits
            self._error = error
        finally:
            self._done.set()

    def wait(self, deadline_s: float, beat: Beat) -> bool:
        while not self._done.wait(max(0.0, beat.last + deadline_s - time.monotonic())):
            if time.monotonic() >= beat.last + deadline_s:
                return False
        return True

    def take(self) -> R:
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # set whenever there is no error


class Connection:
    """An open connection to one host. Thread-safe, as libvirt's own are."""

    def __init__(self, raw: Any, uri: str) -> None:
        self._raw = raw
        self._broken = False
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
            HostUnreachable: no answer in time, or the connection is lost; it is then broken.
            DriverError: what libvirt said, translated.
        """
        if self._broken:
            raise HostUnreachable("The connection to the host is broken.")
        outcome = _Outcome(lambda: function(self._raw, *args), "libvirt-call")
        if not outcome.wait(deadline_s, beat or Beat()):
            self.give_up()
            raise HostUnreachable(f"The host did not answer within {deadline_s:g} s.")
        try:
            return outcome.take()
        except HostUnreachable:
            self.give_up()
            raise

    def is_alive(self) -> bool:
        """Whether the connection is usable, as far as keepalive knows; asks nobody."""
        return not self._broken and self.pid == os.getpid() and bool(self._raw.isAlive())

    def give_up(self) -> None:
        """Use the connection no more; calls still running end when keepalive does."""
        if self._broken:
            return
        self._broken = True
        # Closing talks to the host too, so it must not hold up anyone either.
        threading.Thread(
            target=_close, args=(self._raw,), name="libvirt-close", daemon=True
        ).start()

    def close(self) -> None:
        """Close the connection without waiting for the host."""
        self.give_up()


def _close(raw: Any) -> None:
    try:
        raw.close()
    except libvirt.libvirtError:
        return  # it was lost already, which is what closing is for


def open_connection(uri: str, timeout_s: float = 10.0) -> Connection:
    """Connect to a host with keepalive on.

    Raises:
        HostUnreachable: the host did not answer in time, or refused.
    """
    _event_loop.ensure()

    def connect() -> Any:
        raw = libvirt.open(uri)
        try:
            raw.setKeepAlive(KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT)
        except libvirt.libvirtError as error:
            # Drivers inside this process (test:///) have no peer to ask for signs of life.
            if error.get_error_code() != libvirt.VIR_ERR_NO_SUPPORT:
                raise
        return raw

    outcome = _Outcome(connect, "libvirt-open")
    if not outcome.wait(timeout_s, Beat()):
        raise HostUnreachable(f"No connection to the host within {timeout_s:g} s.")
    try:
        return Connection(outcome.take(), uri)
    except DriverError as error:
        # Whatever the code, from here the host cannot be reached.
        raise HostUnreachable(error.text, code=error.code) from error


class _Slot:
    """What the cache knows of one host."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.connection: Connection | None = None
        self.failure: HostUnreachable | None = None
        self.retry_at = 0.0


class ConnectionCache:
    """One connection a process and host, opened again after it broke.

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
            if slot.connection is not None and slot.connection.is_alive():
                return slot.connection
            if slot.connection is not None:
                slot.connection.give_up()
                slot.connection = None
            if slot.failure is not None and time.monotonic() < slot.retry_at:
                raise HostUnreachable(slot.failure.text, code=slot.failure.code)
            try:
                slot.connection = open_connection(uri, self._timeout_s)
            except HostUnreachable as error:
                slot.failure = error
                slot.retry_at = time.monotonic() + self._negative_s
                raise
            slot.failure = None
            return slot.connection

    def forget(self, uri: str) -> None:
        """Close the connection to this URI, if any, and forget that it failed."""
        with self._lock:
            slot = self._slots.pop((os.getpid(), uri), None)
        if slot is not None and slot.connection is not None:
            slot.connection.close()


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
