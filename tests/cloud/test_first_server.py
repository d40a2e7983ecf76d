"""The way of one server, as a newcomer with the real command goes it."""

from __future__ import annotations

import uuid

import pytest

from tests.cloud import blink
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]

HELLO = """#!/bin/sh
echo "hello from $(hostname)"
"""


@pytest.fixture
def name() -> str:
    return f"one-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def key(empty_cloud, name, tmp_path):
    path = tmp_path / "k"
    path.write_text(empty_cloud.portal.openstack("keypair", "create", name))
    assert "PRIVATE KEY" in path.read_text()
    yield name
    empty_cloud.portal.openstack("keypair", "delete", name)


def test_a_server_boots_with_what_was_asked_for(empty_cloud, name, key, tmp_path):
    portal = empty_cloud.portal
    script = tmp_path / "hello.sh"
    script.write_text(HELLO)

    portal.openstack(
        *("server", "create", "--image", "tiny", "--flavor", "m1.tiny", "--key-name", key),
        *("--user-data", str(script), "--config-drive", "true", "--wait", name),
    )

    server = portal.openstack_json("server", "show", name)
    assert server["status"] == "ACTIVE"
    [address] = server["addresses"]["default"]

    def console() -> str:
        return portal.openstack("console", "log", "show", name)

    log = eventually(
        lambda: console() if f"hello from {name}" in console() else "",
        within_s=240,
        what="the console shows the script's output",
    )
    assert f"cloudportal-tiny: hostname {name}" in log
    assert address in log

    portal.openstack("server", "delete", "--wait", name)
    empty_cloud.slate.assert_clean()


def test_stop_start_and_reboot_happen_to_the_guest(empty_cloud, name):
    portal = empty_cloud.portal
    image = ("--image", blink.NAME)
    portal.openstack("server", "create", *image, "--flavor", "m1.tiny", "--wait", name)

    def boots() -> int:
        return portal.openstack("console", "log", "show", name).count(blink.UP)

    def status() -> str:
        return str(portal.openstack_json("server", "show", name)["status"])

    eventually(lambda: boots() == 1, within_s=240, what="the first boot")
    portal.openstack("server", "stop", name)
    eventually(lambda: status() == "SHUTOFF", within_s=120, what="the server stops")
    assert portal.openstack_json("server", "show", name)["OS-EXT-STS:power_state"] == 4
    portal.openstack("server", "start", name)
    eventually(lambda: boots() == 2, within_s=240, what="the second boot")
    assert status() == "ACTIVE"
    portal.openstack("server", "reboot", "--hard", "--wait", name)
    eventually(lambda: boots() == 3, within_s=240, what="the third boot")
    portal.openstack("server", "reboot", "--soft", "--wait", name)
    eventually(lambda: boots() == 4, within_s=240, what="the fourth boot")
    told = accounted(portal, name)
    assert told.keys() == {"create", "stop", "start", "reboot"}
    assert all(part >= 0.95 for part in told.values()), told


def accounted(portal, name: str) -> dict[str, float]:
    """By action, the least part of its time that its timeline explains."""
    compute = portal.connection().compute
    path = f"/servers/{compute.find_server(name).id}/os-instance-actions"
    found: dict[str, float] = {}
    for action in compute.get(path).json()["instanceActions"]:
        answer = compute.get(f"{path}/{action['request_id']}/cloudportal:timeline").json()
        line = answer["timeline"]
        assert line["finish_time"], line
        found[line["action"]] = min(line["accounted"], found.get(line["action"], 1.0))
    return found


def test_an_image_that_is_too_large_for_the_flavor_is_refused_in_words(empty_cloud, name):
    portal = empty_cloud.portal

    refused = portal.openstack(
        *("server", "create", "--image", "tiny", "--flavor", "m1.none", name), check=False
    )

    assert "m1.none" in refused
