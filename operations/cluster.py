"""A django-q2 cluster of which any process may be killed at any moment.

Out of the box two things go wrong then. An idle worker holds the lock of the job queue while it
waits; killed, it never gives it back, and no other worker gets a job again. And what loses its
parent goes on by itself, beside the cluster that is started in its place. So here a death that was
not planned ends all workers, and they start again with new queues; and a child dies with its
parent. The operations that were under way are taken over when their leases have run out.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing import Event
from multiprocessing.sharedctypes import RawValue
from typing import Any

from django_q import cluster
from django_q.conf import Conf
from django_q.queues import Queue

logger = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
# The sentinel goes round every second; stuck for so long it will not come back.
SENTINEL_PATIENCE_S = 20.0
RECYCLED = -2
OVERDUE = 0

# When the sentinel last went round (monotonic, the same in all processes). Without a lock, as
# whoever is killed might hold it.
_last_round = RawValue("d", 0.0)


def run_cluster() -> bool:
    """Run the workers of this process's queue until told to stop; whether that is why it ended."""
    die = _die_with_parent()
    os.register_at_fork(after_in_child=die)
    # `Cluster.start` takes the class from its module.
    cluster.Sentinel = Sentinel
    _last_round.value = time.monotonic()
    running = cluster.Cluster()
    # Beside the start, which waits for the sentinel too, and for ever.
    threading.Thread(target=_watch, args=[running], name="watch", daemon=True).start()
    running.start()
    running.sentinel.join()
    return bool(running.sentinel.exitcode == 0)


def _watch(running: Any) -> None:
    """End a sentinel that goes round no more; all below it ends with it."""
    while True:
        time.sleep(1)
        sentinel = running.sentinel
        late_s = time.monotonic() - _last_round.value
        if late_s > SENTINEL_PATIENCE_S and sentinel is not None and sentinel.is_alive():
            logger.critical("The cluster's sentinel is stuck; the cluster ends.")
            os.kill(sentinel.pid, signal.SIGKILL)


class Sentinel(cluster.Sentinel):  # type: ignore[misc]  # django-q2 has no types
    """Keeps workers, pusher and monitor running, whatever happens to them."""

    def status(self) -> str:
        """Asked for at every round."""
        _last_round.value = time.monotonic()
        return str(super().status())

    def reincarnate(self, process: Any) -> None:
        """Replace what ended: alone when that was planned, else with all that shares its queues."""
        if process not in (*self.pool, self.monitor, self.pusher):
            return  # replaced together with another one
        if process in self.pool and int(process.timer.value) in (RECYCLED, OVERDUE):
            super().reincarnate(process)
            return
        logger.critical("%s of the cluster died; all of it starts again.", process.name)
        for each in (*self.pool, self.monitor, self.pusher):
            each.kill()
            each.join()
        self.task_queue = Queue(maxsize=Conf.QUEUE_LIMIT) if Conf.QUEUE_LIMIT else Queue()
        self.result_queue = Queue()
        self.event_out = Event()
        self.reincarnations += 1
        self.spawn_cluster()


def _die_with_parent() -> Callable[[], None]:
    """What a child does first; the library is loaded before, since a fork must not wait for it."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def die() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    return die
