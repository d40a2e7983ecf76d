"""Limits of a flavor's disks, as their host's libvirt has them and as the guest feels them."""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cloud import hosts
from tests.cloud.conftest import Cloud
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire, pytest.mark.long]

ADMIN = "cloudportal-admin"
NARROW = {
    "quota:disk_read_bytes_sec": "52428800",
    "quota:disk_write_bytes_sec": str(1024**2),
    "quota:disk_total_iops_sec": "900",
}
# A simulated host has no cgroup for processors, and its kernel not what tc needs for cards.
WIDE = {"quota:disk_read_iops_sec": "5000"}
WRITTEN_MIB = 8
# Tells at each boot how long it takes to have so much on the disk.
TELL = rf"""#!/bin/sh
cat >/usr/lib/tiny/tell <<'END'
#!/bin/sh
sync
since=$(cut -d. -f1 /proc/uptime)
dd if=/dev/zero of=/written bs=1M count={WRITTEN_MIB}
sync
echo "wrote in $(($(cut -d. -f1 /proc/uptime) - since)) s" >/dev/console
END
chmod 700 /usr/lib/tiny/tell
echo '::once:/usr/lib/tiny/tell' >>/etc/inittab
/usr/lib/tiny/tell
"""


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


def test_limits_are_those_of_the_flavor_before_and_after_a_resize(empty_cloud, flavors, tmp_path):
    cloud, portal = empty_cloud, empty_cloud.portal
    narrow, wide = flavors
    name = f"limited-{uuid.uuid4().hex[:6]}"
    script = tmp_path / "tell.sh"
    script.write_text(TELL)
    asked = ("server", "create", "--image", "tiny", "--flavor", narrow, "--wait")
    server = str(portal.openstack_json(*asked, "--user-data", str(script), name)["id"])
    host = hosts.show(cloud, server).compute_host

    disk = in_force(cloud, host, server)
    assert (disk["read_bytes_sec"], disk["write_bytes_sec"]) == ("52428800", str(1024**2))
    assert (disk["total_iops_sec"], disk["read_iops_sec"]) == ("900", "0")
    eventually(lambda: seconds(cloud, server), within_s=240, what="it has written")
    # QEMU lets the tenth of a second's worth through at once.
    assert seconds(cloud, server)[-1] >= WRITTEN_MIB - 2

    portal.openstack("server", "resize", "--flavor", wide, "--wait", server)
    portal.openstack("server", "resize", "confirm", server)
    eventually(lambda: hosts.show(cloud, server).status == "ACTIVE", what="it is confirmed")

    host = hosts.show(cloud, server).compute_host
    disk = in_force(cloud, host, server)
    assert (disk["read_bytes_sec"], disk["write_bytes_sec"]) == ("0", "0")
    assert (disk["total_iops_sec"], disk["read_iops_sec"]) == ("0", "5000")
    eventually(
        lambda: any(each < WRITTEN_MIB // 2 for each in seconds(cloud, server)),
        within_s=240,
        what="it has written quickly",
    )

    with attached(cloud, server) as device:
        assert in_force(cloud, host, server, device)["read_iops_sec"] == "5000"

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


@contextlib.contextmanager
def attached(cloud: Cloud, server: str) -> Iterator[str]:
    """Which of its disks a volume is that the running server is given; then it is taken away."""
    portal, name = cloud.portal, f"limited-{uuid.uuid4().hex[:6]}"
    portal.openstack("volume", "create", "--size", "1", name)

    def becomes(status: str) -> Any:
        def look() -> Any:
            found = portal.openstack_json("volume", "show", name)
            return found if found["status"] == status else None

        return eventually(look, within_s=60, what=f"the volume is {status}")

    becomes("available")
    portal.openstack("server", "add", "volume", server, name)
    yield becomes("in-use")["attachments"][0]["device"].removeprefix("/dev/")
    portal.openstack("server", "remove", "volume", server, name)
    becomes("available")
    portal.openstack("volume", "delete", name)
    eventually(lambda: name not in portal.openstack("volume", "list"), what="the volume is gone")


def in_force(cloud: Cloud, host: str, server: str, device: str = "vda") -> dict[str, str]:
    """What the host's libvirt says of the running guest's disk."""
    text = virsh(cloud, host, "blkdeviotune", server, device, "--live")
    lines = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _, value in lines}


def seconds(cloud: Cloud, server: str) -> list[int]:
    """How long its guest says to have written; of a moved server as its new host's log has it."""
    log = str(cloud.portal.openstack("console", "log", "show", server))
    return [int(each) for each in re.findall(r"wrote in (\d+) s", log)]
