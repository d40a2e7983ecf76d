"""Calls that block without bound: each in a thread of its own, waited for as long as it may take.

libvirt's calls cannot be ended from outside, so the caller goes away instead. Threads rather than a
pool: starting one costs some 60 µs against a millisecond for the call, and no pool can be filled up
by a dead host or hold up the end of the process. How many there are is bounded by the connection.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Generic, TypeVar

from hypervisors.libvirt.errors import translated

R = TypeVar("R")

# An answer is owed for so long: ask for a sign of life.
SILENCE_S = 2.0
# The sign of life comes within this, or the host hangs.
PING_S = 2.0
# A host that answered nothing for so long is given up, whatever its calls' deadlines.
GIVE_UP_S = 15.0
_LOOK_S = 0.5

_give_up_s: ContextVar[float] = ContextVar("give_up_s", default=GIVE_UP_S)


@contextmanager
def giving_up_after(seconds: float) -> Iterator[None]:
    """Inside, a host that answers nothing is given up after so long; one that is slow is not."""
    token = _give_up_s.set(seconds)
    try:
        yield
    finally:
        _give_up_s.reset(token)


def give_up_s() -> float:
    """For how long the present caller bears silence."""
    return _give_up_s.get()


class Beat:
    """A long transfer's sign of life: the deadline counts from the last one."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def touch(self) -> None:
        """Say that something moved."""
        self.last = time.monotonic()


class Outcome(Generic[R]):
    """Runs one function in a daemon thread and keeps what came of it."""

    def __init__(self, function: Callable[[], R], name: str) -> None:
        self._function = function
        self._done = threading.Event()
        self._value: R | None = None
        self._error: BaseException | None = None
        self.began_at = time.monotonic()
        self.ended_at = self.began_at
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def _run(self) -> None:
        try:
            with translated():
                self._value = self._function()
        except BaseException as error:  # noqa: BLE001 - carried over to the thread that waits
            self._error = error
        finally:
            self.ended_at = time.monotonic()
            self._done.set()

    @property
    def is_done(self) -> bool:
        """Whether the function has come to its end."""
        return self._done.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; whether it is done."""
        return self._done.wait(max(0.0, seconds))

    def take(self) -> R:
        """What came of it; only once it is done."""
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # set whenever there is no error


class Pulse:
    """Whether a host answers: by its last answer to anything, and a ping when it owes one.

    A long call is no sign of a hanging host as long as pings are answered meanwhile. A ping that
    is not answered stays under way, and is what tells that the host is back: nobody asks again.
    """

    def __init__(self, ping: Callable[[], object]) -> None:
        self._send = ping
        self._lock = threading.Lock()
        self._answered_at = time.monotonic()
        self._waiting: dict[object, float] = {}
        self._ping: Outcome[object] | None = None

    def begin(self) -> object:
        """A call begins; its mark, for `end`."""
        mark = object()
        with self._lock:
            self._waiting[mark] = time.monotonic()
        return mark

    def end(self, mark: object, *, is_answered: bool) -> None:
        """A call is over."""
        with self._lock:
            self._waiting.pop(mark, None)
            if is_answered:
                self._answered_at = time.monotonic()

    def alive_at(self, instant: float) -> None:
        """Something moved then, by the monotonic clock."""
        with self._lock:
            self._answered_at = max(self._answered_at, instant)

    def silent_s(self) -> float:
        """For how long an answer has been owed; 0 when none is."""
        with self._lock:
            self._take_ping()
            owed = list(self._waiting.values())
            if self._ping is not None:
                owed.append(self._ping.began_at)
            if not owed:
                return 0.0
            return max(0.0, time.monotonic() - max(self._answered_at, min(owed)))

    def look(self) -> None:
        """Send a ping when the host has been silent, unless one is under way."""
        if self.silent_s() < SILENCE_S:
            return
        with self._lock:
            if self._ping is None:
                self._ping = Outcome(self._send, "libvirt-ping")

    def is_hanging(self) -> bool:
        """Whether the last ping should have been answered; waits until it should."""
        self.look()
        ping = self._ping
        if ping is None or ping.wait(ping.began_at + PING_S - time.monotonic()):
            return False
        return self.silent_s() >= PING_S

    def watch(self, outcome: Outcome[R], deadline_s: float, beat: Beat) -> str:
        """Wait for a call; "" when it is done, else why it is to be given up."""
        limit_s = give_up_s()
        while True:
            left_s = beat.last + deadline_s - time.monotonic()
            if outcome.wait(min(left_s, _LOOK_S)):
                return ""
            self.alive_at(beat.last)
            if time.monotonic() >= beat.last + deadline_s:
                return f"The host did not answer within {deadline_s:g} s."
            self.look()
            if self.silent_s() >= limit_s:
                return f"The host has answered nothing for {limit_s:g} s."

    def _take_ping(self) -> None:
        if self._ping is None or not self._ping.is_done:
            return
        self._ping = None
        # Also an error is an answer: a lost connection is found out by its calls.
        self._answered_at = time.monotonic()
