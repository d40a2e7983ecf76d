"""Volumes that go from server to server with what is on them, and grow while they are used."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cloud import hosts
from tests.cloud.conftest import Cloud
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]

# Tells of every disk with a serial, that is of every volume: its name, its size in sectors, and
# what is written on it; on a blank one it leaves the guest's name.
DISKS = """#!/bin/sh
watch_disks() {
    while :; do
        now=""
        for path in /sys/block/vd*; do
            serial=$(cat "$path/serial" 2>/dev/null)
            [ -n "$serial" ] || continue
            name=${path##*/}
            [ -b "/dev/$name" ] || mknod "/dev/$name" b $(tr : ' ' <"$path/dev")
            mark=$(dd if="/dev/$name" bs=64 count=1 2>/dev/null | tr -d '\\000')
            if [ -z "$mark" ]; then
                echo "marker-$(hostname)" | dd of="/dev/$name" conv=notrunc,fsync 2>/dev/null
                mark=written
            fi
            now="$now $name/$serial/$(cat "$path/size")/$mark"
        done
        [ "$now" = "$before" ] || echo "volumes:$now."
        before=$now
        sleep 1
    done
}
watch_disks >/dev/console 2>&1 </dev/null &
"""
OURS = ("volume-", "snapshot-", "upload-", "taken-")
ADMIN = "cloudportal-admin"
GIB_SECTORS = 2 * 1024 * 1024


@contextlib.contextmanager
def server(cloud: Cloud, host: str, tmp_path) -> Iterator[str]:
    """A server on that host that tells of its disks, until it is deleted."""
    name = f"vol-{uuid.uuid4().hex[:6]}"
    path = tmp_path / f"{name}.sh"
    path.write_text(DISKS)
    with hosts.only(cloud, host):
        cloud.portal.openstack(
            *("server", "create", "--image", "tiny", "--flavor", "m1.tiny", "--wait"),
            *("--network", "default", "--user-data", str(path), "--config-drive", "true", name),
        )
    yield name
    cloud.portal.openstack("server", "delete", "--wait", name)


def said(cloud: Cloud, name: str, words: str, within_s: float = 120) -> None:
    """Wait until the guest has said this."""

    def look() -> bool:
        return words in cloud.portal.openstack("console", "log", "show", name)

    eventually(look, within_s=within_s, what=f"{name} says {words}")


def volume(cloud: Cloud, name: str) -> dict[str, Any]:
    """The volume as the command shows it."""
    found: dict[str, Any] = json.loads(cloud.portal.openstack("volume", "show", "-f", "json", name))
    return found


def becomes(cloud: Cloud, name: str, status: str, within_s: float = 60) -> dict[str, Any]:
    """Wait until the volume shows this status."""
    eventually(
        lambda: volume(cloud, name)["status"] == status,
        within_s=within_s,
        what=f"the volume {name} is {status}",
    )
    return volume(cloud, name)


def snapshot_status(cloud: Cloud, name: str) -> str:
    """The status of a snapshot."""
    words = ("volume", "snapshot", "show", "-f", "value", "-c", "status", name)
    return cloud.portal.openstack(*words).strip()


def files(cloud: Cloud, host: str) -> str:
    """The volumes and snapshots that lie on a host."""
    found = cloud.lab.run("exec", host, "--", "ls", "/var/lib/libvirt/images/cloudportal")
    ours = (each for each in found.split() if each.startswith(OURS))
    return " ".join(each for each in ours if not each.endswith(".verified"))


@pytest.mark.long
def test_a_volume_goes_from_server_to_server_with_what_is_on_it(empty_cloud, tmp_path):
    portal = empty_cloud.portal
    first, second = (host["name"] for host in empty_cloud.hosts[:2])
    portal.openstack("volume", "create", "--size", "1", "data")
    made = becomes(empty_cloud, "data", "available")
    serial = made["id"][:20]
    with (
        server(empty_cloud, first, tmp_path) as one,
        server(empty_cloud, second, tmp_path) as other,
    ):
        portal.openstack("server", "add", "volume", one, "data")
        attached = becomes(empty_cloud, "data", "in-use")
        device = attached["attachments"][0]["device"].removeprefix("/dev/")
        said(empty_cloud, one, f"{device}/{serial}/{GIB_SECTORS}/marker-{one}")
        assert files(empty_cloud, first) == f"volume-{made['id']}"

        # It grows under the guest that uses it.
        portal.openstack("volume", "set", "--size", "2", "data")
        said(empty_cloud, one, f"{device}/{serial}/{2 * GIB_SECTORS}/marker-{one}")
        assert becomes(empty_cloud, "data", "in-use")["size"] == 2

        portal.openstack("server", "remove", "volume", one, "data")
        becomes(empty_cloud, "data", "available")
        said(empty_cloud, one, "volumes:.")

        # To a server on another host, where its content is brought first.
        portal.openstack("server", "add", "volume", other, "data")
        attached = becomes(empty_cloud, "data", "in-use")
        device = attached["attachments"][0]["device"].removeprefix("/dev/")
        said(empty_cloud, other, f"{device}/{serial}/{2 * GIB_SECTORS}/marker-{one}")
        assert files(empty_cloud, first) == ""
        assert files(empty_cloud, second) == f"volume-{made['id']}"

        # While it is used, a snapshot is taken.
        portal.openstack("volume", "snapshot", "create", "--force", "--volume", "data", "then")
        eventually(
            lambda: snapshot_status(empty_cloud, "then") == "available",
            within_s=60,
            what="the snapshot is there",
        )
    # The server that had it was deleted; the volume outlives it.
    becomes(empty_cloud, "data", "available")

    portal.openstack("volume", "create", "--snapshot", "then", "copy")
    becomes(empty_cloud, "copy", "available")
    portal.openstack("volume", "delete", "copy")
    portal.openstack("volume", "snapshot", "delete", "then")
    eventually(
        lambda: portal.openstack("volume", "snapshot", "list", "-f", "value") == "",
        what="the snapshot is gone",
    )
    portal.openstack("volume", "delete", "data")
    eventually(
        lambda: portal.openstack("volume", "list", "-f", "value") == "",
        what="the volumes are gone",
    )
    assert [files(empty_cloud, host["name"]) for host in empty_cloud.hosts] == [""] * len(
        empty_cloud.hosts
    )
    empty_cloud.slate.assert_clean()


@pytest.mark.long
def test_a_server_runs_from_a_volume_that_outlives_it(empty_cloud):
    portal = empty_cloud.portal
    common = ("--flavor", "m1.tiny", "--network", "default", "--wait")
    portal.openstack(
        *("server", "create", "--image", "tiny", "--boot-from-volume", "1", *common, "fromvolume")
    )
    said(empty_cloud, "fromvolume", "cloudportal-tiny: hostname")
    shown = json.loads(portal.openstack("server", "show", "-f", "json", "fromvolume"))
    [attached] = shown["volumes_attached"]
    host = hosts.show(empty_cloud, shown["id"]).compute_host
    assert files(empty_cloud, host) == f"volume-{attached['id']}"
    portal.openstack("server", "delete", "--wait", "fromvolume")
    becomes(empty_cloud, attached["id"], "available")

    portal.openstack("server", "create", "--volume", attached["id"], *common, "again")
    said(empty_cloud, "again", "cloudportal-tiny: hostname again")
    portal.openstack("server", "delete", "--wait", "again")
    becomes(empty_cloud, attached["id"], "available")
    portal.openstack("volume", "delete", attached["id"])
    eventually(
        lambda: portal.openstack("volume", "list", "-f", "value") == "",
        what="the volumes are gone",
    )
    empty_cloud.slate.assert_clean()


def admin_json(cloud: Cloud, *words: str) -> Any:
    """What a command of the administrator says."""
    return cloud.portal.openstack_json(*words, cloud=ADMIN)


def test_a_volume_goes_to_another_project_by_the_command(cloud):
    portal = cloud.portal
    portal.openstack("volume", "create", "--size", "1", "gift")
    request = portal.openstack_json("volume", "transfer", "request", "create", "gift")
    assert volume(cloud, "gift")["status"] == "awaiting-transfer"
    listed = portal.openstack_json("volume", "transfer", "request", "list")
    assert [row["ID"] for row in listed] == [request["id"]]

    accept = ("volume", "transfer", "request", "accept", "--auth-key")
    portal.openstack(*accept, request["auth_key"], request["id"], cloud=ADMIN)

    assert portal.openstack("volume", "list", "-f", "value") == ""
    [found] = admin_json(cloud, "volume", "list")
    assert (found["Name"], found["Status"]) == ("gift", "available")
    portal.openstack("volume", "delete", found["ID"], cloud=ADMIN)
    eventually(
        lambda: portal.openstack("volume", "list", "-f", "value", cloud=ADMIN) == "",
        what="the volume is gone",
    )


@pytest.mark.long
def test_types_limits_and_lists_by_the_command(cloud):
    portal = cloud.portal

    def admin(*words: str) -> str:
        return portal.openstack(*words, cloud=ADMIN)

    project = portal.connection().current_project_id
    admin("volume", "type", "create", "--private", "--property", "speed=high", "fast")
    assert "fast" not in portal.openstack("volume", "type", "list", "-f", "value")
    admin("volume", "type", "set", "--project", project, "fast")
    assert project in admin("volume", "type", "show", "-f", "json", "fast")
    admin("quota", "set", "--volumes", "1", "--volume-type", "fast", project)
    portal.openstack("volume", "create", "--size", "1", "--type", "fast", "one")
    refused = portal.commanded("volume", "create", "--size", "1", "--type", "fast", "two")
    assert refused.returncode
    assert "volumes_fast" in refused.stderr
    portal.openstack("volume", "create", "--size", "1", "--property", "color=red", "two")
    refused = portal.commanded("volume", "set", "--type", "fast", "two")
    assert "volumes_fast" in refused.stderr
    portal.openstack("volume", "set", "--type", "__DEFAULT__", "one")
    assert volume(cloud, "one")["type"] == "__DEFAULT__"
    listed = portal.openstack_json("volume", "list", "--property", "color=red")
    assert [row["Name"] for row in listed] == ["two"]
    summary = portal.openstack_json("volume", "summary")
    assert (summary["Total Count"], summary["Total Size"]) == (2, 2)
    # Messages came with 3.3.
    newer = ("--os-volume-api-version", "3.3")
    assert portal.openstack_json(*newer, "volume", "message", "list") == []
    assert admin_json(cloud, "volume", "service", "list")
    assert admin_json(cloud, "volume", "backend", "pool", "list")
    portal.openstack("volume", "set", "--read-only", "two")
    assert volume(cloud, "two")["properties"]["readonly"] == "True"
    for name in ("one", "two"):
        portal.openstack("volume", "delete", name)
    eventually(
        lambda: portal.openstack("volume", "list", "-f", "value") == "",
        what="the volumes are gone",
    )
    admin("volume", "type", "delete", "fast")


@pytest.mark.long
def test_a_volume_becomes_an_image_and_goes_back_to_its_snapshot(empty_cloud, tmp_path):
    portal, first = empty_cloud.portal, empty_cloud.hosts[0]["name"]
    portal.openstack("volume", "create", "--size", "1", "data")
    made = becomes(empty_cloud, "data", "available")
    serial = made["id"][:20]
    with server(empty_cloud, first, tmp_path) as one:
        portal.openstack("server", "add", "volume", one, "data")
        becomes(empty_cloud, "data", "in-use")
        said(empty_cloud, one, f"{serial}/{GIB_SECTORS}/marker-{one}")
        # An image of it is made while the guest has it.
        portal.openstack("image", "create", "--volume", "data", "--force", "while")
        becomes(empty_cloud, "data", "in-use", within_s=240)
        portal.openstack("volume", "snapshot", "create", "--force", "--volume", "data", "then")
        eventually(
            lambda: snapshot_status(empty_cloud, "then") == "available",
            within_s=60,
            what="the snapshot is there",
        )
        portal.openstack("server", "remove", "volume", one, "data")
        becomes(empty_cloud, "data", "available")
        portal.openstack("volume", "revert", "then")
        becomes(empty_cloud, "data", "available", within_s=120)
        # What the guest wrote is there again, and now it may not write any more.
        portal.openstack("volume", "set", "--read-only", "data")
        portal.openstack("server", "add", "volume", one, "data")
        becomes(empty_cloud, "data", "in-use")
        xml = empty_cloud.lab.run(
            "exec", first, "--", "virsh", "dumpxml", domain_of(empty_cloud, one)
        )
        [disk] = [each for each in xml.split("<disk ") if f">{made['id']}</serial>" in each]
        assert "<readonly/>" in disk
        portal.openstack("server", "remove", "volume", one, "data")
        becomes(empty_cloud, "data", "available")
    image = portal.openstack_json("image", "show", "while")
    assert (image["status"], image["disk_format"]) == ("active", "raw")
    assert image["size"] == 1024**3
    portal.openstack("volume", "create", "--image", "while", "--size", "1", "copy")
    becomes(empty_cloud, "copy", "available", within_s=240)
    portal.openstack("volume", "delete", "copy")
    portal.openstack("volume", "delete", "--purge", "data")
    portal.openstack("image", "delete", "while")
    eventually(
        lambda: portal.openstack("volume", "list", "-f", "value") == "",
        what="the volumes are gone",
    )
    assert files(empty_cloud, first) == ""


def domain_of(cloud: Cloud, name: str) -> str:
    """The name of a server's guest on its host."""
    key = cloud.portal.openstack_json("server", "show", name)["id"]
    shown = cloud.portal.openstack_json("server", "show", key, cloud=ADMIN)
    return str(shown["OS-EXT-SRV-ATTR:instance_name"])
