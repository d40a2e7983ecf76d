"""Hosts that die, hang or lose libvirt, and guests changed by hand: noticed, and put right."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from functools import partial

import pytest

from tests.cloud import blink, hosts
from tests.cloud.conftest import Cloud
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]
NOSTATE, RUNNING, SHUTDOWN = 0, 1, 4
# What libvirt tells, and what the kernel tells of a connection, is known at once.
AT_ONCE_S = 5.0
# A host without power refuses nothing: that it does not answer is known by waiting.
SILENCE_S = 20.0
# A host that says nothing at all: a heartbeat, and the time that its silence is borne.
SILENT_S = 20.0


@pytest.fixture
def victim(empty_cloud):
    """A host that a test may harm; it is well again afterwards."""
    name = empty_cloud.hosts[0]["name"]
    yield name
    empty_cloud.lab.run("join-link", name)
    empty_cloud.lab.run("thaw-host", name)
    hosts.revive(empty_cloud, name)


@pytest.fixture
def server(empty_cloud, victim):
    """A server that runs on the victim, and is known to."""
    [server] = hosts.create_on(empty_cloud, victim, image=blink.NAME)
    wait_power(empty_cloud, server, RUNNING, AT_ONCE_S * 2)
    return server


def wait_power(cloud: Cloud, server: str, power: int, within_s: float) -> float:
    """Wait for a power state; how long it took."""
    admin = hosts.admin_of(cloud)
    begun = time.monotonic()
    eventually(
        lambda: admin.compute.get_server(server).power_state == power,
        within_s=within_s,
        what=f"the power state is {power}",
    )
    return time.monotonic() - begun


@contextlib.contextmanager
def status_stays(cloud: Cloud, server: str, status: str) -> Iterator[None]:
    """The server's status is this before and after the body, and it was never changed."""
    before = hosts.show(cloud, server)
    yield
    after = hosts.show(cloud, server)
    assert (before.status, after.status) == (status, status)
    assert before.updated_at == after.updated_at


def guest_pid(cloud: Cloud, host: str, server: str) -> str:
    """The guest's process on its host."""
    return cloud.lab.run("exec", host, "--", "pgrep", "-f", f"guest=server-{server}").split()[0]


def virsh(cloud: Cloud, host: str, *words: str) -> str:
    return cloud.lab.run("exec", host, "--", "virsh", "-q", *words)


def has_no_task(cloud: Cloud, server: str) -> bool:
    return hosts.show(cloud, server).task_state is None


def actions(cloud: Cloud, server: str) -> list[str]:
    answer = hosts.admin_of(cloud).compute.get(f"/servers/{server}/os-instance-actions").json()
    return [each["action"] for each in answer["instanceActions"]]


def test_a_guest_switched_off_by_hand_is_known_to_be_off_at_once(empty_cloud, victim, server):
    virsh(empty_cloud, victim, "destroy", f"server-{server}")

    wait_power(empty_cloud, server, SHUTDOWN, AT_ONCE_S)
    assert hosts.show(empty_cloud, server).status == "SHUTOFF"

    virsh(empty_cloud, victim, "start", f"server-{server}")

    wait_power(empty_cloud, server, RUNNING, AT_ONCE_S)
    assert hosts.show(empty_cloud, server).status == "ACTIVE"


def test_a_guest_whose_process_dies_is_known_to_be_off_at_once(empty_cloud, victim, server):
    pid = guest_pid(empty_cloud, victim, server)
    empty_cloud.lab.run("exec", victim, "--", "kill", "-9", pid)

    wait_power(empty_cloud, server, SHUTDOWN, AT_ONCE_S)

    assert hosts.show(empty_cloud, server).status == "SHUTOFF"


@pytest.mark.long
def test_a_host_that_lost_its_power_is_down_in_seconds_and_its_servers_run_when_it_is_back(
    empty_cloud, victim, server
):
    with status_stays(empty_cloud, server, "ACTIVE"):
        empty_cloud.lab.run("kill-host", victim)
        wait_power(empty_cloud, server, NOSTATE, SILENCE_S)
        assert hosts.services(empty_cloud)[victim]["state"] == "down"

    hosts.revive(empty_cloud, victim)

    wait_power(empty_cloud, server, RUNNING, 60)
    hosts.wait_for_status(empty_cloud, server, "ACTIVE")
    assert guest_pid(empty_cloud, victim, server)
    assert actions(empty_cloud, server) == ["start", "create"]


@pytest.mark.long
def test_a_server_that_was_stopped_stays_so_when_its_host_is_back(empty_cloud, victim, server):
    hosts.admin_of(empty_cloud).compute.stop_server(server)
    eventually(lambda: hosts.show(empty_cloud, server).status == "SHUTOFF", what="it is off")
    empty_cloud.lab.run("kill-host", victim)
    wait_power(empty_cloud, server, NOSTATE, SILENCE_S)

    hosts.revive(empty_cloud, victim)

    wait_power(empty_cloud, server, SHUTDOWN, 60)
    assert hosts.show(empty_cloud, server).status == "SHUTOFF"
    assert actions(empty_cloud, server) == ["stop", "create"]


def test_libvirtd_may_die_and_come_back_and_no_guest_is_touched(empty_cloud, victim, server):
    pid = guest_pid(empty_cloud, victim, server)
    with status_stays(empty_cloud, server, "ACTIVE"):
        empty_cloud.lab.run("kill-daemon", victim, "libvirtd")
        wait_power(empty_cloud, server, NOSTATE, AT_ONCE_S)

        hosts.revive(empty_cloud, victim)
        wait_power(empty_cloud, server, RUNNING, AT_ONCE_S)

    assert guest_pid(empty_cloud, victim, server) == pid
    # Events are heard over the new connection as over the old one.
    virsh(empty_cloud, victim, "destroy", f"server-{server}")
    wait_power(empty_cloud, server, SHUTDOWN, AT_ONCE_S)


@pytest.mark.parametrize(
    ("harm", "mend"),
    [
        ("freeze-host", "thaw-host"),
        pytest.param("cut-link", "join-link", marks=pytest.mark.long),
    ],
)
def test_a_host_that_falls_silent_is_down_in_seconds_and_back_by_itself(
    empty_cloud, victim, server, harm, mend
):
    pid = guest_pid(empty_cloud, victim, server)
    with status_stays(empty_cloud, server, "ACTIVE"):
        empty_cloud.lab.run(harm, victim)
        wait_power(empty_cloud, server, NOSTATE, SILENT_S)
        assert hosts.services(empty_cloud)[victim]["state"] == "down"

        empty_cloud.lab.run(mend, victim)
        wait_power(empty_cloud, server, RUNNING, hosts.NOTICED_S)

    assert guest_pid(empty_cloud, victim, server) == pid


@pytest.mark.long
def test_other_hosts_work_on_while_one_hangs_and_is_asked_for_much(empty_cloud, victim):
    on_victim = hosts.create_on(empty_cloud, victim, 2, blink.NAME)
    elsewhere = hosts.create_on(empty_cloud, empty_cloud.hosts[1]["name"], 2, blink.NAME)
    admin = hosts.admin_of(empty_cloud)
    empty_cloud.lab.run("freeze-host", victim)

    for server in on_victim:
        admin.compute.reboot_server(server, "HARD")
    for _ in range(2):
        for server in elsewhere:
            admin.compute.reboot_server(server, "HARD")
        for server in elsewhere:
            # Much sooner than anything that is asked of a host that hangs is given up.
            hosts.wait_for_status(empty_cloud, server, "ACTIVE", within_s=30)
            assert has_no_task(empty_cloud, server)

    empty_cloud.lab.run("thaw-host", victim)
    for server in on_victim:
        eventually(
            partial(has_no_task, empty_cloud, server),
            within_s=120,
            what="the reboot ends one way or the other",
        )
        wait_power(empty_cloud, server, RUNNING, 30)
        hosts.wait_for_status(empty_cloud, server, "ACTIVE")


def test_another_keeper_takes_the_hosts_of_a_dead_one_over(empty_cloud, victim, server):
    # A keeper killed without a word leaves its name on the hosts for three heartbeats.
    empty_cloud.portal.kill("keeper")
    empty_cloud.portal.start("keeper")

    virsh(empty_cloud, victim, "destroy", f"server-{server}")

    wait_power(empty_cloud, server, SHUTDOWN, 30)
