"""Images shared, imported and taken out of use with the real command; servers start from them."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cloud.blink import UP, boot_sector
from tests.cloud.conftest import Cloud
from tests.images.web import site
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]
ADMIN = "cloudportal-admin"
PASSWORD = "other-people-s-password"
RAW = ("--disk-format", "raw", "--container-format", "bare")


@pytest.fixture
def disk(tmp_path) -> Path:
    """A guest that boots, of content that no other test has."""
    path = tmp_path / "disk.raw"
    path.write_bytes((boot_sector() + uuid.uuid4().bytes).ljust(1024**2, b"\0"))
    return path


@pytest.fixture
def others(cloud: Cloud) -> Iterator[Callable[..., str]]:
    """The command as a member of another project; its first word is a name of its own."""
    name = f"p-{uuid.uuid4().hex[:8]}"

    def as_admin(*words: str) -> None:
        cloud.portal.openstack(*words, cloud=ADMIN)

    as_admin("project", "create", name)
    as_admin("user", "create", "--password", PASSWORD, name)
    as_admin("role", "add", "--project", name, "--user", name, "member")
    config = cloud.portal.connection().config.config["auth"]

    def run(*words: str, check: bool = True) -> str:
        who = ("--os-username", name, "--os-password", PASSWORD, "--os-project-name", name)
        return cloud.portal.openstack(
            *("--os-auth-url", config["auth_url"], *who), *words, check=check
        )

    run.project = name  # type: ignore[attr-defined]  # read by the tests
    yield run
    as_admin("user", "delete", name)
    as_admin("project", "delete", name)


def status_of(cloud: Cloud, image: str) -> str:
    return str(cloud.portal.openstack_json("image", "show", image)["status"])


def make_queued(cloud: Cloud, name: str) -> None:
    """An image without data: without a terminal the command would send what it reads there."""
    image = cloud.portal.connection().image
    image.create_image(name, disk_format="raw", container_format="bare")


def wait_active(cloud: Cloud, image: str) -> None:
    eventually(lambda: status_of(cloud, image) == "active", within_s=60, what=f"{image} is active")


@pytest.mark.long
def test_a_server_of_another_project_starts_from_a_shared_image(empty_cloud, disk, others):
    portal, name = empty_cloud.portal, f"shared-{uuid.uuid4().hex[:8]}"
    server = f"{name}-server"
    made = portal.openstack_json("image", "create", *RAW, "--file", str(disk), "--shared", name)

    assert name not in others("image", "list")
    portal.openstack("image", "add", "project", name, project_id(empty_cloud, others))
    assert name not in others("image", "list")
    assert name in others("image", "list", "--shared", "--member-status", "pending")
    others("image", "set", "--accept", made["id"])
    assert name in others("image", "list")
    assert "accepted" in portal.openstack("image", "member", "list", name)

    others("server", "create", "--image", name, "--flavor", "m1.tiny", "--wait", server)
    eventually(lambda: UP in others("console", "log", "show", server), within_s=60, what="it is up")

    others("image", "set", "--reject", made["id"])
    assert name not in others("image", "list")
    portal.openstack("image", "remove", "project", name, project_id(empty_cloud, others))
    refused = others(
        *("server", "create", "--image", made["id"], "--flavor", "m1.tiny", "x"), check=False
    )
    assert made["id"] in refused
    # What was made from it stays.
    assert "ACTIVE" in others("server", "show", server)
    others("server", "delete", "--wait", server)
    portal.openstack("image", "delete", name)


def project_id(cloud: Cloud, others: Callable[..., str]) -> str:
    name = others.project  # type: ignore[attr-defined]  # set by the fixture
    return str(cloud.portal.openstack_json("project", "show", name, cloud=ADMIN)["id"])


def test_images_are_imported_from_the_stage_and_from_the_web(cloud, disk):
    portal, word = cloud.portal, uuid.uuid4().hex[:8]
    staged, fetched, refused = (f"{word}-{each}" for each in ("staged", "fetched", "refused"))

    info = portal.openstack("image", "import", "info")
    portal.openstack("image", "create", *RAW, "--import", "--file", str(disk), staged)
    wait_active(cloud, staged)
    with site() as web:
        uri = web.serve("/image", disk.read_bytes())
        for name, source in ((fetched, web.lead("/moved", uri)), (refused, "http://127.0.0.2/")):
            make_queued(cloud, name)
            portal.openstack(
                *("image", "import", "--method", "web-download", "--uri", source, name)
            )
        wait_active(cloud, fetched)
    found = [portal.openstack_json("image", "show", name) for name in (staged, fetched)]

    assert "web-download" in info
    digest = hashlib.sha512(disk.read_bytes()).hexdigest()
    assert [each["properties"]["os_hash_value"] for each in found] == [digest] * 2
    # The client does not look at the answer; nothing came of it.
    assert status_of(cloud, refused) == "queued"
    portal.openstack("image", "delete", staged, fetched, refused)


@pytest.mark.long
def test_an_image_out_of_use_is_neither_read_nor_booted(empty_cloud, disk, tmp_path):
    portal, name = empty_cloud.portal, f"off-{uuid.uuid4().hex[:8]}"
    saved = tmp_path / "saved"
    portal.openstack("image", "create", *RAW, "--file", str(disk), "--private", name)

    portal.openstack("image", "set", "--deactivate", name)
    unread = portal.openstack("image", "save", "--file", str(saved), name, check=False)
    unbooted = portal.openstack(
        *("server", "create", "--image", name, "--flavor", "m1.tiny", "x"), check=False
    )
    portal.openstack("image", "save", "--file", str(saved), name, cloud=ADMIN)
    assert saved.read_bytes() == disk.read_bytes()
    portal.openstack("image", "set", "--activate", name)
    portal.openstack(*("server", "create", "--image", name, "--flavor", "m1.tiny", "--wait", name))

    # The client does not look at the answer's status, but at what it got.
    assert "Unable to download image" in unread
    assert "is not active" in unbooted
    portal.openstack("server", "delete", "--wait", name)
    portal.openstack("image", "delete", name)


@pytest.mark.long
def test_a_killed_worker_s_download_is_gone_on_with(cloud, disk):
    portal, name = cloud.portal, f"killed-{uuid.uuid4().hex[:8]}"
    data = disk.read_bytes()

    def slowly(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        for start in range(0, len(data), 2**17):
            handler.wfile.write(data[start : start + 2**17])
            waiting.wait(0.7)

    waiting = threading.Event()
    with site() as web:
        web.answers["/image"] = slowly
        make_queued(cloud, name)
        portal.openstack(
            *("image", "import", "--method", "web-download", "--uri", web.url("/image"), name)
        )
        eventually(lambda: web.asked, within_s=30, what="the download has begun")
        portal.kill("transfer")
        waiting.set()
        portal.start("transfer")
        wait_active(cloud, name)

    assert len(web.asked) > 1
    left = [path.name for path in (portal.var / "images").iterdir() if "." in path.name]
    assert left == []
    portal.openstack("image", "delete", name)
