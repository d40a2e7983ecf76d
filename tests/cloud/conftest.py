"""A running portal with three simulated hosts, shared by all tests of this folder."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.chromium import PAGE_MS
from tests.cloud.blink import add_blink
from tests.cloud.slate import Slate
from tests.portal import ROOT, Portal, eventually, running

LAB = ROOT / "lab/lab.py"


@dataclass
class Lab:
    """Simulated hosts of this test run alone."""

    var: Path
    prefix: str
    subnet: str

    def run(self, verb: str, *words: str) -> str:
        """Run one of the lab's commands; its output."""
        where = ["--prefix", self.prefix, "--subnet", self.subnet, "--var", str(self.var)]
        done = subprocess.run(
            [sys.executable, str(LAB), verb, *where, *words],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def up(self, count: int, authorized_key: Path) -> list[dict[str, Any]]:
        """Start hosts; how to reach them."""
        words = ["--hosts", str(count), "--authorized-key", str(authorized_key)]
        found: list[dict[str, Any]] = json.loads(self.run("up", *words))
        return found


@dataclass
class Cloud:
    """The portal, its hosts, and a look at what is left."""

    portal: Portal
    lab: Lab
    hosts: list[dict[str, Any]]
    slate: Slate


def image_file() -> Path:
    """The tiny image, built once for all runs on this machine's checkout."""
    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    image = folder / "tiny.qcow2"
    with (folder / "tiny.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(
            [sys.executable, str(ROOT / "guest_image/build.py"), str(image)],
            check=True,
            env={**os.environ, "CLOUDPORTAL_VAR": str(folder)},
            stdin=subprocess.DEVNULL,
        )
    return image


def set_up(portal: Portal) -> None:
    """All that `make run` sets up, but for this machine's own libvirt."""
    portal.manage("setup", "--no-hypervisor", "--image", str(image_file()))


@contextlib.contextmanager
def simulated_hosts(portal: Portal, count: int) -> Iterator[tuple[Lab, list[dict[str, Any]]]]:
    """Start hosts of this run's own and register them as a user does; remove them afterwards."""
    number = os.getpid() % 8000
    lab = Lab(portal.var, f"c{number}", f"10.{96 + number // 250}.{number % 250}.0/24")
    key = portal.var / "lab_key.pub"
    key.write_text(portal.manage("hypervisor", "key"))
    try:
        hosts = lab.up(count, key)
        for host in hosts:
            fingerprint = host["host_key_fingerprint"]
            portal.manage(
                "hypervisor", "add", host["name"], host["uri"], "--accept-host-key", fingerprint
            )
        yield lab, hosts
    finally:
        lab.run("down")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the clients warn of their own future; what the portal warns of is in its logs."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """Three hosts, `tiny`, `blink`, `m1.tiny`, the network, and all processes."""
    # Short, since Unix sockets lie below it.
    with tempfile.TemporaryDirectory(prefix="cp-", ignore_cleanup_errors=True) as folder:
        portal = Portal(Path(folder), database_url=os.environ.get("CLOUDPORTAL_TEST_DATABASE", ""))
        set_up(portal)
        with simulated_hosts(portal, 3) as (lab, hosts), running(portal):
            add_blink(portal.connection("cloudportal-admin"), portal.var)
            yield Cloud(portal, lab, hosts, Slate(portal, [host["name"] for host in hosts]))


@pytest.fixture(autouse=True)
def _portal_logs(request: pytest.FixtureRequest, cloud: Cloud) -> Iterator[None]:
    """Put the portal's last lines into the report of a test that fails."""
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed:
        sys.stderr.write(cloud.portal.logs())


@pytest.fixture
def empty_cloud(cloud: Cloud) -> Iterator[Cloud]:
    """A cloud without servers, before and after; what a test leaves is deleted and missed."""
    delete_all(cloud)
    yield cloud
    delete_all(cloud)
    cloud.slate.assert_clean()


@pytest.fixture
def page(empty_cloud: Cloud, chromium: Browser) -> Iterator[Page]:
    """A page on the portal; what its console complains about ends the test."""
    complaints: list[str] = []
    context = chromium.new_context(
        base_url=empty_cloud.portal.url, viewport={"width": 1280, "height": 800}
    )
    context.set_default_timeout(PAGE_MS)
    opened = context.new_page()
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on(
        "console", lambda line: complaints.append(line.text) if line.type == "error" else None
    )
    yield opened
    context.close()
    assert complaints == []


def delete_all(cloud: Cloud) -> None:
    """Delete every server and wait until none is left."""
    admin = cloud.portal.connection("cloudportal-admin")
    for server in admin.compute.servers(details=False, all_projects=True):
        admin.compute.delete_server(server.id)
    eventually(
        lambda: not list(admin.compute.servers(details=False, all_projects=True)),
        within_s=240,
        what="all servers are deleted",
    )
