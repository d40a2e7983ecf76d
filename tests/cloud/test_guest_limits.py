"""Limits of a flavor's disks, as users ask for them and as their host's libvirt has them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.cloud import blink, hosts
from tests.cloud.conftest import Cloud
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]

ADMIN = "cloudportal-admin"
NARROW = {
    "quota:disk_read_bytes_sec": "52428800",
    "quota:disk_write_bytes_sec": "20971520",
    "quota:disk_total_iops_sec": "900",
}
# A simulated host has no cgroup for processors, and its kernel not what tc needs for cards.
WIDE = {"quota:disk_read_iops_sec": "5000"}


@pytest.fixture
def flavors(empty_cloud) -> Iterator[tuple[str, str]]:
    names = (f"narrow-{uuid.uuid4().hex[:6]}", f"wide-{uuid.uuid4().hex[:6]}")
    for name, specs in zip(names, (NARROW, WIDE), strict=True):
        wishes = [word for key, value in specs.items() for word in ("--property", f"{key}={value}")]
        size = ("--vcpus", "1", "--ram", "128", "--disk", "1")
        # At 2.86 and later names and values of extra specs are checked at once.
        version = ("--os-compute-api-version", "2.86")
        empty_cloud.portal.openstack(
            *version, "flavor", "create", *size, *wishes, name, cloud=ADMIN
        )
    yield names
    for name in names:
        empty_cloud.portal.openstack("flavor", "delete", name, cloud=ADMIN)


def test_limits_are_those_of_the_flavor_before_and_after_a_resize(empty_cloud, flavors):
    cloud, portal = empty_cloud, empty_cloud.portal
    narrow, wide = flavors
    name = f"limited-{uuid.uuid4().hex[:6]}"
    asked = ("server", "create", "--image", blink.NAME, "--flavor", narrow, "--wait", name)
    server = str(portal.openstack_json(*asked)["id"])
    host = hosts.show(cloud, server).compute_host

    disk = in_force(cloud, host, server)
    assert (disk["read_bytes_sec"], disk["write_bytes_sec"]) == ("52428800", "20971520")
    assert (disk["total_iops_sec"], disk["read_iops_sec"]) == ("900", "0")
    eventually(lambda: blink.UP in log(cloud, server), within_s=240, what="its guest is up")

    portal.openstack("server", "resize", "--flavor", wide, "--wait", server)
    portal.openstack("server", "resize", "confirm", server)
    eventually(lambda: hosts.show(cloud, server).status == "ACTIVE", what="it is confirmed")

    host = hosts.show(cloud, server).compute_host
    disk = in_force(cloud, host, server)
    assert (disk["read_bytes_sec"], disk["write_bytes_sec"]) == ("0", "0")
    assert (disk["total_iops_sec"], disk["read_iops_sec"]) == ("0", "5000")

    virsh(cloud, host, "blkdeviotune", server, "vda", "--write-bytes-sec", "9", "--config")
    eventually(lambda: findings(cloud) != 0, within_s=60, what="the hand's limit is found")
    assert portal.managed("integrity", "--repair").returncode == 0
    assert findings(cloud) == 0

    hosts.delete(cloud, server)
    hosts.wait_gone(cloud, server)
    cloud.slate.assert_clean()


def findings(cloud: Cloud) -> int:
    """0 where a look at all hosts finds nothing."""
    return int(cloud.portal.managed("integrity").returncode)


def virsh(cloud: Cloud, host: str, verb: str, server: str, *words: str) -> str:
    run = ("exec", host, "--", "virsh", "-q", verb, f"server-{server}", *words)
    return cloud.lab.run(*run).strip()


def in_force(cloud: Cloud, host: str, server: str) -> dict[str, str]:
    """What the host's libvirt says of the running guest's disk."""
    text = virsh(cloud, host, "blkdeviotune", server, "vda", "--live")
    lines = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}


def log(cloud: Cloud, server: str) -> str:
    return str(cloud.portal.openstack("console", "log", "show", server))
