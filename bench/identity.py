"""How long identity takes: tokens checked and issued, long lists, people made and removed.

`python -m bench.identity` measures this alone, on PostgreSQL and on SQLite.
"""

from __future__ import annotations

import http.client
import json
import tempfile
from pathlib import Path
from typing import Any

from bench.figures import emit_machine, emit_times, timed
from tests.portal import Portal, eventually
from tests.postgres import cluster

CHECK_MS, ISSUE_MS, LIST_MS, CHANGE_MS = 1, 10, 100, 20
ROUNDS = 15
HUNDRED = 100


class Identity:
    """The identity API over one connection that is kept open, as the administrator."""

    def __init__(self, portal: Portal) -> None:
        token = portal.connection("cloudportal-admin").auth_token
        self.line = http.client.HTTPConnection("127.0.0.1", portal.port, timeout=60)
        self.headers = {"Content-Type": "application/json", "X-Auth-Token": str(token)}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One call."""
        data = None if body is None else json.dumps(body)
        self.line.request(method, f"/identity/v3{path}", data, self.headers)
        answer = self.line.getresponse()
        text = answer.read()
        assert answer.status < 300, f"{method} {path}: {answer.status} {text[:300]!r}"
        return json.loads(text) if text else None


def measure_identity() -> None:
    """Print the figures."""
    with cluster() as url:
        _measure("postgresql", url)
    _measure("sqlite", "")


def _measure(database: str, url: str) -> None:
    with tempfile.TemporaryDirectory(prefix="cpi-", ignore_cleanup_errors=True) as folder:
        portal = Portal(Path(folder), database_url=url)
        portal.manage("setup", "--no-hypervisor")
        program = "from bench.people import grow, measure; grow(); measure()"
        printed = portal.manage("shell", "-v", "0", "-c", program).strip().splitlines()[-1]
        times = json.loads(printed)
        emit_times(f"token_check_{database}", times["token_check"], goal_ms=CHECK_MS)
        emit_times(f"token_issue_{database}", times["token_issue"], goal_ms=ISSUE_MS)
        try:
            portal.start("web")
            eventually(portal.is_healthy, within_s=60, what="the portal answers")
            _measure_lists(database, Identity(portal))
            _measure_changes(database, Identity(portal))
        finally:
            portal.stop()


def _measure_lists(database: str, identity: Identity) -> None:
    for kind in ("projects", "users"):
        assert len(identity.ask("GET", f"/{kind}?limit=1000")[kind]) == 1000
        emit_times(
            f"get_{kind}_1000_{database}",
            [timed(lambda kind=kind: identity.ask("GET", f"/{kind}")) for _ in range(ROUNDS)],  # type: ignore[misc]  # bound now
            goal_ms=LIST_MS,
        )


def _measure_changes(database: str, identity: Identity) -> None:
    """A hundred of each made and removed; users without passwords, whose hashes take long."""
    for kind in ("project", "user"):
        made: list[str] = []

        def make(kind: str = kind, made: list[str] = made) -> None:
            body = {kind: {"name": f"suite-{len(made)}"}}
            made.append(identity.ask("POST", f"/{kind}s", body)[kind]["id"])

        emit_times(
            f"post_{kind}_{database}",
            [timed(make) for _ in range(HUNDRED)],
            goal_ms=CHANGE_MS,
        )
        emit_times(
            f"delete_{kind}_{database}",
            [
                timed(lambda one=one, kind=kind: identity.ask("DELETE", f"/{kind}s/{one}"))  # type: ignore[misc]  # bound now
                for one in made
            ],
            goal_ms=CHANGE_MS,
        )


if __name__ == "__main__":
    emit_machine()
    measure_identity()
