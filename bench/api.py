"""How long the API takes to create servers."""

from __future__ import annotations

import time

from bench.cloud import Bench
from bench.figures import emit_times, timed
from tests.portal import eventually

CREATES = 40


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
