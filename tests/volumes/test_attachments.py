"""Attachments that somebody makes by hand, as those who attach volumes on their own do."""

from __future__ import annotations

import uuid

import pytest

from tests.volumes.conftest import ask, client_of, make, show, work
from tests.volumes.test_volumes import attach, detach
from volumes.models import Attachment, Volume

CONNECTOR = {"host": "elsewhere", "ip": "10.0.0.9", "mode": "ro", "mountpoint": "/dev/sdx"}


def hold(client, volume, **fields):
    body = {"attachment": {"volume_uuid": volume["id"], **fields}}
    return ask(client, "post", "attachments", body)


def one(client, attachment, method="get", path="", body=None, version="3.71"):
    return ask(client, method, f"attachments/{attachment['id']}{path}", body, version=version)


def complete(client, attachment, **more):
    return one(client, attachment, "post", "/action", {"os-complete": {}}, **more)


def connect(client, attachment, connector=CONNECTOR):
    return one(client, attachment, "put", "", {"attachment": {"connector": connector}})


def test_a_volume_is_held_connected_attached_and_let_go(world, client):
    volume, server_id = make(client), str(uuid.uuid4())

    held = hold(client, volume, instance_uuid=server_id).json()["attachment"]
    assert (held["status"], held["instance"]) == ("reserved", server_id)
    assert show(client, volume)["status"] == "reserved"
    assert complete(client, held).status_code == 400

    connected = connect(client, held).json()["attachment"]
    assert (connected["status"], connected["attach_mode"]) == ("attaching", "ro")
    assert connected["connection_info"]["access_mode"] == "ro"
    assert show(client, volume)["status"] == "attaching"

    assert complete(client, held, version="3.43").status_code == 404
    assert complete(client, held).status_code == 204
    shown = show(client, volume)
    assert shown["status"] == "in-use"
    [attached] = shown["attachments"]
    assert (attached["attachment_id"], attached["device"]) == (held["id"], "/dev/sdx")
    assert connect(client, held).status_code == 400

    assert one(client, held, "delete").json() == {"attachments": []}
    assert show(client, volume)["status"] == "available"
    assert not Attachment.objects.exists()


def test_with_a_connector_an_attachment_begins_attaching(world, client):
    volume = make(client)

    held = hold(client, volume, connector=CONNECTOR).json()["attachment"]

    assert held["status"] == "attaching"
    assert one(client, held, "delete").status_code == 200
    assert show(client, volume)["status"] == "available"


def test_a_volume_is_held_once_whoever_holds_it(world, client):
    server, volume = world.make_active(), make(client)
    held = hold(client, volume).json()["attachment"]

    assert hold(client, volume).status_code == 400
    assert attach(client, server, volume).status_code == 400
    one(client, held, "delete")
    attach(client, server, volume)
    assert hold(client, volume).status_code == 400
    assert Attachment.objects.count() == 1


def test_what_the_compute_service_attached_it_alone_changes(world, client):
    server, volume = world.make_active(), make(client)
    attach(client, server, volume)
    work()
    [found] = ask(client, "get", f"attachments?volume_id={volume['id']}").json()["attachments"]

    answers = [connect(client, found), complete(client, found), one(client, found, "delete")]

    assert [answer.status_code for answer in answers] == [409] * 3
    assert show(client, volume)["status"] == "in-use"
    assert detach(client, server, volume).status_code == 202


def test_where_a_volume_lies_only_administrators_are_told(world, client):
    volume = make(client, imageRef=str(world.image.pk))
    for _ in range(4):
        work()
    held = hold(client, volume, connector=CONNECTOR).json()["attachment"]

    as_admin = one(client_of("admin"), held).json()["attachment"]["connection_info"]

    assert "pool" not in held["connection_info"]
    assert as_admin["volume"] == f"volume-{volume['id']}"


def test_a_volume_held_by_hand_grows_where_it_lies(world, client):
    volume = make(client, imageRef=str(world.image.pk))
    for _ in range(4):
        work()
    held = hold(client, volume, instance_uuid=str(uuid.uuid4()), connector=CONNECTOR)
    complete(client, held.json()["attachment"])

    body = {"os-extend": {"new_size": 2}}
    assert ask(client, "post", f"volumes/{volume['id']}/action", body).status_code == 202
    work()

    assert (show(client, volume)["status"], show(client, volume)["size"]) == ("in-use", 2)


@pytest.mark.parametrize(
    "body",
    [{}, {"attachment": {}}, {"attachment": {"connector": None}}, {"attachment": {"odd": 1}}],
)
def test_how_nothing_is_connected(world, client, body):
    held = hold(client, make(client)).json()["attachment"]

    assert one(client, held, "put", "", body).status_code == 400


def test_a_volume_whose_status_was_set_meanwhile_is_not_attached(world, client):
    volume = make(client)
    held = hold(client, volume).json()["attachment"]
    Volume.objects.filter(pk=volume["id"]).update(status="error")

    assert connect(client, held).status_code == 400
    assert Attachment.objects.get().status == "reserved"
