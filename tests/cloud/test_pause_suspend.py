"""Servers that stand still: paused in memory, or suspended to their host's disk; and locks."""

from __future__ import annotations

import json

import pytest

from tests.cloud import blink, hosts
from tests.cloud.conftest import Cloud
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]


@pytest.mark.long
def test_a_paused_and_a_suspended_server_run_on_where_they_were(empty_cloud):
    portal, host = empty_cloud.portal, empty_cloud.hosts[0]["name"]
    [server] = hosts.create_on(empty_cloud, host, image=blink.NAME)

    def boots() -> int:
        return portal.openstack("console", "log", "show", server).count(blink.UP)

    eventually(lambda: boots() == 1, within_s=240, what="the first boot")

    portal.openstack("server", "pause", server)
    becomes(empty_cloud, server, "PAUSED", power=3)
    assert virsh(empty_cloud, host, "domstate", server) == "paused"
    portal.openstack("server", "unpause", server)
    becomes(empty_cloud, server, "ACTIVE", power=1)

    portal.openstack("server", "suspend", server)
    becomes(empty_cloud, server, "SUSPENDED", power=4)
    assert saved(empty_cloud, host) == [f"server-{server}"]
    portal.openstack("server", "resume", server)
    becomes(empty_cloud, server, "ACTIVE", power=1)
    assert virsh(empty_cloud, host, "domstate", server) == "running"
    assert boots() == 1

    # By hand on the host, which the portal follows.
    portal.openstack("server", "suspend", server)
    becomes(empty_cloud, server, "SUSPENDED", power=4)
    virsh(empty_cloud, host, "start", server)
    becomes(empty_cloud, server, "ACTIVE", power=1)
    assert boots() == 1

    # A hard reboot forgets what was saved.
    portal.openstack("server", "suspend", server)
    becomes(empty_cloud, server, "SUSPENDED", power=4)
    portal.openstack("server", "reboot", "--hard", server)
    eventually(lambda: boots() == 2, within_s=240, what="the second boot")
    assert saved(empty_cloud, host) == []

    portal.openstack("--os-compute-api-version", "2.17", "server", "dump", "create", server)
    eventually(lambda: crash_dump_is_over(empty_cloud, server), what="the interrupt was sent")

    portal.openstack("server", "suspend", server)
    becomes(empty_cloud, server, "SUSPENDED", power=4)
    portal.openstack("--os-compute-api-version", "2.73", "server", "lock", "--reason", "x", server)
    assert hosts.show(empty_cloud, server).is_locked
    portal.openstack("server", "unlock", server)
    hosts.delete(empty_cloud, server)
    hosts.wait_gone(empty_cloud, server)
    assert files_of_saved(empty_cloud, host) == ""
    empty_cloud.slate.assert_clean()


def becomes(cloud: Cloud, server: str, status: str, *, power: int) -> None:
    """Wait until the server shows this, with no task."""

    def is_so() -> bool:
        found = hosts.show(cloud, server)
        return (found.status, found.power_state, found.task_state) == (status, power, None)

    eventually(is_so, within_s=60, what=f"the server is {status}")


def virsh(cloud: Cloud, host: str, verb: str, server: str) -> str:
    return cloud.lab.run("exec", host, "--", "virsh", "-q", verb, f"server-{server}").strip()


def saved(cloud: Cloud, host: str) -> list[str]:
    """The guests whose memory libvirt keeps on the disk."""
    words = ("virsh", "-q", "list", "--all", "--with-managed-save", "--name")
    return cloud.lab.run("exec", host, "--", *words).split()


def files_of_saved(cloud: Cloud, host: str) -> str:
    words = ("find", "/var/lib/libvirt/qemu/save", "-type", "f")
    return cloud.lab.run("exec", host, "--", *words)


def crash_dump_is_over(cloud: Cloud, server: str) -> bool:
    """Whether the newest crash dump ended well."""
    compute = hosts.admin_of(cloud).compute
    listed = compute.get(f"/servers/{server}/os-instance-actions").json()["instanceActions"]
    [action] = [each for each in listed if each["action"] == "trigger_crash_dump"]
    assert action["message"] is None, json.dumps(action)
    one = compute.get(f"/servers/{server}/os-instance-actions/{action['request_id']}").json()
    return bool(one["instanceAction"]["events"][0]["result"] == "Success")
