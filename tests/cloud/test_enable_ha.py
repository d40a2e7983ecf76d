"""A server marked `enable_ha` outlives its host: elsewhere when fenced, there when it booted."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import pytest

from tests.cloud import hosts
from tests.cloud.blink import NAME, UP
from tests.cloud.conftest import LAB, Cloud
from tests.cloud.test_evacuate import console, is_active_elsewhere
from tests.cloud.test_live_migration import domains, openstack_json
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]


@pytest.mark.long
def test_a_marked_server_leaves_a_fenced_host_which_is_rid_of_it_when_it_is_back(empty_cloud):
    first = empty_cloud.hosts[0]["name"]
    server = marked_server(empty_cloud, first)
    addresses = hosts.show(empty_cloud, server).addresses
    eventually(lambda: UP in console(empty_cloud, server), within_s=60, what="the guest is up")

    with fenced_by_the_lab(empty_cloud, first):
        # It is only out of reach: its guest runs, until the fence ends it.
        empty_cloud.lab.run("cut-link", first)
        hosts.wait_state(empty_cloud, first, "down")
        assert domains(empty_cloud, first) == f"server-{server}"
        eventually(
            lambda: is_active_elsewhere(empty_cloud, server, first),
            within_s=120,
            what="the server is on another host",
        )
        assert hosts.show(empty_cloud, server).addresses == addresses
        eventually(lambda: UP in console(empty_cloud, server), within_s=60, what="the guest is up")
        assert reason(empty_cloud, server, "evacuate").startswith(
            f"Host {first} is dead: its fence command succeeded at "
        )
        eventually(
            lambda: "has been restarted elsewhere" in listed(empty_cloud, first),
            what="the host's line says what became of its servers",
        )
        assert " fenced " in listed(empty_cloud, first)

        empty_cloud.lab.run("start-host", first)
        empty_cloud.lab.run("join-link", first)
        hosts.wait_state(empty_cloud, first, "up")
    assert domains(empty_cloud, first) == ""
    assert hosts.debts(empty_cloud) == []
    assert is_active_elsewhere(empty_cloud, server, first)

    hosts.delete(empty_cloud, server)
    hosts.wait_gone(empty_cloud, server)
    empty_cloud.slate.assert_clean()


@pytest.mark.long
def test_without_a_fence_it_waits_for_its_host_to_boot(empty_cloud):
    name = empty_cloud.hosts[0]["name"]
    server = marked_server(empty_cloud, name)

    with hosts.dead(empty_cloud, name):
        hosts.wait_state(empty_cloud, name, "down")
        eventually(
            lambda: "has no fence command" in listed(empty_cloud, name),
            what="the host's line says what its servers wait for",
        )
    eventually(lambda: runs_on(empty_cloud, server, name), within_s=60, what="it is started")

    assert reason(empty_cloud, server, "start") == (
        f"Host {name} has booted: the guest did not run any more."
    )
    assert domains(empty_cloud, name) == f"server-{server}"


@pytest.mark.long
def test_a_host_whose_libvirt_died_is_not_fenced_and_its_guests_run_on(empty_cloud):
    name = empty_cloud.hosts[0]["name"]
    server = marked_server(empty_cloud, name)

    with fenced_by_the_lab(empty_cloud, name):
        empty_cloud.lab.run("kill-daemon", name, "libvirtd")
        hosts.wait_state(empty_cloud, name, "down")
        eventually(
            lambda: "not fenced: its SSH server answers" in listed(empty_cloud, name),
            within_s=60,
            what="the host's line says why it is not fenced",
        )
        assert hosts.show(empty_cloud, server).compute_host == name
        hosts.revive(empty_cloud, name)

    eventually(lambda: runs_on(empty_cloud, server, name), within_s=60, what="it runs as before")
    actions = openstack_json(empty_cloud, "server", "event", "list", server)
    assert [each["Action"] for each in actions] == ["create"]
    eventually(lambda: "fenced" not in listed(empty_cloud, name), what="nothing is waited for")


@pytest.mark.long
def test_a_disabled_host_that_booted_is_left_with_the_disks(empty_cloud):
    name = empty_cloud.hosts[0]["name"]
    server = marked_server(empty_cloud, name)
    hosts.switch(empty_cloud, name, "disabled")
    try:
        with hosts.dead(empty_cloud, name):
            hosts.wait_state(empty_cloud, name, "down")

        eventually(
            lambda: is_settled_elsewhere(empty_cloud, server, name),
            within_s=120,
            what="the server is on another host, and its move confirmed",
        )
        assert reason(empty_cloud, server, "migrate").endswith("That host is disabled.")
        eventually(lambda: UP in console(empty_cloud, server), within_s=60, what="the guest is up")
        eventually(lambda: not domains(empty_cloud, name), what="nothing is left there")
    finally:
        hosts.switch(empty_cloud, name, "enabled")


def is_settled_elsewhere(cloud: Cloud, server: str, host: str) -> bool:
    found = hosts.show(cloud, server)
    return (found.status, found.task_state) == ("ACTIVE", None) and found.compute_host != host


def marked_server(cloud: Cloud, host: str) -> str:
    """A server that is ACTIVE on a host, asked for by the real command."""
    hint = ("--hint", "cloudportal:enable_ha=true")
    wanted = ("--image", NAME, "--flavor", "m1.tiny", "--nic", "auto", *hint)
    with hosts.only(cloud, host):
        made = cloud.portal.openstack_json("server", "create", *wanted, "marked")
        hosts.wait_for_status(cloud, made["id"], "ACTIVE")
    return str(made["id"])


@contextlib.contextmanager
def fenced_by_the_lab(cloud: Cloud, host: str) -> Iterator[None]:
    """The host's power is cut by the lab when it has been down for some seconds."""
    lab = ("--prefix", cloud.lab.prefix, "--subnet", cloud.lab.subnet, "--var", str(cloud.lab.var))
    command = (sys.executable, str(LAB), "kill-host", *lab, "{name}")
    told = cloud.portal.manage(
        "hypervisor", "fence-command", host, "--after-s", "10", "--command", *command
    )
    assert cloud.lab.prefix not in told.partition("fenced by")[2]
    try:
        yield
    finally:
        cloud.portal.manage("hypervisor", "fence-command", host, "--none")
        cloud.lab.run("start-host", host)
        cloud.lab.run("join-link", host)


def reason(cloud: Cloud, server: str, action: str) -> str:
    """What the history says of why the portal did it."""
    events = openstack_json(cloud, "server", "event", "list", server)
    [request] = [each["Request ID"] for each in events if each["Action"] == action]
    return str(openstack_json(cloud, "server", "event", "show", server, request)["message"])


def listed(cloud: Cloud, host: str) -> str:
    """The host's line for administrators."""
    lines = cloud.portal.manage("hypervisor", "list").splitlines()
    return next(line for line in lines if line.split()[0] == host)


def runs_on(cloud: Cloud, server: str, host: str) -> bool:
    found = hosts.show(cloud, server)
    settled = (found.status, found.task_state, found.power_state) == ("ACTIVE", None, 1)
    return settled and found.compute_host == host
