"""Images, backups and the shelf, with the real command: what was on the disk is there again."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.cloud.conftest import Cloud
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]

# Leaves a word on the disk, and has every later boot say it, also that of a copy of the disk.
SCRIPT = """#!/bin/sh
echo {word} >/root/word
echo '::once:/root/say-it' >>/etc/inittab
cat >/root/say-it <<'END'
#!/bin/sh
echo "on the disk: $(cat /root/word), $(hostname)" >/dev/console
END
chmod 755 /root/say-it
sync
echo written {word}
"""


@pytest.mark.long
def test_what_is_on_a_disk_is_in_its_images_and_outlives_the_shelf(empty_cloud, tmp_path):
    portal = empty_cloud.portal
    word = f"word-{uuid.uuid4().hex[:8]}"
    script = tmp_path / "script.sh"
    script.write_text(SCRIPT.format(word=word))
    name, copy, picture = f"{word}-one", f"{word}-two", f"{word}-picture"
    portal.openstack(
        *("server", "create", "--image", "tiny", "--flavor", "m1.tiny", "--wait"),
        *("--user-data", str(script), name),
    )
    wait_console(empty_cloud, name, f"written {word}")

    portal.openstack("server", "image", "create", "--name", picture, "--wait", name)
    found = show(empty_cloud, name)
    assert (found["status"], found["OS-EXT-STS:task_state"]) == ("ACTIVE", None)
    assert not copies_on_hosts(empty_cloud)
    shown = portal.openstack_json("image", "show", picture)
    assert (shown["status"], shown["disk_format"]) == ("active", "qcow2")
    assert shown["properties"]["instance_uuid"] == found["id"]
    assert shown["properties"]["image_type"] == "snapshot"

    portal.openstack(
        *("server", "create", "--image", picture, "--flavor", "m1.tiny", "--wait", copy)
    )
    wait_console(empty_cloud, copy, f"on the disk: {word}, {copy}")
    portal.openstack("server", "delete", "--wait", copy)

    first = backup_of(empty_cloud, name, f"{word}-b1")
    second = backup_of(empty_cloud, name, f"{word}-b2")
    assert first != second
    assert backups(empty_cloud) == [second]

    portal.openstack("server", "shelve", "--wait", name)
    eventually(
        lambda: show(empty_cloud, name)["status"] == "SHELVED_OFFLOADED",
        within_s=60,
        what="the server leaves its host",
    )
    eventually(lambda: not on_hosts(empty_cloud), within_s=60, what="nothing is on the hosts")
    assert images_named(empty_cloud, f"{name}-shelved") == ["active"]
    portal.openstack("server", "unshelve", "--wait", name)
    wait_console(empty_cloud, name, f"on the disk: {word}, {name}")
    assert show(empty_cloud, name)["addresses"] == found["addresses"]
    assert show(empty_cloud, name)["image"] == found["image"]
    assert images_named(empty_cloud, f"{name}-shelved") == []

    portal.openstack("image", "delete", picture, second)
    portal.openstack("server", "delete", "--wait", name)
    empty_cloud.slate.assert_clean()


@pytest.mark.long
def test_a_stopped_server_has_images_and_its_end_ends_what_is_at_work(empty_cloud):
    portal = empty_cloud.portal
    name, picture = f"off-{uuid.uuid4().hex[:8]}", f"off-{uuid.uuid4().hex[:8]}"
    portal.openstack(
        *("server", "create", "--image", "tiny", "--flavor", "m1.tiny", "--wait", name)
    )
    portal.openstack("server", "stop", name)
    eventually(
        lambda: show(empty_cloud, name)["status"] == "SHUTOFF", within_s=120, what="it is off"
    )
    portal.openstack("server", "image", "create", "--name", picture, "--wait", name)
    assert images_named(empty_cloud, picture) == ["active"]
    portal.openstack("image", "delete", picture)

    portal.openstack("server", "shelve", name)
    portal.openstack("server", "delete", "--wait", name)

    empty_cloud.slate.assert_clean()
    eventually(
        lambda: images_named(empty_cloud, f"{name}-shelved") == [],
        within_s=30,
        what="no image of it is left",
    )


def show(cloud: Cloud, name: str) -> dict[str, Any]:
    found: dict[str, Any] = cloud.portal.openstack_json("server", "show", name)
    return found


def wait_console(cloud: Cloud, name: str, words: str) -> None:
    eventually(
        lambda: words in cloud.portal.openstack("console", "log", "show", name),
        within_s=240,
        what=f"the console of {name} says: {words}",
    )


def backup_of(cloud: Cloud, server: str, name: str) -> str:
    cloud.portal.openstack(
        *("server", "backup", "create", "--name", name, "--type", "daily", "--rotate", "1"),
        *("--wait", server),
    )
    eventually(
        lambda: show(cloud, server)["OS-EXT-STS:task_state"] is None, what="the backup is over"
    )
    return str(cloud.portal.openstack_json("image", "show", name)["id"])


def backups(cloud: Cloud) -> list[str]:
    listed = cloud.portal.openstack_json("image", "list", "--property", "image_type=backup")
    return [each["ID"] for each in listed]


def images_named(cloud: Cloud, name: str) -> list[str]:
    """Their statuses."""
    return [each["Status"] for each in cloud.portal.openstack_json("image", "list", "--name", name)]


def on_hosts(cloud: Cloud) -> dict[str, Any]:
    """What servers have on hosts, by kind."""
    names = {host["name"] for host in cloud.hosts}
    left = cloud.slate.leftovers()
    return {kind: things for kind, things in left.items() if kind.split(" ")[0] in names}


def copies_on_hosts(cloud: Cloud) -> list[str]:
    return [each for each in json.dumps(on_hosts(cloud)).split('"') if "-copy-" in each]
