"""Work in processes of its own, that may be killed: forks of the test, with its fake hosts."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.db import connection, connections

from hypervisors.platforms import forget_neighbours
from operations import engine
from tests.matrix.world import World

_TABLE = re.compile(r'\b(?:FROM|INTO|UPDATE)\s+"(\w+)"')

# What a moment is called, and the how manieth of that name it is.
Point = tuple[str, int]


def fork(work: Callable[[], None]) -> int:
    """Start the work in a process of its own; its id. Neither end keeps a database connection."""
    for each in connections.all():
        _disconnect(each)
    child = os.fork()
    if child:
        return child
    status = 1
    # As a process that starts: what it knows by heart would leave moments out.
    forget_neighbours()
    try:
        work()
        status = 0
    except BaseException:  # noqa: BLE001 - nothing may go on in the child as if it were the test
        traceback.print_exc()
    finally:
        os._exit(status)


def _disconnect(database: Any) -> None:
    database.close()
    if database.vendor == "postgresql":
        database.close_pool()


def ended(child: int) -> int:
    """Wait for the process; 0, its exit status, or the negative signal that ended it."""
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


class Watch:
    """Notes every moment at which the engine may be interrupted, and kills the process at one.

    Moments lie before and after every statement of SQL, every commit and every call to a host, and
    in the middle of an upload.
    """

    def __init__(self, at: Point | None = None, *, at_number: int | None = None) -> None:
        self.seen: list[Point] = []
        self._at = at
        self._at_number = at_number
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._is_on = False

    @contextlib.contextmanager
    def over(self, world: World) -> Iterator[None]:
        """Watch the engine wherever it is run from now on; only it, not the test around it."""
        database: Any = connection
        run, commit = engine.run, database._commit

        def watched_run(*arguments: Any, **options: Any) -> None:
            self._is_on = True
            try:
                run(*arguments, **options)
            finally:
                self._is_on = False

        def watched_commit() -> None:
            self.moment("before COMMIT")
            commit()
            self.moment("after COMMIT")

        world.hosts.watch(self.moment)
        engine.run, database._commit = watched_run, watched_commit
        try:
            with connection.execute_wrapper(self._statement):
                yield
        finally:
            engine.run, database._commit = run, commit
            world.hosts.watch(None)

    def moment(self, name: str) -> None:
        """One more moment; perhaps the last."""
        if not self._is_on:
            return
        with self._lock:
            self._counts[name] += 1
            point = (name, self._counts[name])
            self.seen.append(point)
            if point == self._at or len(self.seen) == self._at_number:
                os.kill(os.getpid(), signal.SIGKILL)

    def _statement(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        verb, table = sql.split(maxsplit=1)[0], _TABLE.search(sql)
        name = f"{verb} {table[1]}" if table else verb
        self.moment(f"before {name}")
        answer = execute(sql, params, many, context)
        self.moment(f"after {name}")
        return answer


def moments(world: World, folder: Path) -> list[Point]:
    """All moments of settling what is unfinished now, which a process of its own does."""
    notes = folder / "moments"

    def work() -> None:
        watch = Watch()
        with watch.over(world):
            world.settle()
        notes.write_text("\n".join(f"{number} {name}" for name, number in watch.seen))

    assert ended(fork(work)) == 0
    lines = (line.partition(" ") for line in notes.read_text().splitlines())
    return [(name, int(number)) for number, _, name in lines]


def is_killed(world: World, watch: Watch) -> bool:
    """Let a process settle what is unfinished, killed by the watch; False: it came to the end."""

    def work() -> None:
        with watch.over(world):
            world.settle()

    status = ended(fork(work))
    assert status in (0, -signal.SIGKILL)
    return status != 0
