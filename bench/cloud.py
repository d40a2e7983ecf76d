"""A portal of the benchmark's own with one simulated host, and requests to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.proc import tree
from tests.cloud.conftest import set_up, simulated_hosts
from tests.portal import Portal, eventually, running

MICROVERSION = "2.96"
WORKERS = ("worker", "transfer", "keeper")


class Compute:
    """The compute API over one connection that is kept open, as demo."""

    def __init__(self, portal: Portal) -> None:
        connection: Any = portal.connection()
        self.line = http.client.HTTPConnection("127.0.0.1", portal.port, timeout=60)
        self.headers = {
            "Content-Type": "application/json",
            "OpenStack-API-Version": f"compute {MICROVERSION}",
            "X-Auth-Token": connection.auth_token,
        }
        self.image = connection.image.find_image("tiny").id
        self.flavors = {each.name: each.id for each in connection.compute.flavors()}

    def create(self, name: str, flavor: str = "m1.tiny", **fields: Any) -> dict[str, Any]:
        """Ask for a server."""
        server = {
            "name": name,
            "imageRef": self.image,
            "flavorRef": self.flavors[flavor],
            "networks": "auto",
            **fields,
        }
        return self._answer("POST", "/servers", {"server": server})["server"]

    def get(self, path: str) -> Any:
        """Read something."""
        return self._answer("GET", path)

    def post(self, path: str, body: dict[str, Any]) -> None:
        """Ask for an action."""
        self._answer("POST", path, body)

    def delete_all(self, *, wait: bool = True) -> None:
        """Delete every server."""
        for server in self.get("/servers")["servers"]:
            self._answer("DELETE", f"/servers/{server['id']}")
        if wait:
            eventually(
                lambda: not self.get("/servers")["servers"], within_s=120, what="all are deleted"
            )

    def _answer(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body)
        self.line.request(method, f"/compute/v2.1{path}", data, self.headers)
        answer = self.line.getresponse()
        text = answer.read()
        assert answer.status < 300, f"{method} {path}: {answer.status} {text[:300]!r}"
        return json.loads(text) if text else None


@dataclass
class Bench:
    """The portal and its hosts."""

    portal: Portal
    compute: Compute
    hosts: list[dict[str, Any]]

    @property
    def host(self) -> dict[str, Any]:
        """The first host, mostly the only one."""
        return self.hosts[0]

    @property
    def root(self) -> Path:
        """The first host's file system, seen from here."""
        return root_of(self.host)

    def ask(self, program: str) -> Any:
        """Run Python inside the portal's environment; what it prints last, as JSON."""
        answer = self.portal.manage("shell", "-v", "0", "-c", program)
        return json.loads(answer.strip().splitlines()[-1])

    def stop_workers(self) -> None:
        """Leave the web process alone."""
        for name in WORKERS:
            if name in self.portal.processes:
                self.portal.kill(name)

    def start_workers(self) -> None:
        """Have all processes again."""
        for name in WORKERS:
            if name not in self.portal.processes:
                self.portal.start(name)

    def programs(self) -> dict[str, list[int]]:
        """The processes of each of the portal's programs, those it started among them."""
        return {name: tree(popen.pid) for name, popen in self.portal.processes.items()}


def root_of(host: dict[str, Any]) -> Path:
    """A host's file system, seen from here."""
    return Path(f"/proc/{host['pid']}/root")


@contextlib.contextmanager
def bench_cloud(count: int = 1) -> Iterator[Bench]:
    """Set everything up, with so many hosts; take it away afterwards."""
    # Short, since Unix sockets lie below it.
    with tempfile.TemporaryDirectory(prefix="cpb-", ignore_cleanup_errors=True) as folder:
        portal = Portal(Path(folder))
        # What an installation has, where the tests are more eager.
        del portal.environment["CLOUDPORTAL_HEARTBEAT_S"]
        set_up(portal)
        with simulated_hosts(portal, count) as (_, hosts), running(portal):
            admin: Any = portal.connection("cloudportal-admin")
            admin.compute.create_flavor(name="too-large", ram=128, vcpus=1, disk=500_000)
            project = admin.identity.find_project("demo")
            admin.compute.update_quota_set(project.id, instances=2000, cores=-1, ram=-1)
            yield Bench(portal, Compute(portal), hosts)
