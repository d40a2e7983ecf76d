"""Lets an operation that takes long go on in a thread, so that its worker can take the next job.

A worker process runs one job at a time. A host that hangs would hold such a process for as long as
its deadlines, and a few jobs for that host would hold them all, to the harm of every other host.
So a job waits for its operation only for a moment, and then leaves it in its lane, a thread; only
when all lanes are taken does it wait for one to become free. Nothing is lost by that: a job is a
wake-up, and the lease says whether the operation is alive.
"""

from __future__ import annotations

import functools
import logging
import multiprocessing.util
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from django.db import close_old_connections, connections

logger = logging.getLogger(__name__)

# Most of the steps that need no host are over by then.
PATIENCE_S = 1.0
# Operations that one worker process may have under way.
LANES = 12


class Lanes:
    """A worker process's threads. After `run` there is always a free one."""

    def __init__(self, size: int = LANES, patience_s: float = PATIENCE_S) -> None:
        self.stopping = threading.Event()
        self._size = size
        self._patience_s = patience_s
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="lane")
        self._taken: set[Future[None]] = set()

    def run(self, work: Callable[[], None]) -> None:
        """Start the work; come back when it is done, or when it may be left to itself.

        Raises:
            Exception: what the work raised before it was left.
        """
        mine = self._pool.submit(_in_lane, work)
        wait([mine], timeout=self._patience_s)
        if mine.done():
            mine.result()
            return
        mine.add_done_callback(_report)
        self._taken = {each for each in self._taken if not each.done()} | {mine}
        if len(self._taken) >= self._size:
            wait(self._taken, return_when=FIRST_COMPLETED)

    def stop(self) -> None:
        """Let what is under way end at its next step; the process then waits for that."""
        self.stopping.set()


def lanes() -> Lanes:
    """This process's lanes, made at first use: threads do not survive a fork."""
    return _lanes_of(os.getpid())


@functools.lru_cache(maxsize=1)
def _lanes_of(_pid: int) -> Lanes:
    made = Lanes()
    # Run when a worker of the cluster ends, before its threads are waited for.
    multiprocessing.util.Finalize(made, made.stop, exitpriority=10)
    return made


def _in_lane(work: Callable[[], None]) -> None:
    close_old_connections()
    begun = time.monotonic()
    try:
        work()
    finally:
        if time.monotonic() - begun < PATIENCE_S:
            close_old_connections()
        else:
            # Slow work fills many lanes at once. Their connections are not kept for the next time:
            # those of all workers together would be more than a database has to give.
            connections.close_all()


def _report(done: Future[None]) -> None:
    error = done.exception()
    if error is not None:
        logger.error("An operation broke off; it will be taken over.", exc_info=error)
