"""createImage, createBackup, shelve, shelveOffload and unshelve: bodies, answers and refusals."""

import pytest

from hypervisors.models import Aggregate
from images.models import Image
from operations.models import Operation
from quotas.models import QuotaLimit, Reservation
from servers.models import Server, ServerAction
from servers.states import TaskState, VmState
from tests.authorisation import OWN_PROJECT, actor_named, client_as
from tests.hypervisors.factories import make_hypervisor

pytestmark = pytest.mark.django_db


def act(server, body, who="member", version="2.1"):
    return client_as(who, version).post(f"/compute/v2.1/servers/{server.pk}/action", body)


def message(answer):
    [fault] = answer.json().values()
    return fault["message"]


def limit(**wanted):
    for name, most in wanted.items():
        QuotaLimit.objects.create(project_id=OWN_PROJECT, resource=name, limit=most)


# Images


def test_the_image_is_there_at_once_with_all_that_it_inherits(active, image):
    image.min_ram_mib, image.min_disk_gib = 64, 1
    image.save()
    server = active(image_properties={"os_type": "linux", "img_signature": "x", "name": "no"})

    answer = act(server, {"createImage": {"name": "one", "metadata": {"a": "b"}}}, version="2.45")

    assert answer.status_code == 202
    assert "Location" not in answer
    made = Image.objects.get(pk=answer.json()["image_id"])
    assert (made.name, made.status, made.visibility) == ("one", "queued", "private")
    assert (made.disk_format, made.container_format) == ("qcow2", "bare")
    assert (made.min_ram_mib, made.min_disk_gib, made.owner) == (64, 1, OWN_PROJECT)
    member = actor_named("member")
    assert made.properties == {
        "os_type": "linux",
        "a": "b",
        "instance_uuid": str(server.pk),
        "image_type": "snapshot",
        "base_image_ref": str(image.pk),
        "user_id": member.user_id,
        "owner_user_name": member.user_name,
        "owner_project_name": member.project_name,
        "boot_roles": "member,reader",
    }
    assert Reservation.objects.filter(subject=made.pk, resource="images").exists()
    server.refresh_from_db()
    assert (server.vm_state, server.task_state) == ("active", "image_snapshot_pending")
    operation = Operation.objects.get(subject=server.pk, kind="server.snapshot")
    assert operation.params == {
        "image": str(made.pk),
        "rotation": None,
        "must_be_quiet": False,
    }
    assert ServerAction.objects.filter(server_id=server.pk, action="createImage").exists()


def test_before_2_45_a_header_says_which_image_it_is(active, settings):
    answer = act(active(), {"createImage": {"name": "one"}}, version="2.44")

    made = Image.objects.get(name="one")
    assert answer["Location"] == f"{settings.PUBLIC_URL}/image/v2/images/{made.pk}"
    assert not answer.content


@pytest.mark.parametrize(("rotation", "has_header"), [("2", True), (0, False)])
def test_a_backup_that_is_not_kept_has_no_address(active, rotation, has_header):
    body = {"createBackup": {"name": "b", "backup_type": "daily", "rotation": rotation}}
    server = active()

    answer = act(server, body)

    assert answer.status_code == 202
    assert ("Location" in answer) == has_header
    properties = Image.objects.get(name="b").properties
    assert (properties["image_type"], properties["backup_type"]) == ("backup", "daily")
    server.refresh_from_db()
    assert server.task_state == "image_backup"


@pytest.mark.parametrize(
    "value",
    [
        {"name": "b", "backup_type": "daily"},
        {"name": "b", "backup_type": "daily", "rotation": -1},
        {"name": "b", "backup_type": "daily", "rotation": "x"},
        {"name": "", "backup_type": "daily", "rotation": 1},
        {"name": "b", "backup_type": 7, "rotation": 1},
    ],
)
def test_a_backup_says_its_name_its_type_and_how_many_are_kept(active, value):
    assert act(active(), {"createBackup": value}).status_code == 400


def test_metadata_cannot_take_the_place_of_what_the_image_says_of_itself(active):
    body = {"createImage": {"name": "one", "metadata": {"visibility": "public"}}}

    answer = act(active(), body)

    assert answer.status_code == 400
    assert message(answer) == "Invalid metadata: 'visibility' is an attribute of images."


def test_images_have_no_more_metadata_than_servers_until_2_38(active):
    limit(metadata_items=1)
    body = {"createImage": {"name": "one", "metadata": {"a": "1", "b": "2"}}}

    refused = act(active(), body, version="2.38")
    taken = act(active(name="other"), body, version="2.39")

    assert refused.status_code == 403
    assert message(refused) == "Maximum number of metadata items exceeds 1"
    assert taken.status_code == 202


def test_an_image_above_the_quota_leaves_the_server_free(active):
    limit(images=0)
    server = active()

    assert act(server, {"createImage": {"name": "one"}}).status_code in (403, 413)

    server.refresh_from_db()
    assert server.task_state is None
    assert not Operation.objects.filter(subject=server.pk).exists()


@pytest.mark.parametrize("action", ["createImage", "createBackup"])
def test_images_are_made_of_servers_at_rest_only_also_of_locked_ones(active, action):
    value: dict[str, object] = {"name": "one"}
    if action == "createBackup":
        value |= {"backup_type": "daily", "rotation": 1}
    server = active(vm_state=VmState.ERROR)

    answer = act(server, {action: value})

    assert answer.status_code == 409
    assert message(answer) == (
        f"Cannot '{action}' instance {server.pk} while it is in vm_state error"
    )
    assert not Image.objects.filter(name="one").exists()
    Server.objects.filter(pk=server.pk).update(vm_state=VmState.ACTIVE, locked_by="owner")
    assert act(server, {action: value}).status_code == 202
    again = act(server, {action: value})
    assert again.status_code == 409
    assert "task_state" in message(again)


def test_who_makes_an_image_in_another_project_shares_it(active):
    act(active(), {"createImage": {"name": "one"}}, who="foreign admin")

    assert Image.objects.get(name="one").visibility == "shared"


# The shelf


def test_shelving_makes_an_image_named_for_it(active):
    server = active(name="web")

    assert act(server, {"shelve": None}).status_code == 202

    server.refresh_from_db()
    assert (server.vm_state, server.task_state) == ("active", "shelving")
    made = Image.objects.get(name="web-shelved")
    operation = Operation.objects.get(subject=server.pk, kind="server.shelve")
    assert operation.params == {"image": str(made.pk), "was": "active", "offload": True}


def test_a_locked_server_is_not_shelved(active):
    assert act(active(locked_by="owner"), {"shelve": None}).status_code == 409


def test_only_administrators_take_shelved_servers_off_their_hosts(active):
    server = active(vm_state=VmState.SHELVED)

    assert act(server, {"shelveOffload": None}).status_code == 403
    assert act(server, {"shelveOffload": None}, who="admin").status_code == 202

    server.refresh_from_db()
    assert server.task_state == TaskState.SHELVING_OFFLOADING


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (VmState.SHELVED, "server.unshelve_start"),
        (VmState.SHELVED_OFFLOADED, "server.unshelve"),
    ],
)
def test_a_server_comes_back_the_way_it_left(active, state, kind):
    server = active(vm_state=state)

    assert act(server, {"unshelve": None}).status_code == 202

    assert Operation.objects.get(subject=server.pk).kind == kind


@pytest.mark.parametrize(
    ("version", "value", "status"),
    [
        ("2.76", {"availability_zone": "x", "anything": 1}, 202),
        ("2.77", {"availability_zone": "x"}, 400),
        ("2.77", {}, 400),
        ("2.77", {"availability_zone": None}, 400),
        ("2.77", {"availability_zone": "nova", "host": "alpha"}, 400),
        ("2.91", {"availability_zone": None}, 202),
        ("2.91", {"availability_zone": "nova"}, 202),
        ("2.91", {"availability_zone": "nova", "more": 1}, 400),
    ],
)
def test_which_places_a_microversion_knows(active, version, value, status):
    server = active(vm_state=VmState.SHELVED_OFFLOADED)

    assert act(server, {"unshelve": value}, version=version).status_code == status


def test_a_zone_is_pinned_or_given_up(active):
    server = active(vm_state=VmState.SHELVED_OFFLOADED)

    act(server, {"unshelve": {"availability_zone": "nova"}}, version="2.77")

    server.refresh_from_db()
    assert (server.pinned_zone, server.request_spec["zone"]) == ("nova", "nova")
    Operation.objects.all().delete()
    Server.objects.update(task_state=None)
    act(server, {"unshelve": {"availability_zone": None}}, version="2.91")
    server.refresh_from_db()
    assert (server.pinned_zone, server.request_spec["zone"]) == (None, "")


def test_no_place_is_chosen_for_a_server_that_is_on_its_host(active):
    server = active(vm_state=VmState.SHELVED)

    answer = act(server, {"unshelve": {"availability_zone": "nova"}}, version="2.91")

    assert answer.status_code == 409
    assert message(answer) == (
        "Specifying an availability zone or a host when unshelving server "
        f"{server.pk} with status shelved is not supported."
    )


def test_a_host_is_chosen_by_administrators_and_stands_in_the_zone(active, host):
    make_hypervisor(name="beta")
    rack = Aggregate.objects.create(name="rack", availability_zone="east")
    rack.hypervisors.add(host)
    server = active(vm_state=VmState.SHELVED_OFFLOADED)

    def unshelve(who, **value):
        return act(server, {"unshelve": value}, who=who, version="2.91")

    assert unshelve("member", host="alpha").status_code == 403
    assert unshelve("admin", host="gamma").status_code == 400
    outside = unshelve("admin", host="beta", availability_zone="east")
    assert outside.status_code == 409
    assert message(outside) == 'Host "beta" is not in the availability zone "east".'
    Server.objects.filter(pk=server.pk).update(pinned_zone="east")
    assert unshelve("admin", host="beta").status_code == 409
    assert unshelve("admin", host="beta", availability_zone=None).status_code == 202
    assert Operation.objects.get(subject=server.pk).params == {"host": "beta"}
