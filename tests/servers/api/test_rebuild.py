"""Rebuild, rescue and passwords as clients see them: bodies, answers, refusals."""

import base64
import uuid

import pytest

from hypervisors.models import StoragePool
from images.models import Image, ImageStatus
from operations.models import Operation
from servers.models import KeyPair, Server
from servers.reimage import fields_before
from servers.secrets import unseal
from servers.states import TaskState, VmState
from tests.authorisation import actor_named, client_as

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("silent_hosts")]


@pytest.fixture
def server(active, host) -> Server:
    StoragePool.objects.create(hypervisor=host, name="cloudportal", is_default=True)
    return active()


def act(server, name, value, version="2.1", who="member"):
    path = f"/compute/v2.1/servers/{server.pk}/action"
    return client_as(who, version).post(path, {name: value})


def message(answer):
    [fault] = answer.json().values()
    return fault["message"]


def rebuild(server, version="2.1", **fields):
    return act(server, "rebuild", {"imageRef": str(server.image_id), **fields}, version)


def test_another_image_may_not_ask_for_other_nodes(server, image):
    image.properties = {"hw_cpu_policy": "dedicated"}
    image.save()

    answer = rebuild(server)

    assert answer.status_code == 400
    assert message(answer) == (
        "An instance's NUMA topology cannot be changed as part of a rebuild. The image provided is "
        "invalid for this instance."
    )


def test_a_rebuild_changes_what_it_names_and_answers_with_the_server(server):
    user_data = base64.b64encode(b"#!/bin/sh").decode()
    # Too long to come up by chance in what is sealed.
    Server.objects.filter(pk=server.pk).update(name="name-before-the-rebuild")

    answer = rebuild(
        server,
        "2.100",
        name="new",
        metadata={"a": "b"},
        adminPass="secret",
        accessIPv4="192.0.2.1",
        description=None,
        hostname="new.example",
        user_data=user_data,
        preserve_ephemeral=True,
        **{"OS-DCF:diskConfig": "AUTO"},
    )

    assert answer.status_code == 202, answer.content
    assert answer.headers["Location"].endswith(f"/servers/{server.pk}")
    shown = answer.json()["server"]
    assert (shown["name"], shown["status"], shown["metadata"]) == ("new", "REBUILD", {"a": "b"})
    assert (shown["adminPass"], shown["user_data"], shown["key_name"]) == (
        "secret",
        user_data,
        None,
    )
    assert (shown["accessIPv4"], shown["OS-DCF:diskConfig"]) == ("192.0.2.1", "AUTO")
    server.refresh_from_db()
    assert (server.task_state, server.hostname) == (TaskState.REBUILDING, "new.example")
    assert unseal(server.sealed_admin_password) == "secret"
    operation = Operation.objects.get()
    assert operation.kind == "server.rebuild"
    assert operation.params["preserve_ephemeral"] is True
    assert "name-before" not in str(operation.params)
    assert fields_before(operation.params)["name"] == "name-before-the-rebuild"


@pytest.mark.parametrize(
    ("version", "extra"),
    [
        ("2.1", {"adminPass"}),
        ("2.53", {"adminPass"}),
        ("2.54", {"adminPass", "key_name"}),
        ("2.57", {"adminPass", "key_name", "user_data"}),
        ("2.74", {"adminPass", "key_name", "user_data"}),
    ],
)
def test_the_answer_is_that_of_an_update_and_more(server, version, extra):
    changed = client_as("member", version).put(f"/compute/v2.1/servers/{server.pk}", {"server": {}})

    answer = rebuild(server, version)

    assert set(answer.json()["server"]) - set(changed.json()["server"]) == extra


def test_a_key_pair_is_the_callers_and_null_takes_it_away(server):
    user = actor_named("member").user_id
    KeyPair.objects.create(user_id=user, name="mine", public_key="ssh-ed25519 AAAA", fingerprint="")

    assert rebuild(server, "2.54", key_name="other").status_code == 400
    rebuild(server, "2.54", key_name="mine")
    server.refresh_from_db()
    assert (server.key_name, server.public_key) == ("mine", "ssh-ed25519 AAAA")

    Operation.objects.all().delete()
    Server.objects.update(task_state=None)
    rebuild(server, "2.54", key_name=None)
    server.refresh_from_db()
    assert (server.key_name, server.public_key) == (None, "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": ImageStatus.QUEUED}, "is not active"),
        ({"min_ram_mib": 10_000}, "memory is too small"),
        ({"virtual_size": 5 * 1024**3}, "disk is too small"),
        ({"properties": {"hw_disk_bus": "floppy"}}, "Invalid image metadata"),
    ],
)
def test_an_image_that_does_not_fit_is_refused(server, change, words):
    Image.objects.update(**change)

    answer = rebuild(server)

    assert answer.status_code == 400
    assert words in message(answer)
    assert Server.objects.get().task_state is None


def test_an_unknown_image_is_refused(server):
    answer = act(server, "rebuild", {"imageRef": str(uuid.uuid4())})

    assert (answer.status_code, message(answer)) == (400, "Cannot find image for rebuild")


def test_a_volume_does_not_get_another_image_before_2_93(server):
    image = str(server.image_id)
    Server.objects.update(image_id=None)

    answer = act(server, "rebuild", {"imageRef": image}, "2.92")

    assert answer.status_code == 400
    assert "volume-backed" in message(answer)


def test_too_much_metadata_is_over_quota(server):
    answer = rebuild(server, metadata={f"key{number}": "x" for number in range(129)})

    assert answer.status_code == 403


def test_states_come_before_what_is_wrong_with_the_image(server):
    Server.objects.update(vm_state=VmState.PAUSED)

    answer = act(server, "rebuild", {"imageRef": str(uuid.uuid4())})

    assert answer.status_code == 409
    assert "Cannot 'rebuild'" in message(answer)


# Rescue


@pytest.mark.parametrize("value", [None, {}, {"adminPass": "secret"}])
def test_a_rescue_answers_with_a_password(server, value):
    answer = act(server, "rescue", value)

    assert answer.status_code == 200
    password = answer.json()["adminPass"]
    assert (value or {}).get("adminPass", password) == password
    server.refresh_from_db()
    assert server.task_state == TaskState.RESCUING
    assert unseal(server.sealed_admin_password) == password
    assert Operation.objects.get().params == {"image": str(server.image_id)}


def test_nothing_can_be_rescued_with_an_image_that_is_not_there(server):
    wanted = str(uuid.uuid4())

    answer = act(server, "rescue", {"rescue_image_ref": wanted})

    assert answer.status_code == 400
    assert message(answer) == f"Requested rescue image '{wanted}' is not supported"


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"hw_rescue_device": "floppy"}, "rescue device 'floppy'"),
        ({"hw_rescue_bus": "fdc"}, "rescue bus 'fdc'"),
    ],
)
def test_a_device_that_cannot_be_booted_from_is_refused(server, properties, words):
    Image.objects.update(properties=properties)

    answer = act(server, "rescue", None)

    assert answer.status_code == 400
    assert words in message(answer)


def test_a_server_on_a_volume_is_rescued_from_2_87_with_a_disk_beside(server):
    image = str(server.image_id)
    Server.objects.update(image_id=None)
    Image.objects.update(properties={"hw_rescue_device": "disk"})
    value = {"rescue_image_ref": image}

    assert act(server, "rescue", value, "2.86").status_code == 400
    assert act(server, "rescue", value, "2.87").status_code == 200


def test_only_a_rescued_server_is_brought_back(server):
    assert act(server, "unrescue", None).status_code == 409
    Server.objects.update(vm_state=VmState.RESCUED)

    assert act(server, "unrescue", None).status_code == 202


# Passwords


def test_without_an_agent_a_password_is_a_conflict(server):
    answer = act(server, "changePassword", {"adminPass": "secret"})

    assert (answer.status_code, message(answer)) == (409, "QEMU guest agent is not enabled")
    assert Server.objects.get().task_state is None
