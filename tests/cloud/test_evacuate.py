"""A host dies, its server is built anew on another one, and runs once when the host is back."""

from __future__ import annotations

import pytest

from tests.cloud import hosts
from tests.cloud.blink import NAME, UP
from tests.cloud.test_live_migration import domains, newest_migration, openstack
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire, pytest.mark.long]


def test_a_server_leaves_its_dead_host_and_runs_once_when_that_is_back(empty_cloud):
    victim = empty_cloud.hosts[0]["name"]
    [server] = hosts.create_on(empty_cloud, victim, image=NAME)
    addresses = hosts.show(empty_cloud, server).addresses
    refused = openstack(empty_cloud, "server", "evacuate", server, check=False)
    assert f"Compute service of {victim} is still in use." in refused

    with hosts.dead(empty_cloud, victim):
        hosts.wait_state(empty_cloud, victim, "down")
        openstack(empty_cloud, "server", "evacuate", server)
        eventually(
            lambda: is_active_elsewhere(empty_cloud, server, victim),
            within_s=90,
            what="the server is on another host",
        )
        found = newest_migration(empty_cloud, server)
        assert (found["Type"], found["Status"]) == ("evacuation", "done")
        assert (found["Source Compute"], found["Dest Compute"]) == (
            victim,
            hosts.show(empty_cloud, server).compute_host,
        )
        assert hosts.show(empty_cloud, server).addresses == addresses
        eventually(lambda: UP in console(empty_cloud, server), within_s=60, what="the guest is up")
        assert hosts.debts(empty_cloud) == [server]

    eventually(lambda: not hosts.debts(empty_cloud), within_s=60, what="the debt is paid")
    assert domains(empty_cloud, victim) == ""
    assert is_active_elsewhere(empty_cloud, server, victim)
    assert domains(empty_cloud, hosts.show(empty_cloud, server).compute_host) == f"server-{server}"

    hosts.delete(empty_cloud, server)
    hosts.wait_gone(empty_cloud, server)
    empty_cloud.slate.assert_clean()


def is_active_elsewhere(cloud, server: str, victim: str) -> bool:
    found = hosts.show(cloud, server)
    assert found.status in {"ACTIVE", "REBUILD"}, f"{found.status}: {found.fault}"
    settled = (found.status, found.task_state) == ("ACTIVE", None)
    return settled and found.compute_host != victim


def console(cloud, server: str) -> str:
    log = cloud.portal.connection().compute.get_server_console_output(server)["output"]
    return str(log)
