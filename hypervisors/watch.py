"""Watch all hosts: each at its own pace, by one keeper of however many, and at once when it calls.

A host is looked at every heartbeat; one that does not answer less and less often. libvirt's events
only make a look due at once: the look is the truth, and a lost event costs a heartbeat at most. A
bounded pool of threads looks, and a host that hangs occupies one of them for seconds only, so that
dozens of such hosts hold up no other.

A keeper watches the hosts whose rows name it, and says so again every heartbeat. When it dies, its
hosts are taken over by another one once the time it had said has passed; at once by one that starts
on the same machine, where it can be seen that the process is gone.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import queue
import random
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import Error, close_old_connections, connections
from django.db.models import Q
from django.utils import timezone

from hypervisors.connections import forget
from hypervisors.libvirt.events import GuestEvent
from hypervisors.look import SILENCE_S, HostLook, look_at_host
from hypervisors.models import Hypervisor

logger = logging.getLogger(__name__)

PARALLEL = 16
# A keeper that has not been heard of for so many heartbeats has lost its hosts.
LEASE_BEATS = 3
# The longest pause before a host that is down is looked at again, while few are down. Of many, no
# more are asked than would keep half of the threads busy, each for as long as silence is borne.
DOWN_LIMIT_S = 10.0
DOWN_THREADS = PARALLEL // 2
# Events come in swarms: wait for the rest of one, and between two looks.
SWARM_S = 0.2
BETWEEN_S = 0.8
ROWS_EVERY_S = 1.0
# A look that takes longer is at a host that does not answer.
SLOW_S = 1.0
# At the end, looks under way are waited for so long.
STOP_S = SILENCE_S + 1.0
_WAKE_S = 0.5

LookConsumer = Callable[[HostLook], object]
GuestChangeConsumer = Callable[[int, UUID, str], object]
_look_consumers: list[LookConsumer] = []
_guest_consumers: list[GuestChangeConsumer] = []


def on_look(consumer: LookConsumer) -> None:
    """Have every look at a host handed over, in a thread of the keeper that watches the host."""
    if consumer not in _look_consumers:
        _look_consumers.append(consumer)


def on_guest_change(consumer: GuestChangeConsumer) -> None:
    """Be told which guest of which host changed, as `consumer(hypervisor_id, uuid, what)`.

    `what` is "defined" (also: its definition changed), "undefined", "started", "stopped",
    "suspended", "resumed" or "rebooted". It is told after the look at the host that the event led
    to, within a second or two, in a thread of the keeper that watches the host, and of every guest
    there, also those that are not ours. A guest that came or went without an event, as while the
    host was away, is told of as well; other changes may then be missed, so a sweep has to look too.
    The consumer may use the database and should take no longer than a query or two.
    """
    if consumer not in _guest_consumers:
        _guest_consumers.append(consumer)


@dataclass(eq=False)
class _Watched:
    """One host and when it is to be looked at; the listener of its connection."""

    pk: int
    wake: Callable[[], None]
    beat_at: float = 0.0
    hint_at: float | None = None
    looked_at: float = 0.0
    is_looking: bool = False
    failures: int = 0
    hypervisor: Hypervisor | None = None
    guests: frozenset[UUID] | None = None
    events: list[GuestEvent] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def guest_changed(self, event: GuestEvent) -> None:
        """Note what libvirt told."""
        with self.lock:
            self.events.append(event)
        self.hint()

    def connection_lost(self) -> None:
        """Find out soon whether the host is lost with it."""
        self.hint()

    def hint(self) -> None:
        """Have the host looked at soon."""
        with self.lock:
            if self.hint_at is None:
                soon = time.monotonic() + SWARM_S
                self.hint_at = max(soon, self.looked_at + BETWEEN_S)
        self.wake()

    def due_at(self) -> float:
        """By the monotonic clock; never, while it is looked at."""
        if self.is_looking:
            return float("inf")
        with self.lock:
            return self.beat_at if self.hint_at is None else min(self.beat_at, self.hint_at)

    def begin(self) -> bool:
        """It is looked at from now; whether only because of an event."""
        with self.lock:
            self.is_looking = True
            self.hint_at = None
            return time.monotonic() < self.beat_at

    def take_events(self) -> list[GuestEvent]:
        """The events that have not been handed over yet."""
        with self.lock:
            events, self.events = self.events, []
            return events


class _Lookers:
    """Threads that look, as many as it takes and not more than so many."""

    def __init__(self, most: int, look: Callable[..., None]) -> None:
        self._most = most
        self._look = look
        self._queue: queue.SimpleQueue[tuple[_Watched, bool] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._free = 0
        self._threads: list[threading.Thread] = []

    def give(self, watched: _Watched, *, guests_only: bool) -> None:
        """Have a host looked at when a thread is free."""
        with self._lock:
            self._free -= 1
            if self._free < 0 and len(self._threads) < self._most:
                thread = threading.Thread(target=self._run, name="look", daemon=True)
                self._threads.append(thread)
                self._free += 1
                thread.start()
        self._queue.put((watched, guests_only))

    def stop(self) -> None:
        """Let every thread end, and wait for those whose host answers."""
        while not self._queue.empty():
            self._queue.get()
        for _ in self._threads:
            self._queue.put(None)
        ends_at = time.monotonic() + STOP_S
        for thread in self._threads:
            thread.join(max(0.0, ends_at - time.monotonic()))

    def _run(self) -> None:
        try:
            while (given := self._queue.get()) is not None:
                begun = time.monotonic()
                self._look(given[0], guests_only=given[1])
                close_old_connections()
                if time.monotonic() - begun > SLOW_S:
                    # Hosts that hang fill many threads, whose connections are not needed otherwise.
                    connections.close_all()
                with self._lock:
                    self._free += 1
        finally:
            connections.close_all()


class Watch:
    """The hosts that this keeper watches."""

    def __init__(self, *, heartbeat_s: float | None = None, parallel: int = PARALLEL) -> None:
        self.name = f"{machine()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._heartbeat_s = heartbeat_s or settings.HEARTBEAT_S
        self._parallel = parallel
        self._watched: dict[int, _Watched] = {}
        self._woken = threading.Event()
        self._renew_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Watch until told to stop; the hosts are then free for another keeper at once."""
        lookers = _Lookers(self._parallel, self.look)
        rows_at = 0.0
        try:
            self.free_hosts_of_the_dead()
            while not stop.is_set():
                if time.monotonic() >= rows_at:
                    self._try_to_take_hosts()
                    rows_at = time.monotonic() + ROWS_EVERY_S
                for watched in self._due():
                    lookers.give(watched, guests_only=watched.begin())
                self._wait()
            self._free_hosts()
        finally:
            lookers.stop()
            for watched in self._watched.values():
                _let_go(watched)
            connections.close_all()

    def take_hosts(self) -> list[int]:
        """Say again which hosts are ours, take those that nobody watches; all that are ours."""
        now = timezone.now()
        until = now + timedelta(seconds=LEASE_BEATS * self._heartbeat_s)
        if time.monotonic() >= self._renew_at:
            Hypervisor.objects.filter(watcher=self.name).update(watched_until=until)
            self._renew_at = time.monotonic() + self._heartbeat_s
        free = Hypervisor.objects.filter(Q(watched_until=None) | Q(watched_until__lt=now))
        # Asked first: an update that changes nothing takes the database's lock all the same.
        if free.exists():
            free.update(watcher=self.name, watched_until=until)
        mine = Hypervisor.objects.filter(watcher=self.name).values_list("pk", flat=True)
        keys = list(mine)
        for gone in self._watched.keys() - set(keys):
            _let_go(self._watched.pop(gone))
        for new in set(keys) - self._watched.keys():
            self._watched[new] = _Watched(new, self._woken.set)
        return keys

    def free_hosts_of_the_dead(self) -> None:
        """Let go what a keeper of this machine watched that was killed."""
        here = Hypervisor.objects.filter(watcher__startswith=f"{machine()}:")
        for name in set(here.values_list("watcher", flat=True)):
            if not _is_running(int(name.split(":")[1])):
                here.filter(watcher=name).update(watcher="", watched_until=None)

    def _try_to_take_hosts(self) -> None:
        try:
            self.take_hosts()
        except Error:
            # The hosts stay ours for a while, and are looked at again when it is back.
            logger.exception("The database does not answer; trying again.")
        close_old_connections()

    def look(self, watched: _Watched, *, guests_only: bool = False) -> None:
        """Look at a host and hand over what was seen; the next look is planned in any case."""
        is_up = False
        try:
            is_up = self._look(watched, guests_only=guests_only)
        except Exception:
            # As with any periodic work: what failed is logged, and tried again next time.
            logger.exception("A look at the hypervisor %s failed.", watched.hypervisor)
        finally:
            self._plan(watched, is_up=is_up, is_beat=not guests_only)
            self._woken.set()

    def _look(self, watched: _Watched, *, guests_only: bool) -> bool:
        hypervisor = Hypervisor.objects.filter(pk=watched.pk).first()
        if hypervisor is None:
            return False
        if watched.hypervisor is not None and watched.hypervisor.uri != hypervisor.uri:
            forget(watched.hypervisor)
        watched.hypervisor = hypervisor
        look = look_at_host(hypervisor, timezone.now(), listener=watched, guests_only=guests_only)
        for consumer in _look_consumers:
            consumer(look)
        if look.is_up:
            _tell_changes(watched, look)
        return look.is_up

    def _plan(self, watched: _Watched, *, is_up: bool, is_beat: bool) -> None:
        now = time.monotonic()
        with watched.lock:
            watched.is_looking = False
            watched.looked_at = now
            watched.failures = 0 if is_up else watched.failures + 1
            if is_up and not is_beat:
                return
            pause_s = self._heartbeat_s
            if not is_up:
                pause_s = min(pause_s * 2 ** min(watched.failures - 1, 10), self._down_limit_s())
            # Up to a tenth more or less, so that many hosts do not come due together.
            watched.beat_at = now + pause_s * random.uniform(0.9, 1.1)  # noqa: S311 - spreads load, guards nothing

    def _down_limit_s(self) -> float:
        down = sum(each.failures > 0 for each in list(self._watched.values()))
        return max(DOWN_LIMIT_S, self._heartbeat_s, down * SILENCE_S / DOWN_THREADS)

    def _due(self) -> list[_Watched]:
        now = time.monotonic()
        return [watched for watched in self._watched.values() if watched.due_at() <= now]

    def _wait(self) -> None:
        """Until something is due, an event comes, or it is time to look at the rows again."""
        next_at = min((each.due_at() for each in self._watched.values()), default=float("inf"))
        self._woken.wait(max(0.0, min(next_at - time.monotonic(), _WAKE_S)))
        self._woken.clear()

    def _free_hosts(self) -> None:
        Hypervisor.objects.filter(watcher=self.name).update(watcher="", watched_until=None)


@functools.cache
def machine() -> str:
    """A name for where a process id means one process: this boot of this machine or container."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    space = os.stat("/proc/self/ns/pid")
    text = f"{boot} {space.st_dev} {space.st_ino}"
    return f"{socket.gethostname()[:48]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def watch_hosts(stop: threading.Event) -> None:
    """What a keeper does for as long as it runs."""
    Watch().run(stop)


def _tell_changes(watched: _Watched, look: HostLook) -> None:
    """Hand over the events, and what came or went without one."""
    changes: list[tuple[UUID, str]] = [(each.uuid, each.what) for each in watched.take_events()]
    told = {guest for guest, _ in changes}
    seen = frozenset(guest.uuid for guest in look.guests)
    if watched.guests is not None:
        changes += [(guest, "defined") for guest in seen - watched.guests - told]
        changes += [(guest, "undefined") for guest in watched.guests - seen - told]
    watched.guests = seen
    for guest, what in changes:
        for consumer in _guest_consumers:
            consumer(watched.pk, guest, what)


def _let_go(watched: _Watched) -> None:
    """Close the connection to a host that somebody else watches, or nobody any more."""
    if watched.hypervisor is not None:
        forget(watched.hypervisor)
