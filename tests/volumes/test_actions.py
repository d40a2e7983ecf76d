"""What is done to volumes beside attaching them: read only, to images, back to snapshots."""

from __future__ import annotations

import pytest

from hypervisors.libvirt.errors import DriverError
from images.models import Image
from tests.authorisation import OWN_PROJECT
from tests.volumes.conftest import ask, client_of, make, show, work
from tests.volumes.test_volumes import attach, stored
from volumes.models import Message, Volume


def act(client, volume, name, body, version="3.71"):
    path = f"volumes/{volume['id']}/action"
    return ask(client, "post", path, {name: body}, version=version)


def filled(world, client, **fields):
    """A volume with the content of an image."""
    volume = make(client, imageRef=str(world.image.pk), **fields)
    for _ in range(4):
        work()
    assert show(client, volume)["status"] == "available"
    return volume


def snapshot(client, volume):
    answer = ask(client, "post", "snapshots", {"snapshot": {"volume_id": volume["id"]}})
    for _ in range(3):
        work()
    return answer.json()["snapshot"]


def test_a_volume_is_given_to_servers_to_read_only(world, client):
    server, volume = world.make_active(), make(client, metadata={"a": "b"})

    assert act(client, volume, "os-update_readonly_flag", {"readonly": True}).status_code == 202

    assert show(client, volume)["metadata"] == {"a": "b", "readonly": "True"}
    attach(client, server, volume)
    work()
    [disk] = [each for each in world.hosts["host1"].guests[server.pk].spec.disks if each.serial]
    assert disk.is_readonly
    refused = act(client, volume, "os-update_readonly_flag", {"readonly": False})
    assert refused.status_code == 400


def test_a_volume_becomes_an_image(world, client):
    volume = filled(world, client)

    answer = act(client, volume, "os-volume_upload_image", {"image_name": "copy"})

    assert answer.status_code == 202, answer.json()
    shown = answer.json()["os-volume_upload_image"]
    assert (shown["status"], shown["disk_format"], shown["visibility"]) == (
        "uploading", "raw", "private",
    )  # fmt: skip
    assert shown["volume_type"]["name"] == "__DEFAULT__"
    assert show(client, volume)["status"] == "uploading"
    for _ in range(3):
        work()
    image = Image.objects.get(pk=shown["image_id"])
    assert (image.status, image.name, image.owner) == ("active", "copy", OWN_PROJECT)
    assert show(client, volume)["status"] == "available"
    [pool] = world.hosts["host1"].pools.values()
    assert not [name for name in pool.volumes if name.startswith(("upload-", "taken-"))]


def test_a_volume_that_a_server_has_becomes_an_image_by_force_only(world, client):
    server, volume = world.make_active(), filled(world, client)
    attach(client, server, volume)
    work()
    wanted = {"image_name": "copy", "disk_format": "qcow2"}

    assert act(client, volume, "os-volume_upload_image", wanted).status_code == 400
    forced = act(client, volume, "os-volume_upload_image", {**wanted, "force": True})

    assert forced.status_code == 202
    for _ in range(5):
        work()
    assert Image.objects.get(name="copy").status == "active"
    assert show(client, volume)["status"] == "in-use"


def test_a_blank_volume_becomes_an_image_too(world, client):
    volume = make(client)

    act(client, volume, "os-volume_upload_image", {"image_name": "blank"})
    for _ in range(3):
        work()

    assert show(client, volume)["status"] == "available"
    assert Image.objects.filter(name="blank").exists()


@pytest.mark.parametrize(
    ("fields", "version", "status"),
    [
        ({"disk_format": "vmdk"}, "3.71", 400),
        ({"container_format": "ova"}, "3.71", 400),
        ({"visibility": "private"}, "3.0", 400),
        ({"visibility": "public"}, "3.71", 403),
        ({"protected": True}, "3.71", 202),
        ({"odd": 1}, "3.71", 400),
    ],
)
def test_how_a_volume_may_become_an_image(world, client, fields, version, status):
    volume = make(client)

    body = {"image_name": "copy", **fields}
    answer = act(client, volume, "os-volume_upload_image", body, version=version)

    assert answer.status_code == status
    assert show(client, volume)["status"] == ("uploading" if status == 202 else "available")


def test_an_image_that_is_not_made_leaves_a_message(world, client):
    volume = filled(world, client)
    world.hosts["host1"].refuse("copy_volume", DriverError("odd"))

    act(client, volume, "os-volume_upload_image", {"image_name": "copy"})
    for _ in range(4):
        work()

    assert Image.objects.get(name="copy").status == "deleted"
    assert show(client, volume)["status"] == "available"
    [message] = ask(client, "get", "messages").json()["messages"]
    assert message["resource_uuid"] == volume["id"]
    assert message["resource_type"] == "VOLUME"
    assert message["user_message"].startswith("copy volume to image:")
    assert message["request_id"] == "req-test"


def test_a_volume_goes_back_to_its_latest_snapshot_at_its_size(world, client):
    volume = filled(world, client)
    taken = snapshot(client, volume)
    act(client, volume, "os-extend", {"new_size": 2})
    work()
    [pool] = world.hosts["host1"].pools.values()
    pool.volumes[f"volume-{volume['id']}"].content = b"changed"

    answer = act(client, volume, "revert", {"snapshot_id": taken["id"]}, version="3.40")

    assert answer.status_code == 202, answer.json()
    assert show(client, volume)["status"] == "reverting"
    shown = ask(client, "get", f"snapshots/{taken['id']}").json()["snapshot"]
    assert shown["status"] == "restoring"
    assert ask(client, "delete", f"snapshots/{taken['id']}").status_code == 400
    for _ in range(3):
        work()
    assert (show(client, volume)["status"], show(client, volume)["size"]) == ("available", 2)
    found = pool.volumes[f"volume-{volume['id']}"]
    assert (found.content, found.capacity) == (b"the bytes of an image", 2 * 1024**3)
    assert ask(client, "delete", f"snapshots/{taken['id']}").status_code == 202


def test_a_volume_goes_back_to_having_been_blank(world, client):
    server, volume = world.make_active(), make(client)
    taken = snapshot(client, volume)
    attach(client, server, volume)
    work()
    refused = act(client, volume, "revert", {"snapshot_id": taken["id"]})
    world.delete(server)
    world.settle()

    answer = act(client, volume, "revert", {"snapshot_id": taken["id"]})

    assert (refused.status_code, answer.status_code) == (400, 202)
    for _ in range(3):
        work()
    assert show(client, volume)["status"] == "available"
    assert Volume.objects.get().hypervisor is None
    assert stored(world) == []


def test_only_the_latest_snapshot_is_gone_back_to_and_from_3_40_on(world, client):
    volume = filled(world, client)
    older, newer = snapshot(client, volume), snapshot(client, volume)
    other = snapshot(client, filled(world, client))

    for each in (older, other):
        assert act(client, volume, "revert", {"snapshot_id": each["id"]}).status_code == 400
    early = act(client, volume, "revert", {"snapshot_id": newer["id"]}, version="3.39")
    assert early.status_code == 400
    assert act(client, volume, "revert", {"snapshot_id": newer["id"]}).status_code == 202


def test_a_revert_that_fails_loses_nothing_of_the_snapshot_and_is_asked_for_again(world, client):
    volume = filled(world, client)
    taken = snapshot(client, volume)
    world.hosts["host1"].refuse("copy_volume", DriverError("odd"))

    act(client, volume, "revert", {"snapshot_id": taken["id"]})
    for _ in range(4):
        work()

    assert show(client, volume)["status"] == "error"
    assert Message.objects.get().text.startswith("revert volume to snapshot:")
    world.hosts["host1"].heal()
    assert act(client, volume, "revert", {"snapshot_id": taken["id"]}).status_code == 202
    for _ in range(3):
        work()
    assert show(client, volume)["status"] == "available"


def test_messages_are_shown_filtered_and_deleted(world, client):
    volume = make(client, imageRef=str(world.image.pk))
    for host in world.hosts.values():
        host.refuse("copy_volume", DriverError("odd"))
    for _ in range(6):
        work()
    assert show(client, volume)["status"] == "error"

    [message] = ask(client, "get", "messages", version="3.3").json()["messages"]

    path = f"messages/{message['id']}"
    assert ask(client, "get", path).json()["message"]["event_id"] == "VOLUME_VOLUME_008_001"
    assert message["message_level"] == "ERROR"
    assert ask(client, "get", "messages", version="3.2").status_code == 404
    for query, count in (
        (f"resource_uuid={volume['id']}", 1),
        ("resource_uuid=none", 0),
        ("resource_type=VOLUME_SNAPSHOT", 0),
        ("event_id=VOLUME_VOLUME_008_001&limit=1", 1),
    ):
        assert len(ask(client, "get", f"messages?{query}").json()["messages"]) == count
    stranger = client_of("foreign member")
    assert ask(stranger, "get", path).status_code == 404
    assert ask(client, "delete", path).status_code == 204
    assert ask(client, "get", path).status_code == 404
    assert not Message.objects.exists()
