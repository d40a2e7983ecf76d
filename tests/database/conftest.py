"""A portal on a PostgreSQL of its own, with one simulated host."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.blink import add_blink
from tests.cloud.conftest import Lab, set_up
from tests.cloud.slate import Slate
from tests.portal import Portal, eventually, running
from tests.postgres import Cluster, stoppable_cluster


@dataclass
class Site:
    """The portal, its database server and its host."""

    portal: Portal
    database: Cluster
    slate: Slate


@dataclass
class Answer:
    """What the portal said to one request."""

    status: int
    body: Any
    retry_after: str | None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the clients warn of their own future; what the portal warns of is in its logs."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore"))


def add_host(lab: Lab, portal: Portal, count: int = 1) -> list[dict[str, Any]]:
    """Start hosts and register them."""
    key = portal.var / "lab_key.pub"
    key.write_text(portal.manage("hypervisor", "key"))
    hosts = lab.up(count, key)
    for host in hosts:
        words = (host["name"], host["uri"], "--accept-host-key", host["host_key_fingerprint"])
        portal.manage("hypervisor", "add", *words)
    return hosts


def own_lab(var: Path) -> Lab:
    """A lab beside that of the other tests of this run."""
    number = os.getpid() % 8000
    return Lab(var, f"d{number}", f"10.{128 + number // 250}.{number % 250}.0/24")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Everything runs."""
    # Short, since Unix sockets lie below it.
    with (
        tempfile.TemporaryDirectory(prefix="cpd-", ignore_cleanup_errors=True) as folder,
        stoppable_cluster() as database,
    ):
        portal = Portal(Path(folder), database_url=database.url)
        set_up(portal)
        lab = own_lab(portal.var)
        try:
            hosts = add_host(lab, portal)
            with running(portal):
                add_blink(portal.connection("cloudportal-admin"), portal.var)
                yield Site(portal, database, Slate(portal, [host["name"] for host in hosts]))
        finally:
            lab.run("down")


def asker(portal: Portal, token: str) -> Callable[..., Answer]:
    """What sends compute requests, and takes any answer."""

    def ask(path: str, body: Any = None, *, method: str = "") -> Answer:
        headers = {"X-Auth-Token": token, "Content-Type": "application/json"}
        headers["OpenStack-API-Version"] = "compute 2.96"
        request = urllib.request.Request(
            f"{portal.url}/compute/v2.1{path}",
            data=json.dumps(body).encode() if body else None,
            headers=headers,
            method=method or ("POST" if body else "GET"),
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                text = answer.read()
                return Answer(answer.status, json.loads(text) if text else None, None)
        except urllib.error.HTTPError as error:
            return Answer(error.code, json.load(error), error.headers.get("Retry-After"))

    return ask


@pytest.fixture(autouse=True)
def _portal_logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Put the portal's last lines into the report of a test that fails."""
    failed = request.session.testsfailed
    names = [name for name in ("site", "crowded") if name in request.fixturenames]
    found = [request.getfixturevalue(name) for name in names]
    yield
    if request.session.testsfailed > failed:
        for each in found:
            sys.stderr.write(getattr(each, "portal", each).logs())


@pytest.fixture
def empty_site(site: Site) -> Iterator[Site]:
    """A cloud without servers, before and after; what a test leaves is deleted and missed."""
    delete_all(site.portal)
    yield site
    delete_all(site.portal)
    site.slate.assert_clean()


def delete_all(portal: Portal) -> None:
    """Delete every server and wait until none is left."""
    admin = portal.connection("cloudportal-admin")
    for server in admin.compute.servers(details=False, all_projects=True):
        admin.compute.delete_server(server.id, ignore_missing=True)
    eventually(
        lambda: not list(admin.compute.servers(details=False, all_projects=True)),
        within_s=240,
        what="all servers are deleted",
    )
