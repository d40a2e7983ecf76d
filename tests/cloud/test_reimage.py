"""New disks for servers: rebuilt, rescued and brought back, and what a guest is handed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import hosts
from tests.cloud.conftest import Cloud
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]
POOL = "fast"

# Runs once on every disk that is booted from: says which it is, and leaves a mark on it.
PROBE = r"""#!/bin/sh
say() { echo "WORD: $*" >/dev/console; }
marked() { [ -f "$1/marker" ] && echo marked || echo unmarked; }
root=$(awk '$2 == "/" && $1 ~ /^\/dev\// {print $1}' /proc/mounts)
say "boots from $root $(marked '')"
mkdir -p /tmp/beside
for part in /dev/vd?2; do
    [ "$part" != "$root" ] && mount -t ext4 -o ro,noload "$part" /tmp/beside 2>/dev/null || continue
    say "beside it $part $(marked /tmp/beside)"
    umount /tmp/beside
done
say "extra $(tr -d ' \n' </run/config-drive/openstack/latest/vendor_data.json)"
date >/marker
sync
say over
"""


@pytest.mark.long
def test_a_server_gets_other_disks_and_its_own_back(empty_cloud, tmp_path):
    portal, host = empty_cloud.portal, empty_cloud.hosts[0]["name"]
    portal.manage("hypervisor", "pool", host, POOL, "--path", f"/var/lib/libvirt/images/{POOL}")
    server = create(empty_cloud, host, script(tmp_path, "first"))

    says(empty_cloud, server, "first: over")
    assert heard(empty_cloud, server, "first") == [
        "boots from /dev/vda2 unmarked",
        'extra {"colour":"blue"}',
        "over",
    ]
    assert options(empty_cloud, server)["extra"] == {"colour": "blue"}
    addresses = hosts.show(empty_cloud, server).addresses
    refused(empty_cloud, "guest agent", "server", "set", "--password", "new-Pass1", server)

    answer = json.loads(portal.openstack("server", "rescue", server) or "{}")
    assert not answer
    becomes(empty_cloud, server, "RESCUE")
    says(empty_cloud, server, "first: over", times=2)
    assert heard(empty_cloud, server, "first")[3:5] == [
        "boots from /dev/vda2 unmarked",
        "beside it /dev/vdb2 marked",
    ]
    refused(empty_cloud, "vm_state rescued", "server", "reboot", "--hard", server)

    portal.openstack("server", "unrescue", server)
    becomes(empty_cloud, server, "ACTIVE")
    says(empty_cloud, server, "cloudportal-tiny: ready", times=3)
    # Its own disk knows that the script has run there.
    assert len(heard(empty_cloud, server, "first")) == 7
    assert disks(empty_cloud, host, server) == [f"{server}-config", f"{server}-root"]

    words = ("--image", "tiny", "--name", "renamed", "--user-data", script(tmp_path, "second"))
    portal.openstack("server", "rebuild", *words, server)
    says(empty_cloud, server, "second: over")
    shown = becomes(empty_cloud, server, "ACTIVE")
    assert heard(empty_cloud, server, "second")[0] == "boots from /dev/vda2 unmarked"
    assert (shown.name, shown.addresses) == ("renamed", addresses)

    hosts.delete(empty_cloud, server)
    hosts.wait_gone(empty_cloud, server)
    assert disks(empty_cloud, host, server) == []
    empty_cloud.slate.assert_clean()
    forget_pool(empty_cloud, host)


def forget_pool(cloud: Cloud, host: str) -> None:
    """Other tests count what a host has."""
    delete = f"from hypervisors.models import StoragePool as S; S.objects.filter(name={POOL!r})"
    cloud.portal.manage("shell", "-v", "0", "-c", f"{delete}.delete()")
    for verb in ("pool-destroy", "pool-undefine"):
        cloud.lab.run("exec", host, "--", "virsh", "-q", verb, POOL)


def script(folder: Path, word: str) -> str:
    """A file with user data that begins its lines with this word."""
    path = folder / word
    path.write_text(PROBE.replace("WORD", word))
    return str(path)


def create(cloud: Cloud, host: str, user_data: str) -> str:
    words = ("--image", "tiny", "--flavor", "m1.tiny", "--user-data", user_data)
    hints = (
        "--hint",
        'cloudportal:extra={"colour": "blue"}',
        "--hint",
        f"cloudportal:store_id={POOL}",
    )
    # Only one of the hosts has such a pool.
    made = cloud.portal.openstack(
        "server", "create", *words, *hints, "-f", "value", "-c", "id", "disks"
    ).strip()
    shown = hosts.wait_for_status(cloud, made, "ACTIVE")
    assert shown.compute_host == host
    return made


def becomes(cloud: Cloud, server: str, status: str) -> Any:
    """Wait until the server is that, with no task; how it is then."""

    def look() -> Any:
        found = hosts.show(cloud, server)
        assert found.status != "ERROR", found.fault
        return found if (found.status, found.task_state) == (status, None) else None

    return eventually(look, within_s=120, what=f"the server is {status}")


def says(cloud: Cloud, server: str, text: str, *, times: int = 1) -> None:
    """Wait until the console says this so often."""
    eventually(
        lambda: console(cloud, server).count(text) >= times,
        within_s=240,
        what=f"the guest says {text!r} {times} times",
    )


def heard(cloud: Cloud, server: str, word: str) -> list[str]:
    """What the script with this word said so far."""
    lines = console(cloud, server).splitlines()
    return [line.split(f"{word}: ", 1)[1].strip() for line in lines if f"{word}: " in line]


def console(cloud: Cloud, server: str) -> str:
    answer = cloud.portal.connection().compute.post(
        f"/servers/{server}/action", json={"os-getConsoleOutput": {}}
    )
    return str(answer.json()["output"])


def options(cloud: Cloud, server: str) -> dict[str, object]:
    found = cloud.portal.connection().compute.get(f"/servers/{server}/cloudportal:options").json()
    shown: dict[str, object] = found["options"]
    return shown


def refused(cloud: Cloud, reason: str, *words: str) -> None:
    """The command fails with a conflict, and says why."""
    with pytest.raises(AssertionError, match=f"(?s){reason}.*409|409.*{reason}"):
        cloud.portal.openstack(*words)


def disks(cloud: Cloud, host: str, server: str) -> list[str]:
    """The volumes of the server on its host, but for the serial log."""
    words = ("virsh", "-q", "vol-list", POOL)
    names = [line.split()[0] for line in cloud.lab.run("exec", host, "--", *words).splitlines()]
    return sorted(name for name in names if name.startswith(f"{server}-"))
