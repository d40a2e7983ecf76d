"""A delete works in any state, on any host, twice, and while anything else is under way."""

from __future__ import annotations

import time

import pytest
from openstack import exceptions

from tests.cloud import blink, hosts
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]
# For its user: the time-outs of a host that is away are for the workers.
AT_ONCE_S = 20.0


@pytest.fixture
def victim(empty_cloud):
    """A host that a test may kill, cut off or freeze; it is well again afterwards."""
    name = empty_cloud.hosts[0]["name"]
    yield name
    for verb in ("thaw-host", "join-link"):
        empty_cloud.lab.run(verb, name)
    hosts.revive(empty_cloud, name)


def assert_gone_at_once(cloud, server: str) -> float:
    began = time.monotonic()
    hosts.wait_gone(cloud, server, within_s=AT_ONCE_S)
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("harm", "mend"),
    [
        ("kill-host", "start-host"),
        pytest.param("cut-link", "join-link", marks=pytest.mark.long),
        pytest.param("freeze-host", "thaw-host", marks=pytest.mark.long),
    ],
)
def test_a_server_on_a_host_that_is_away_is_gone_at_once_and_its_debt_is_paid_later(
    empty_cloud, victim, harm, mend
):
    server, kept = hosts.create_on(empty_cloud, victim, count=2, image=blink.NAME)
    used = hosts.usage(empty_cloud)
    empty_cloud.lab.run(harm, victim)

    hosts.delete(empty_cloud, server)

    assert_gone_at_once(empty_cloud, server)
    left = hosts.usage(empty_cloud)
    assert left["instances"] == used["instances"] - 1
    assert left["cores"] == used["cores"] - 1
    assert hosts.debts(empty_cloud) == [server]
    hosts.delete(empty_cloud, kept)
    assert_gone_at_once(empty_cloud, kept)
    empty_cloud.lab.run(mend, victim)
    # Nobody asks for it; the host is seen to be back, and the debts are paid.
    empty_cloud.slate.assert_clean()


@pytest.mark.long
def test_a_server_deleted_twice_while_its_host_is_down_is_one_debt(empty_cloud, victim):
    [server] = hosts.create_on(empty_cloud, victim, image=blink.NAME)
    empty_cloud.lab.run("kill-host", victim)

    hosts.delete(empty_cloud, server)
    # The second may find it gone already; it is no error of the cloud's.
    try_to_delete(empty_cloud, server)

    assert_gone_at_once(empty_cloud, server)
    with pytest.raises(exceptions.NotFoundException):
        hosts.delete(empty_cloud, server)
    assert hosts.debts(empty_cloud) == [server]
    hosts.revive(empty_cloud, victim)
    empty_cloud.slate.assert_clean()


def try_to_delete(cloud, server: str) -> None:
    try:
        hosts.delete(cloud, server)
    except exceptions.NotFoundException:
        return


@pytest.mark.parametrize("state", ["", "scheduling", "networking", "spawning"])
def test_a_delete_works_at_any_point_of_a_build(empty_cloud, state):
    admin = hosts.admin_of(empty_cloud)
    server = hosts.create(empty_cloud, image=blink.NAME).id

    def is_there() -> bool:
        found = admin.compute.get_server(server)
        return found.task_state == state or found.status != "BUILD"

    if state:
        eventually(is_there, what=f"the build is at {state}", pause_s=0.05)

    hosts.delete(empty_cloud, server)

    hosts.wait_gone(empty_cloud, server)
    empty_cloud.slate.assert_clean()


@pytest.mark.long
def test_a_delete_works_while_a_build_waits_for_a_host_that_died(empty_cloud, victim):
    with hosts.only(empty_cloud, victim):
        server = hosts.create(empty_cloud, image=blink.NAME).id
        eventually(
            lambda: hosts.show(empty_cloud, server).compute_host == victim,
            what="the build has chosen its host",
            pause_s=0.05,
        )
        empty_cloud.lab.run("kill-host", victim)

        hosts.delete(empty_cloud, server)

        assert_gone_at_once(empty_cloud, server)
    hosts.revive(empty_cloud, victim)
    empty_cloud.slate.assert_clean()


def test_a_server_in_error_is_deleted(empty_cloud):
    names = [host["name"] for host in empty_cloud.hosts]
    for name in names:
        hosts.switch(empty_cloud, name, "disabled")
    try:
        server = hosts.create(empty_cloud, image=blink.NAME).id
        hosts.wait_for_status(empty_cloud, server, "ERROR")
    finally:
        for name in names:
            hosts.switch(empty_cloud, name, "enabled")

    hosts.delete(empty_cloud, server)

    assert_gone_at_once(empty_cloud, server)
    empty_cloud.slate.assert_clean()


@pytest.mark.parametrize("kind", [pytest.param("SOFT", marks=pytest.mark.long), "HARD"])
def test_a_server_that_reboots_is_deleted(empty_cloud, kind):
    demo = empty_cloud.portal.connection()
    server = hosts.create(empty_cloud).id
    hosts.wait_for_status(empty_cloud, server, "ACTIVE")
    # A guest that has not booted does not hear the button: a soft reboot takes its whole minute.
    demo.compute.reboot_server(server, kind)
    eventually(
        lambda: (
            str(hosts.show(empty_cloud, server).task_state).startswith("reboot") or kind == "HARD"
        ),
        what="the reboot is under way",
    )

    hosts.delete(empty_cloud, server)

    hosts.wait_gone(empty_cloud, server)
    empty_cloud.slate.assert_clean()


@pytest.mark.long
def test_a_delete_works_while_the_host_starts_up(empty_cloud, victim):
    made = hosts.create_on(empty_cloud, victim, count=2, image=blink.NAME)
    empty_cloud.lab.run("kill-host", victim)
    hosts.delete(empty_cloud, made[0])
    empty_cloud.lab.run("start-host", victim)

    hosts.delete(empty_cloud, made[1])

    for server in made:
        assert_gone_at_once(empty_cloud, server)
    hosts.wait_state(empty_cloud, victim, "up")
    empty_cloud.slate.assert_clean()


@pytest.mark.long
def test_a_dead_host_is_removed_with_its_debts_and_is_clean_when_it_comes_again(
    empty_cloud, victim
):
    [facts] = [host for host in empty_cloud.hosts if host["name"] == victim]
    deleted, lost = hosts.create_on(empty_cloud, victim, count=2, image=blink.NAME)
    empty_cloud.lab.run("kill-host", victim)
    hosts.delete(empty_cloud, deleted)
    assert_gone_at_once(empty_cloud, deleted)
    hosts.wait_state(empty_cloud, victim, "down")
    portal = empty_cloud.portal
    try:
        # A server that is not deleted keeps its host.
        with pytest.raises(AssertionError, match="Servers are on"):
            portal.manage("hypervisor", "remove", victim)
        hosts.delete(empty_cloud, lost)
        assert_gone_at_once(empty_cloud, lost)

        portal.manage("hypervisor", "remove", victim)

        eventually(lambda: not hosts.debts(empty_cloud), within_s=60, what="no debt is left")
    finally:
        empty_cloud.lab.run("start-host", victim)
        fingerprint = facts["host_key_fingerprint"]
        portal.manage(
            *("hypervisor", "add", victim, facts["uri"], "--exist-ok"),
            *("--accept-host-key", fingerprint),
        )
    # What lay on it meanwhile is known to be deleted servers', now that it is there again.
    eventually(lambda: not empty_cloud.slate.leftovers(), within_s=120, what="nothing is left")
