"""The keeper: wakes operations that are due and does what is done regularly."""

from __future__ import annotations

import logging
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand
from django.db import Error, close_old_connections
from django.utils import timezone

from cloudportal.checks import wait_until_ready
from operations.sweep import sweep
from operations.timers import Task, reside, residents, run_turn, take_turn, tasks

logger = logging.getLogger(__name__)

SWEEP_EVERY_S = 0.2


class Command(BaseCommand):
    """`manage.py keeper`: runs until it gets a TERM or INT signal."""

    help = "Wakes operations that are due and does periodic work. Several may run; one acts."

    # All checks would load every page and API, a fifth of the portal's memory.
    requires_system_checks = ["cloudportal_state"]

    def handle(self, *args: Any, **options: Any) -> None:
        """Sweep, and start the periodic tasks whose turn it is, until told to stop."""
        wait_until_ready()
        stop = threading.Event()

        def on_signal(number: int, frame: FrameType | None) -> None:
            stop.set()

        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGINT, on_signal)
        lodgers = [
            threading.Thread(target=reside, args=(name, run, stop), name=name)
            for name, run in residents().items()
        ]
        for lodger in lodgers:
            lodger.start()
        with ThreadPoolExecutor(max_workers=4, thread_name_prefix="timer") as pool:
            running: dict[str, Future[None]] = {}
            looked: dict[str, float] = {}
            while not stop.is_set():
                try:
                    sweep(now=timezone.now())
                    _start_due(pool, running, looked)
                except Error:
                    logger.exception("The database does not answer; trying again.")
                    stop.wait(2)
                close_old_connections()
                stop.wait(SWEEP_EVERY_S)


def _start_due(
    pool: ThreadPoolExecutor, running: dict[str, Future[None]], looked: dict[str, float]
) -> None:
    """Start the tasks whose turn it is; a turn that still runs is not doubled."""
    for task in tasks():
        if task.name in running and not running[task.name].done():
            continue
        # Asking the database costs a write when the turn is ours; a cheap clock goes before it.
        if time.monotonic() - looked.get(task.name, float("-inf")) < min(task.every_s, 1.0):
            continue
        looked[task.name] = time.monotonic()
        if take_turn(task, now=timezone.now()):
            running[task.name] = pool.submit(_turn, task)


def _turn(task: Task) -> None:
    try:
        run_turn(task, now=timezone.now())
    finally:
        close_old_connections()
