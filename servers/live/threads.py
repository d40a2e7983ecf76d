"""How the event loop has work done that waits: for the database, or for a host."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import connections

P = ParamSpec("P")
R = TypeVar("R")

# Silent hosts hold threads for seconds; others must not wait for them.
THREADS = 64
_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="live")


async def in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call the function in a thread, which keeps no connection to the database afterwards."""
    work = functools.partial(_called, function, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_pool, work)


def _called(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    try:
        return function(*args, **kwargs)
    finally:
        connections.close_all()
