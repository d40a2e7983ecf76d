"""Volumes through the API: made, attached, grown, copied, deleted, and what is refused."""

from __future__ import annotations

import uuid

import pytest

from hypervisors.models import Hypervisor
from operations.models import UNFINISHED, Operation
from quotas.models import QuotaLimit, Reservation
from servers.models import Server
from tests.authorisation import OWN_PROJECT
from tests.matrix.world import World
from tests.volumes.conftest import ask, client_of, make, show, work
from volumes.models import Attachment, Snapshot, Volume

COMPUTE = "/compute/v2.1/servers"


def attach(client, server, volume, version="2.79", **fields):
    body = {"volumeAttachment": {"volumeId": volume["id"], **fields}}
    return client.post(
        f"{COMPUTE}/{server.pk}/os-volume_attachments",
        body,
        format="json",
        headers={"OpenStack-API-Version": f"compute {version}"},
    )


def detach(client, server, volume):
    return client.delete(f"{COMPUTE}/{server.pk}/os-volume_attachments/{volume['id']}")


def disks_on(world: World, server: Server, host="host1"):
    return [disk.serial for disk in world.hosts[host].guests[server.pk].spec.disks if disk.serial]


def stored(world: World, host="host1"):
    [pool] = world.hosts[host].pools.values()
    return sorted(name for name in pool.volumes if name.startswith(("volume-", "snapshot-")))


def held():
    return dict(
        Reservation.objects.filter(resource__in=["volumes", "gigabytes", "snapshots"])
        .order_by("resource", "amount")
        .values_list("resource", "amount")
    )


def test_a_blank_volume_is_there_at_once_and_on_no_host(world, client):
    volume = make(client, name="data", metadata={"a": "b"})

    assert (volume["status"], volume["size"], volume["bootable"]) == ("available", 1, "false")
    assert volume["metadata"] == {"a": "b"}
    assert volume["attachments"] == []
    assert held() == {"volumes": 1, "gigabytes": 1}
    assert [stored(world, host) for host in world.hosts] == [[], []]


def test_the_status_of_a_blank_volume_is_set_to_error_and_back(world, client):
    volume, admin = make(client), client_of("admin")

    for status in ("error", "available"):
        body = {"os-reset_status": {"status": status}}
        answer = ask(admin, "post", f"volumes/{volume['id']}/action", body)

        assert answer.status_code == 202, answer.content
        assert show(client, volume)["status"] == status


def test_what_never_came_from_its_source_is_not_said_to_be_available(world, client):
    volume, admin = make(client), client_of("admin")
    Volume.objects.update(status="error", image_id=uuid.uuid4())

    body = {"os-reset_status": {"status": "available"}}
    answer = ask(admin, "post", f"volumes/{volume['id']}/action", body)

    assert (answer.status_code, show(client, volume)["status"]) == (400, "error")


def test_a_volume_is_attached_and_detached_while_its_server_runs(world, client):
    server, volume = world.make_active(), make(client)

    answer = attach(client, server, volume)

    assert answer.status_code == 200, answer.json()
    shown = answer.json()["volumeAttachment"]
    assert (shown["id"], shown["serverId"]) == (volume["id"], str(server.pk))
    # The root disk and the config drive have the first two names.
    assert shown["device"] == "/dev/vdc"
    assert show(client, volume)["status"] == "attaching"
    work()
    [attached] = show(client, volume)["attachments"]
    assert show(client, volume)["status"] == "in-use"
    assert (attached["server_id"], attached["device"]) == (str(server.pk), "/dev/vdc")
    assert disks_on(world, server) == [volume["id"]]
    assert stored(world) == [f"volume-{volume['id']}"]
    server_shown = client.get(f"{COMPUTE}/{server.pk}").json()["server"]
    assert server_shown["os-extended-volumes:volumes_attached"] == [{"id": volume["id"]}]

    assert detach(client, server, volume).status_code == 202
    assert show(client, volume)["status"] == "detaching"
    work()
    assert show(client, volume)["status"] == "available"
    assert disks_on(world, server) == []
    assert not Attachment.objects.exists()


def test_a_volume_follows_the_server_that_attaches_it_to_another_host(world, client):
    server, volume = world.make_active(), make(client)
    host2 = Hypervisor.objects.get(name="host2")
    Volume.objects.filter(pk=volume["id"]).update(hypervisor=host2, pool="cloudportal")
    with_content = world.hosts["host2"]
    with_content.create_blank("cloudportal", f"volume-{volume['id']}", 1024**3, "qcow2")
    with_content.pools["cloudportal"].volumes[f"volume-{volume['id']}"].content = b"precious"

    attach(client, server, volume)
    for _ in range(3):
        work()

    assert show(client, volume)["status"] == "in-use"
    assert stored(world, "host2") == []
    assert stored(world, "host1") == [f"volume-{volume['id']}", f"volume-{volume['id']}.verified"]
    content = world.hosts["host1"].pools["cloudportal"].volumes[f"volume-{volume['id']}"].content
    assert content == b"precious"


def test_a_volume_is_attached_once(world, client):
    server, volume = world.make_active(), make(client)
    attach(client, server, volume)

    second = attach(client, server, volume)

    assert second.status_code == 400
    assert (
        "status must be 'available'. Currently in 'attaching'"
        in second.json()["badRequest"]["message"]
    )
    assert Attachment.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"device": "/dev/vda"}, 409),
        ({"device": "/dev/vdc"}, 200),
        ({"device": "/dev/sdf"}, 200),
        ({"device": "nonsense"}, 400),
        ({"unknown": 1}, 400),
        ({"tag": "mine", "delete_on_termination": True}, 200),
    ],
)
def test_how_a_volume_may_be_attached(world, client, fields, status):
    server, volume = world.make_active(), make(client)

    assert attach(client, server, volume, **fields).status_code == status


def test_from_2_101_an_attachment_is_accepted_without_a_body(world, client):
    server, volume = world.make_active(), make(client)

    answer = attach(client, server, volume, version="2.101")

    assert (answer.status_code, answer.content) == (202, b"")


def test_an_unknown_volume_is_not_attached(world, client):
    answer = attach(client, world.make_active(), {"id": str(uuid.uuid4())})

    assert answer.status_code == 404


def test_an_attachment_that_fails_leaves_the_volume_free(world, client):
    from hypervisors.libvirt.errors import DriverError

    server, volume = world.make_active(), make(client)
    world.hosts["host1"].refuse("attach_disk", DriverError("odd"), after=True)

    attach(client, server, volume)
    for _ in range(4):
        work()

    assert show(client, volume)["status"] == "available"
    assert disks_on(world, server) == []
    assert not Attachment.objects.exists()


def test_a_guest_that_keeps_its_disk_keeps_the_volume(world, client):
    server, volume = world.make_active(), make(client)
    attach(client, server, volume)
    work()
    world.hosts["host1"].keeps_disks = True

    detach(client, server, volume)
    for _ in range(10):
        work()

    assert show(client, volume)["status"] == "in-use"
    assert disks_on(world, server) == [volume["id"]]


@pytest.mark.parametrize("goes_too", [False, True])
def test_a_deleted_server_lets_its_volumes_go(world, client, goes_too):
    server, volume = world.make_active(), make(client)
    attach(client, server, volume, delete_on_termination=goes_too)
    work()

    world.delete(server)
    world.settle()

    assert not Attachment.objects.exists()
    if goes_too:
        assert not Volume.objects.exists()
        assert (stored(world), held()) == ([], {})
    else:
        assert show(client, volume)["status"] == "available"
        assert stored(world) == [f"volume-{volume['id']}"]


def test_a_volume_of_a_server_whose_host_is_away_waits_for_it(world, client):
    server, volume = world.make_active(), make(client)
    attach(client, server, volume)
    work()
    world.hosts["host1"].be_down()

    world.delete(server)
    for _ in range(12):
        work()

    assert Server.objects.get(pk=server.pk).deleted_at is not None
    assert show(client, volume)["status"] == "in-use"
    world.hosts["host1"].be_down(False)
    world.settle()
    assert show(client, volume)["status"] == "available"


def test_a_volume_grows_under_its_server(world, client):
    server, volume = world.make_active(), make(client)
    attach(client, server, volume)
    work()
    body = {"os-extend": {"new_size": 3}}

    old = ask(client, "post", f"volumes/{volume['id']}/action", body, version="3.41")
    new = ask(client, "post", f"volumes/{volume['id']}/action", body, version="3.42")

    assert (old.status_code, new.status_code) == (400, 202)
    assert show(client, volume)["status"] == "extending"
    work()
    assert (show(client, volume)["status"], show(client, volume)["size"]) == ("in-use", 3)
    [pool] = world.hosts["host1"].pools.values()
    assert pool.volumes[f"volume-{volume['id']}"].capacity == 3 * 1024**3
    assert held() == {"volumes": 1, "gigabytes": 3}


def test_a_volume_does_not_shrink(world, client):
    volume = make(client, size=2)

    answer = ask(client, "post", f"volumes/{volume['id']}/action", {"os-extend": {"new_size": 1}})

    assert answer.status_code == 400


def test_a_volume_is_made_from_an_image(world, client):
    volume = make(client, imageRef=str(world.image.pk), size=1)

    assert volume["status"] == "creating"
    assert (volume["bootable"], volume["volume_image_metadata"]["image_name"]) == ("true", "tiny")
    for _ in range(4):
        work()
    assert show(client, volume)["status"] == "available"
    [name, mark] = stored(world)
    assert (name, mark) == (f"volume-{volume['id']}", f"volume-{volume['id']}.verified")
    assert (
        world.hosts["host1"].pools["cloudportal"].volumes[name].content == b"the bytes of an image"
    )


def test_snapshots_and_copies_have_the_content_and_stand_alone(world, client):
    volume = make(client, imageRef=str(world.image.pk), size=1)
    for _ in range(4):
        work()

    answer = ask(client, "post", "snapshots", {"snapshot": {"volume_id": volume["id"]}})
    assert answer.status_code == 202, answer.json()
    snapshot = answer.json()["snapshot"]
    for _ in range(3):
        work()
    shown = ask(client, "get", f"snapshots/{snapshot['id']}").json()["snapshot"]
    assert shown["status"] == "available"
    refused = ask(client, "delete", f"volumes/{volume['id']}")
    assert refused.status_code == 400
    copy = make(client, snapshot_id=snapshot["id"], size=None)
    clone = make(client, source_volid=volume["id"], size=2)
    for _ in range(4):
        work()

    assert [show(client, each)["status"] for each in (copy, clone)] == ["available"] * 2
    assert held()["snapshots"] == 1
    for each in (copy, clone):
        assert ask(client, "delete", f"volumes/{each['id']}").status_code == 202
    assert ask(client, "delete", f"volumes/{volume['id']}?cascade=true").status_code == 202
    world.settle()
    assert stored(world) == []
    assert held() == {}


@pytest.mark.parametrize(("force", "version", "status"), [
    (False, "3.65", 400), (True, "3.65", 202), (None, "3.66", 202), (False, "3.66", 400),
])  # fmt: skip
def test_a_volume_that_a_server_has_is_copied_under_it(world, client, force, version, status):
    server, volume = world.make_active(), make(client)
    attach(client, server, volume)
    work()
    wanted = {"volume_id": volume["id"], **({} if force is None else {"force": force})}

    answer = ask(client, "post", "snapshots", {"snapshot": wanted}, version=version)

    assert answer.status_code == status
    for _ in range(4):
        work()
    if status == 202:
        assert Snapshot.objects.get().status == "available"
        assert f"snapshot-{answer.json()['snapshot']['id']}" in stored(world)


def test_quota_bounds_volumes_in_the_services_own_words(world, client):
    QuotaLimit.objects.create(project_id=OWN_PROJECT, resource="gigabytes", limit=2)

    answer = ask(client, "post", "volumes", {"volume": {"size": 3}})

    assert answer.status_code == 413
    assert answer["Retry-After"] == "0"
    assert "overLimit" in answer.json()
    assert not Volume.objects.exists()


def test_deleting_forgets_the_volume_and_its_quota(world, client):
    volume = make(client)

    assert ask(client, "delete", f"volumes/{volume['id']}").status_code == 202
    work()

    assert ask(client, "get", f"volumes/{volume['id']}").status_code == 404
    assert held() == {}


def test_an_attached_volume_is_not_deleted(world, client):
    server, volume = world.make_active(), make(client)
    attach(client, server, volume)
    work()

    assert ask(client, "delete", f"volumes/{volume['id']}").status_code == 400
    assert not Operation.objects.filter(kind="volume.delete", state__in=UNFINISHED).exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"size": 0}, 400),
        ({}, 400),
        ({"size": 1, "volume_type": "none such"}, 404),
        ({"size": 1, "snapshot_id": str(uuid.uuid4())}, 404),
        ({"size": 1, "source_volid": str(uuid.uuid4())}, 404),
        ({"size": 1, "imageRef": "no image"}, 400),
        ({"size": 1, "multiattach": True}, 400),
        ({"size": 1, "availability_zone": "nowhere"}, 400),
        ({"size": 1, "odd": "key"}, 400),
    ],
)
def test_what_no_volume_is_made_of(world, client, body, status):
    answer = ask(client, "post", "volumes", {"volume": body})

    assert answer.status_code == status, answer.json()


def test_before_3_53_unknown_keys_are_ignored(world, client):
    body = {"volume": {"size": 1, "odd": "key"}}

    assert ask(client, "post", "volumes", body, version="3.52").status_code == 202


def test_lists_are_paged_sorted_and_counted(world, client):
    made = [make(client, name=f"v{number}")["id"] for number in range(3)]

    page = ask(client, "get", "volumes/detail?limit=2&sort=name:asc&with_count=true").json()
    rest = ask(client, "get", f"volumes?sort=name:asc&marker={made[1]}").json()

    assert [each["name"] for each in page["volumes"]] == ["v0", "v1"]
    assert page["count"] == 3
    assert f"marker={made[1]}" in page["volumes_links"][0]["href"]
    assert [each["id"] for each in rest["volumes"]] == made[2:]


def test_what_the_service_does_not_have_is_not_found_in_its_own_form(client, db):
    answer = ask(client, "get", "backups/detail")

    assert answer.status_code == 404
    assert answer.json()["itemNotFound"]["code"] == 404


def test_volumes_without_a_name_are_sorted_and_paged_too(world, client):
    made = [make(client)["id"] for _ in range(3)]

    first = ask(client, "get", "volumes?sort_key=name&sort_dir=asc&limit=1").json()["volumes"]
    rest = ask(client, "get", f"volumes?sort_key=name&sort_dir=asc&marker={first[0]['id']}").json()[
        "volumes"
    ]

    assert sorted(each["id"] for each in [*first, *rest]) == sorted(made)


def test_the_service_tells_its_versions_to_anybody(client, db):
    from rest_framework.test import APIClient

    root, three = APIClient().get("/volume"), APIClient().get("/volume/v3/")

    assert (root.status_code, three.status_code) == (300, 200)
    [version] = three.json()["versions"]
    assert (version["min_version"], version["version"]) == ("3.0", "3.71")


def attachment_of(client, server, volume, version):
    answer = client.get(
        f"{COMPUTE}/{server.pk}/os-volume_attachments/{volume['id']}",
        headers={"OpenStack-API-Version": f"compute {version}"},
    )
    assert answer.status_code == 200, answer.json()
    return answer.json()["volumeAttachment"]


@pytest.mark.parametrize(
    ("version", "more"),
    [
        ("2.69", {"id"}),
        ("2.70", {"id", "tag"}),
        ("2.79", {"id", "tag", "delete_on_termination"}),
        ("2.89", {"tag", "delete_on_termination", "attachment_id", "bdm_uuid"}),
    ],
)
def test_an_attachment_shows_what_its_microversion_knows(world, client, version, more):
    server, volume = world.make_active(), make(client)
    attach(client, server, volume)
    work()

    shown = attachment_of(client, server, volume, version)

    assert set(shown) == {"volumeId", "serverId", "device"} | more


def test_whether_a_volume_goes_with_its_server_can_be_changed(world, client):
    server, volume = world.make_active(), make(client)
    attach(client, server, volume)
    work()

    def change(version, **fields):
        return client.put(
            f"{COMPUTE}/{server.pk}/os-volume_attachments/{volume['id']}",
            {"volumeAttachment": {"volumeId": volume["id"], **fields}},
            format="json",
            headers={"OpenStack-API-Version": f"compute {version}"},
        )

    assert change("2.84", delete_on_termination=True).status_code == 400
    assert change("2.85", device="/dev/vdx").status_code == 400
    assert change("2.85", delete_on_termination=True).status_code == 202
    assert attachment_of(client, server, volume, "2.79")["delete_on_termination"] is True


def test_services_and_administrators_alone_would_swap_volumes(world, client):
    server, volume, other = world.make_active(), make(client), make(client)
    attach(client, server, volume)
    work()

    def swap(who, version):
        return client_of(who).put(
            f"{COMPUTE}/{server.pk}/os-volume_attachments/{volume['id']}",
            {"volumeAttachment": {"volumeId": other["id"]}},
            format="json",
            headers={"OpenStack-API-Version": f"compute {version}"},
        )

    assert swap("member", "2.84").status_code == swap("member", "2.85").status_code == 403
    for who in ("service", "admin"):
        assert "not swapped" in swap(who, "2.85").json()["badRequest"]["message"]


def test_a_limit_of_0_is_none_in_the_list_of_a_servers_volumes(world, client):
    server, volume = world.make_active(), make(client)
    attach(client, server, volume)
    work()

    answer = client.get(f"{COMPUTE}/{server.pk}/os-volume_attachments?limit=0")

    assert [each["volumeId"] for each in answer.json()["volumeAttachments"]] == [volume["id"]]


def test_the_compute_service_shows_volumes_in_its_own_words_until_2_35(world, client):
    base = "/compute/v2.1/os-volumes"
    body = {"volume": {"size": 1, "display_name": "old"}}

    made = client.post(base, body, format="json")

    assert made.status_code == 200, made.json()
    volume = made.json()["volume"]
    assert (volume["displayName"], volume["size"], volume["attachments"]) == ("old", 1, [{}])
    assert [each["id"] for each in client.get(base).json()["volumes"]] == [volume["id"]]
    snapshot = client.post(
        "/compute/v2.1/os-snapshots", {"snapshot": {"volume_id": volume["id"]}}, format="json"
    )
    assert snapshot.status_code == 200, snapshot.json()
    assert client.delete(f"{base}/{volume['id']}").status_code == 400
    late = client.get(base, headers={"OpenStack-API-Version": "compute 2.36"})
    assert late.status_code == 404


def test_a_lost_database_gets_volumes_back_from_the_guests_that_have_them(world, client):
    from django.utils import timezone

    from servers.restore import restore_server

    server, volume = world.make_active(), make(client, name="data", metadata={"a": "b"})
    attach(client, server, volume, delete_on_termination=True)
    work()
    before = show(client, volume)
    guest = world.hosts["host1"].guests[server.pk]
    info = world.hosts["host1"].guest_info(server.pk)
    Attachment.objects.all().delete()
    Volume.objects.all().delete()
    Reservation.objects.all().delete()
    host = server.hypervisor
    Server.objects.filter(pk=server.pk).delete()

    restore_server(hypervisor=host, metadata=guest.spec.metadata, info=info, now=timezone.now())

    after = show(client, volume)
    later = ("updated_at", "created_at")
    assert {key: after[key] for key in after if key not in later} == {
        key: before[key] for key in before if key not in later
    }
    assert held() == {"volumes": 1, "gigabytes": 1}


@pytest.mark.parametrize("name", ["os-migrateLive", "shelve"])
def test_a_server_is_not_parted_from_its_volumes(world, client, name):
    from servers.begin import begin_action
    from servers.errors import VolumesAttached
    from tests.authorisation import actor_named

    server, volume = world.make_active(), make(client)
    attach(client, server, volume)
    work()

    with pytest.raises(VolumesAttached):
        begin_action(
            server, name, kind="server.stop", actor=actor_named("admin"), now=server.created_at
        )
    assert Server.objects.get(pk=server.pk).task_state is None
