"""How long lists of servers take on PostgreSQL: a thousand at once, and late pages of very many.

`python -m bench.lists` measures this alone. The rows are made directly; only the web process runs.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.cloud import Compute
from bench.figures import emit, emit_machine, emit_times, timed
from tests.cloud.conftest import set_up
from tests.portal import Portal, eventually
from tests.postgres import cluster

PAGE, MANY = 1000, 100_000
ROUNDS = 15
LIST_MS = 120
LATE_TIMES = 1.2
# Rows of a host that nobody asks anything of.
HOST = """
from hypervisors.models import Hypervisor
Hypervisor.objects.create(name="rows", hostname="rows", uri="qemu+ssh://rows/system")
"""
MARKER = """
import json
from servers.models import Server
rows = Server.objects.order_by("-created_at", "-id").values_list("pk", flat=True)
print(json.dumps([str(rows[{at}])]))
"""


@contextlib.contextmanager
def web_on_postgres() -> Iterator[tuple[Portal, Compute]]:
    """A portal of which only the web process runs."""
    with (
        tempfile.TemporaryDirectory(prefix="cpl-", ignore_cleanup_errors=True) as folder,
        cluster() as url,
    ):
        portal = Portal(Path(folder), database_url=url)
        set_up(portal)
        portal.manage("shell", "-v", "0", "-c", HOST)
        try:
            portal.start("web")
            eventually(portal.is_healthy, within_s=60, what="the portal answers")
            # The project's default group is made when it is first looked at.
            assert list(portal.connection().network.security_groups())
            yield portal, Compute(portal)
        finally:
            portal.stop()


def ask(portal: Portal, program: str) -> Any:
    """Run Python inside the portal's environment; what it prints last, as JSON."""
    answer = portal.manage("shell", "-v", "0", "-c", program)
    return json.loads(answer.strip().splitlines()[-1])


def measure_lists() -> None:
    """Print the figures."""
    with web_on_postgres() as (portal, compute):
        token = compute.headers["X-Auth-Token"]
        grow = "from bench.rows import grow_to; grow_to({}, {!r})"
        queries = {
            total: ask(portal, grow.format(total, token)) for total in (PAGE // 100, PAGE, MANY)
        }
        _measure_a_thousand(compute)
        _measure_pages(portal, compute)
        emit(
            "get_servers_detail_queries",
            queries[MANY],
            "queries",
            goal=f"== {queries[PAGE // 100]} (with {PAGE // 100} servers)",
            is_constant=len(set(queries.values())) == 1,
        )


def _measure_a_thousand(compute: Compute) -> None:
    first = f"/servers/detail?limit={PAGE}"
    assert len(compute.get(first)["servers"]) == PAGE
    emit_times(
        "get_servers_detail_1000",
        [timed(lambda: compute.get(first)) for _ in range(ROUNDS)],
        goal_ms=LIST_MS,
    )


def _measure_pages(portal: Portal, compute: Compute) -> None:
    """In turns, so that whatever else the machine does meets both alike."""
    for size in (100, PAGE):
        [marker] = ask(portal, MARKER.format(at=MANY - size - 1))
        first = f"/servers/detail?limit={size}"
        last = f"{first}&marker={marker}"
        page = compute.get(last)
        assert len(page["servers"]) == size
        times: dict[str, list[float]] = {first: [], last: []}
        for _ in range(ROUNDS):
            for path, taken in times.items():
                taken.append(timed(lambda path=path: compute.get(path)))  # type: ignore[misc]  # bound now
        medians = {path: statistics.median(taken) * 1000 for path, taken in times.items()}
        emit(
            f"last_page_of_{MANY}_by_{size}",
            medians[last] / medians[first],
            "times the first",
            goal=f"<= {LATE_TIMES}",
            first_ms=round(medians[first], 1),
            last_ms=round(medians[last], 1),
        )


if __name__ == "__main__":
    emit_machine()
    measure_lists()
