"""A host that dies: builds go elsewhere, its servers' power is unknown, and it comes back right."""

from __future__ import annotations

import json
import os
import signal
import time
from functools import partial

import pytest

from tests.cloud import blink, hosts
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]
NOSTATE, RUNNING = 0, 1

FAULTS = """
import json
from servers.models import ServerEvent
from operations.models import Operation
build = Operation.objects.get(subject="{server}", kind="server.build")
events = ServerEvent.objects.filter(action__server_id="{server}", result="Error")
print(json.dumps([build.rounds, [[each.host, each.details] for each in events]]))
"""


@pytest.fixture
def victim(empty_cloud):
    """A host that a test may kill; it runs again afterwards."""
    name = empty_cloud.hosts[0]["name"]
    yield name
    hosts.revive(empty_cloud, name)


@pytest.fixture
def new_image(empty_cloud, tmp_path):
    """An image that no host has yet, so that a build has to bring it."""
    demo = empty_cloud.portal.connection()
    file = tmp_path / "own.raw"
    # No other image has the same content.
    file.write_bytes(blink.boot_sector() + os.urandom(1024**2))
    image = demo.image.create_image(
        "not-cached", filename=str(file), disk_format="raw", container_format="bare",
        wait=True, validate_checksum=False,
    )  # fmt: skip
    yield "not-cached"
    demo.image.delete_image(image.id)


@pytest.mark.long
def test_a_build_goes_on_elsewhere_when_its_host_dies_before_the_image_is_there(
    empty_cloud, victim, new_image
):
    empty_cloud.portal.kill("transfer")
    try:
        with hosts.only(empty_cloud, victim):
            server = hosts.create(empty_cloud, image=new_image).id
            eventually(
                lambda: hosts.show(empty_cloud, server).compute_host == victim,
                what="the build has chosen its host",
                pause_s=0.05,
            )
        empty_cloud.lab.run("kill-host", victim)
    finally:
        empty_cloud.portal.start("transfer")

    built = hosts.wait_for_status(empty_cloud, server, "ACTIVE")

    assert built.compute_host != victim
    assert_each_try_is_kept(empty_cloud, server, victim)
    hosts.revive(empty_cloud, victim)
    eventually(lambda: not hosts.debts(empty_cloud), within_s=60, what="the debt is paid")


def test_a_build_goes_on_elsewhere_when_its_host_dies_in_the_middle_of_a_step(empty_cloud, victim):
    with hosts.only(empty_cloud, victim):
        libvirtd = daemon_of(empty_cloud, victim)
        admin = hosts.admin_of(empty_cloud)
        server = hosts.create(empty_cloud, image=blink.NAME).id
        eventually(
            lambda: admin.compute.get_server(server).compute_host == victim,
            what="the build has chosen its host",
            pause_s=0.05,
        )
        # It answers nothing any more, so the step under way cannot end before the host does.
        os.kill(libvirtd, signal.SIGSTOP)
    assert admin.compute.get_server(server).status == "BUILD"
    empty_cloud.lab.run("kill-host", victim)

    built = hosts.wait_for_status(empty_cloud, server, "ACTIVE")

    assert built.compute_host != victim
    assert_each_try_is_kept(empty_cloud, server, victim)


def daemon_of(cloud, name: str) -> int:
    found = json.loads(cloud.lab.run("status"))
    return next(int(host["daemons"]["libvirtd"]) for host in found if host["name"] == name)


def assert_each_try_is_kept(cloud, server: str, host: str) -> None:
    rounds, events = hosts.ask(cloud, FAULTS.format(server=server))
    assert [each["host"] for each in rounds] == [host]
    assert rounds[0]["type"] == "HostUnreachable"
    assert rounds[0]["detail"]
    assert [host, "The server's host does not answer."] in events
    # Administrators see the same by the API: the event of each try, with its host.
    admin = hosts.admin_of(cloud)
    [create] = admin.compute.get(f"/servers/{server}/os-instance-actions").json()["instanceActions"]
    shown = admin.compute.get(
        f"/servers/{server}/os-instance-actions/{create['request_id']}", microversion="2.62"
    ).json()["instanceAction"]["events"]
    tried = [each for each in shown if each["event"] == "compute__do_build_and_run_instance"]
    assert [each["result"] for each in tried] == ["Error", "Success"]
    assert tried[0]["host"] == host


@pytest.mark.long
def test_servers_on_a_dead_host_have_an_unknown_power_state_until_it_is_back(empty_cloud, victim):
    [server] = hosts.create_on(empty_cloud, victim, image=blink.NAME)
    admin = hosts.admin_of(empty_cloud)
    states: set[tuple[str, int]] = set()

    def look() -> int:
        found = admin.compute.get_server(server)
        states.add((found.status, found.power_state))
        return int(found.power_state)

    eventually(partial(is_equal, look, RUNNING), within_s=30, what="it runs")
    empty_cloud.lab.run("kill-host", victim)
    eventually(partial(is_equal, look, NOSTATE), within_s=hosts.NOTICED_S, what="it is unknown")
    # Long enough for several looks at the host: it stays unknown, and is never said to be off.
    until = time.monotonic() + 10
    eventually(lambda: look() != NOSTATE or time.monotonic() > until, what="looks went by")

    assert states == {("ACTIVE", RUNNING), ("ACTIVE", NOSTATE)}

    hosts.revive(empty_cloud, victim)
    # The guest ended with its host: it is started again, without anyone's hand.
    eventually(partial(is_equal, look, RUNNING), within_s=60, what="it runs again")
    assert states == {("ACTIVE", RUNNING), ("ACTIVE", NOSTATE)}
    assert not hosts.show(empty_cloud, server).task_state


def is_equal(look, wanted: int) -> bool:
    return look() == wanted


@pytest.mark.long
def test_nothing_is_placed_on_a_dead_host_and_it_takes_servers_again_when_back(empty_cloud, victim):
    with hosts.dead(empty_cloud, victim):
        hosts.wait_state(empty_cloud, victim, "down")
        made = [hosts.create(empty_cloud, image=blink.NAME).id for _ in range(3)]
        for server in made:
            assert hosts.wait_for_status(empty_cloud, server, "ACTIVE").compute_host != victim

    hosts.create_on(empty_cloud, victim, image=blink.NAME)
