"""Periodic work: apps register it, one keeper of however many does each turn.

Work with a rhythm of its own is a resident: each keeper runs it, and it shares with the others.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from operations.models import Timer

logger = logging.getLogger(__name__)

RESIDENT_PAUSE_S = 2.0


@dataclass(frozen=True)
class Task:
    """Something to be done every `every_s` seconds; gets the time of its turn."""

    name: str
    every_s: float
    do: Callable[[datetime], object]


Resident = Callable[[threading.Event], object]
_tasks: dict[str, Task] = {}
_residents: dict[str, Resident] = {}


def register_timer(name: str, every_s: float, do: Callable[[datetime], object]) -> None:
    """Have something done regularly by the keeper."""
    _tasks[name] = Task(name, every_s, do)


def register_resident(name: str, run: Resident) -> None:
    """Have something run in a thread of every keeper until the event that it is given is set."""
    _residents[name] = run


def residents() -> dict[str, Resident]:
    """What runs in every keeper."""
    return dict(_residents)


def tasks() -> list[Task]:
    """What is to be done regularly."""
    return list(_tasks.values())


def take_turn(task: Task, *, now: datetime) -> bool:
    """Whether this turn is ours: one conditional update decides between keepers."""
    following = now + timedelta(seconds=task.every_s)
    if Timer.objects.filter(pk=task.name, due_at__lte=now).update(due_at=following):
        return True
    _, made = Timer.objects.get_or_create(name=task.name, defaults={"due_at": following})
    return made


def run_turn(task: Task, *, now: datetime) -> None:
    """Do a task's turn; a failure is logged and leaves the next turn alone."""
    try:
        task.do(now)
    except Exception:
        logger.exception("The periodic task %s failed.", task.name)


def bring_forward(name: str, *, now: datetime) -> None:
    """Let a task's next turn be now; the keeper sees it within a second or so."""
    Timer.objects.update_or_create(name=name, defaults={"due_at": now})


def reside(name: str, run: Resident, stop: threading.Event) -> None:
    """Run a resident until told to stop; when it fails, it is logged and begins anew."""
    while not stop.is_set():
        try:
            run(stop)
        except Exception:
            logger.exception("What the keeper does as %s failed; it begins anew.", name)
        stop.wait(RESIDENT_PAUSE_S)
