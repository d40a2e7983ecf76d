"""What a host that hangs costs the servers of other hosts: `python -m bench.hanging_host`.

Hard reboots of servers on two hosts, one after the other, in turns: while a third host is well, and
while it is frozen and reboots of its own servers are asked for again and again. Guests do nothing
but wait, so that what is measured is the portal's and the hosts' work.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.cloud import Compute
from bench.figures import emit, emit_machine, p95
from tests.cloud.conftest import Cloud, set_up, simulated_hosts
from tests.cloud.hosts import only, wait_state
from tests.cloud.slate import Slate
from tests.portal import Portal, eventually, running

TURNS = 5
REBOOTS = 8
ON_VICTIM = 4
ELSEWHERE = 1
POLL_S = 0.05
# hlt, and again.
IDLE = bytes.fromhex("f4ebfd").ljust(510, b"\0") + b"\x55\xaa"
SIZE_BYTES = 1024**2


def main() -> None:
    """Print the figure."""
    emit_machine()
    with _cloud() as (cloud, compute):
        measure_hanging_host(cloud, compute)


def measure_hanging_host(cloud: Cloud, compute: Compute) -> None:
    """In turns, so that whatever else changes on the machine touches both alike."""
    victim, *others = (host["name"] for host in cloud.hosts)
    on_victim = _servers(cloud, compute, victim, ON_VICTIM)
    elsewhere = [
        server for other in others for server in _servers(cloud, compute, other, ELSEWHERE)
    ]
    _reboots(compute, elsewhere, len(elsewhere))
    healthy: list[float] = []
    hanging: list[float] = []
    for _ in range(TURNS):
        healthy += _reboots(compute, elsewhere, REBOOTS)
        with _frozen(cloud, victim), _asked(cloud.portal, on_victim):
            hanging += _reboots(compute, elsewhere, REBOOTS)
        wait_state(cloud, victim, "up")
        eventually(lambda: _are_idle(compute, on_victim), within_s=180, what="the victim is well")
    emit(
        "hanging_host_reboot_p95_ratio",
        p95(hanging) / p95(healthy),
        "",
        goal="<= 1.1",
        median_ratio=round(statistics.median(hanging) / statistics.median(healthy), 3),
        healthy_p95_ms=round(p95(healthy) * 1000),
        hanging_p95_ms=round(p95(hanging) * 1000),
        healthy_median_ms=round(statistics.median(healthy) * 1000),
        hanging_median_ms=round(statistics.median(hanging) * 1000),
        healthy_most_ms=round(max(healthy) * 1000),
        hanging_most_ms=round(max(hanging) * 1000),
        count=len(healthy),
    )


@contextmanager
def _cloud() -> Iterator[tuple[Cloud, Compute]]:
    with tempfile.TemporaryDirectory(prefix="cph-", ignore_cleanup_errors=True) as folder:
        portal = Portal(Path(folder))
        set_up(portal)
        with simulated_hosts(portal, 3) as (lab, hosts), running(portal):
            image = Path(folder) / "idle.raw"
            image.write_bytes(IDLE.ljust(SIZE_BYTES, b"\0"))
            connection: Any = portal.connection("cloudportal-admin")
            made = connection.image.create_image(
                "idle", filename=str(image), disk_format="raw", container_format="bare",
                visibility="public", wait=True, validate_checksum=False,
            )  # fmt: skip
            compute = Compute(portal)
            compute.image = made.id
            yield (
                Cloud(portal, lab, hosts, Slate(portal, [host["name"] for host in hosts])),
                compute,
            )


def _servers(cloud: Cloud, compute: Compute, host: str, count: int) -> list[str]:
    with only(cloud, host):
        made = [compute.create(f"{host}-{number}")["id"] for number in range(count)]
        eventually(lambda: _are_idle(compute, made), within_s=180, what="servers are active")
    return made


def _are_idle(compute: Compute, servers: list[str]) -> bool:
    return all(_is_idle(compute, server) for server in servers)


def _is_idle(compute: Compute, server: str) -> bool:
    found = compute.get(f"/servers/{server}")["server"]
    return found["status"] == "ACTIVE" and found["OS-EXT-STS:task_state"] is None


def _reboot(compute: Compute, server: str) -> None:
    compute.post(f"/servers/{server}/action", {"reboot": {"type": "HARD"}})


def _reboots(compute: Compute, servers: list[str], count: int) -> list[float]:
    """How many seconds each took, from the request until the server is ACTIVE again."""
    times = []
    for number in range(count):
        server = servers[number % len(servers)]
        begun = time.perf_counter()
        _reboot(compute, server)
        while not _is_idle(compute, server):
            time.sleep(POLL_S)
        times.append(time.perf_counter() - begun)
    return times


@contextmanager
def _frozen(cloud: Cloud, host: str) -> Iterator[None]:
    cloud.lab.run("freeze-host", host)
    try:
        yield
    finally:
        cloud.lab.run("thaw-host", host)


@contextmanager
def _asked(portal: Portal, servers: list[str]) -> Iterator[None]:
    """Reboots of these servers are asked for, again as soon as one has come to its end."""
    stop = threading.Event()

    def ask() -> None:
        compute = Compute(portal)
        while not stop.wait(0.5):
            for server in servers:
                if _is_idle(compute, server):
                    _reboot(compute, server)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        stop.set()
        asking.join()


if __name__ == "__main__":
    main()
