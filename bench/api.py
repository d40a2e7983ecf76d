"""How long the API takes: creating servers, and listing many."""

from __future__ import annotations

import time

from bench.cloud import Bench
from bench.figures import emit, emit_times, timed
from tests.portal import eventually

CREATES = 40
LISTS = 15
FEW, MANY = 10, 1000


def measure_creates(bench: Bench) -> None:
    """POST /servers, alone and beside workers that are busy with what was posted."""
    compute = bench.compute
    warm = [compute.create(f"warm-{number}", "too-large") for number in range(5)]
    eventually(lambda: _is_quiet(bench), what=f"{len(warm)} servers have no host")
    beside = [_create(bench, f"beside-{number}") for number in range(CREATES)]
    emit_times("post_servers_workers_running", beside, goal_ms=40)
    eventually(lambda: _is_quiet(bench), what="no server is being built")
    compute.delete_all()
    bench.stop_workers()
    alone = [_create(bench, f"alone-{number}") for number in range(CREATES)]
    emit_times("post_servers", alone, goal_ms=40)
    compute.delete_all(wait=False)
    bench.start_workers()
    eventually(lambda: not compute.get("/servers")["servers"], what="all servers are deleted")


def _create(bench: Bench, name: str) -> float:
    """At rest between two: a machine of few processors measures itself otherwise."""
    time.sleep(0.1)
    # Fits no host, so that the workers have their work but no guest takes the processors.
    return timed(lambda: bench.compute.create(name, "too-large", config_drive=True))


def _is_quiet(bench: Bench) -> bool:
    servers = bench.compute.get("/servers/detail")["servers"]
    return all(server["status"] != "BUILD" for server in servers)


def measure_lists(bench: Bench) -> None:
    """GET /servers/detail of few and of many; only the web process runs."""
    bench.stop_workers()
    counts = {}
    for total in (FEW, MANY):
        token = bench.compute.headers["X-Auth-Token"]
        counts[total] = bench.ask(f"from bench.rows import grow_to; grow_to({total}, {token!r})")
        found = bench.compute.get("/servers/detail?limit=1000")["servers"]
        assert len(found) == total, f"{len(found)} servers instead of {total}"
        times = [
            timed(lambda: bench.compute.get("/servers/detail?limit=1000")) for _ in range(LISTS)
        ]
        emit_times(f"get_servers_detail_{total}", times, goal_ms=150)
    emit(
        "get_servers_detail_queries",
        counts[MANY],
        "queries",
        goal=f"== {counts[FEW]} (with {FEW} servers)",
        is_constant=counts[MANY] == counts[FEW],
    )
