"""Servers that are made with volumes, or boot from one."""

from __future__ import annotations

import pytest

from hypervisors.libvirt.errors import DriverError
from operations.models import Operation
from servers.models import Server
from servers.states import VmState
from tests.authorisation import OWN_PROJECT
from tests.volumes.conftest import ask, make, show, work
from tests.volumes.test_volumes import COMPUTE, disks_on, held, stored
from volumes.models import Attachment, Volume


def create(world, client, mappings, **fields):
    server = {
        "name": "web",
        "flavorRef": "1",
        "networks": "auto",
        "block_device_mapping_v2": mappings,
        **fields,
    }
    headers = {"OpenStack-API-Version": "compute 2.67"}
    return client.post(COMPUTE, {"server": server}, format="json", headers=headers)


def from_image(world, **more):
    return {
        "uuid": str(world.image.pk),
        "source_type": "image",
        "destination_type": "volume",
        "boot_index": 0,
        "volume_size": 2,
        **more,
    }


def made(answer):
    assert answer.status_code == 202, answer.json()
    for _ in range(6):
        work()
    return Server.objects.get(pk=answer.json()["server"]["id"])


@pytest.mark.parametrize("goes_too", [False, True])
def test_a_server_boots_from_a_new_volume_of_an_image(world, client, goes_too):
    server = made(create(world, client, [from_image(world, delete_on_termination=goes_too)]))

    assert (server.vm_state, server.image_id) == (VmState.ACTIVE, None)
    volume = Volume.objects.get()
    assert (volume.status, volume.size_gib) == ("in-use", 2)
    assert Attachment.objects.get().device == "/dev/vda"
    [root, *rest] = world.hosts["host1"].guests[server.pk].spec.disks
    own = [root, *rest]
    assert [disk.role for disk in own if disk.boot_order == 1] == ["root"]
    assert not any(disk.volume == f"{server.pk}-root" for disk in own)
    shown = client.get(f"{COMPUTE}/{server.pk}").json()["server"]
    assert shown["image"] == ""
    assert shown["os-extended-volumes:volumes_attached"] == [{"id": str(volume.pk)}]

    refused = client.delete(f"{COMPUTE}/{server.pk}/os-volume_attachments/{volume.pk}")
    assert refused.status_code == 400

    world.delete(server)
    world.settle()
    assert Volume.objects.count() == (0 if goes_too else 1)
    assert stored(world) == ([] if goes_too else [
        f"volume-{volume.pk}", f"volume-{volume.pk}.verified"
    ])  # fmt: skip


def test_a_server_boots_from_a_volume_that_is_there(world, client):
    volume = make(client, imageRef=str(world.image.pk), size=1)
    for _ in range(4):
        work()
    mapping = {
        "uuid": volume["id"],
        "source_type": "volume",
        "destination_type": "volume",
        "boot_index": 0,
    }

    server = made(create(world, client, [mapping]))

    assert server.vm_state == VmState.ACTIVE
    assert show(client, volume)["status"] == "in-use"
    assert disks_on(world, server) == [volume["id"]]
    second = create(world, client, [mapping])
    assert second.status_code == 400


def test_a_blank_and_an_existing_volume_come_beside_the_images_disk(world, client):
    data = make(client)
    mappings = [
        {
            "uuid": str(world.image.pk),
            "source_type": "image",
            "destination_type": "local",
            "boot_index": 0,
        },
        {"source_type": "blank", "destination_type": "volume", "volume_size": 3},
        {"uuid": data["id"], "source_type": "volume", "destination_type": "volume"},
    ]

    server = made(create(world, client, mappings, imageRef=str(world.image.pk)))

    assert server.vm_state == VmState.ACTIVE
    attached = list(Attachment.objects.order_by("device").values_list("device", "volume__size_gib"))
    assert attached == [("/dev/vdc", 3), ("/dev/vdd", 1)]
    assert len(disks_on(world, server)) == 2


def test_a_build_that_fails_lets_its_volumes_go(world, client):
    kept = make(client)
    for host in world.hosts.values():
        host.refuse("define_guest", DriverError("odd"))
    mappings = [
        from_image(world, delete_on_termination=True),
        {"uuid": kept["id"], "source_type": "volume", "destination_type": "volume"},
    ]

    answer = create(world, client, mappings)
    world.settle()

    server = Server.objects.get(pk=answer.json()["server"]["id"])
    assert server.vm_state == VmState.ERROR
    assert [str(each.pk) for each in Volume.objects.all()] == [kept["id"]]
    assert show(client, kept)["status"] == "available"
    assert not Attachment.objects.exists()
    assert held() == {"volumes": 1, "gigabytes": 1}
    placed = Volume.objects.get().hypervisor
    assert placed is not None
    names = [stored(world, name) for name in world.hosts]
    assert sorted(names) == [[], [f"volume-{kept['id']}"]] or names.count([]) == 1


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"source_type": "blank", "destination_type": "volume", "boot_index": 0}, "non-zero size"),
        ({"source_type": "volume", "destination_type": "local", "uuid": "x", "boot_index": 0},
         "is no local disk"),
        ({"source_type": "volume", "destination_type": "volume", "boot_index": 0,
          "uuid": "00000000-0000-0000-0000-000000000001"}, "failed to get volume"),
        ({"source_type": "blank", "destination_type": "volume", "boot_index": 0,
          "volume_size": 1}, "is not bootable"),
        ({"source_type": "blank", "destination_type": "volume", "volume_size": 1},
         "Boot sequence"),
    ],
)  # fmt: skip
def test_what_no_server_boots_from(world, client, mapping, words):
    answer = create(world, client, [mapping])

    assert answer.status_code == 400
    assert words in answer.json()["badRequest"]["message"]
    assert not Server.objects.exists()


def test_several_servers_do_not_share_a_volume(world, client):
    mapping = {"uuid": make(client)["id"], "source_type": "volume", "destination_type": "volume"}

    answer = create(world, client, [from_image(world), mapping], min_count=2, max_count=2)

    assert answer.status_code == 400


def test_several_servers_get_a_new_volume_each(world, client):
    answer = create(world, client, [from_image(world)], min_count=2, max_count=2)

    assert answer.status_code == 202
    world.settle()
    assert {each.vm_state for each in Server.objects.all()} == {VmState.ACTIVE}
    assert Volume.objects.filter(project_id=OWN_PROJECT, status="in-use").count() == 2


def test_new_volumes_count_against_the_quota(world, client):
    body = {"quota_set": {"volumes": 0}}
    from tests.volumes.conftest import client_of

    assert ask(client_of("admin"), "put", f"os-quota-sets/{OWN_PROJECT}", body).status_code in {
        200,
        400,
    }
    from quotas.models import QuotaLimit

    QuotaLimit.objects.update_or_create(
        project_id=OWN_PROJECT, resource="volumes", defaults={"limit": 0}
    )

    answer = create(world, client, [from_image(world)])

    assert answer.status_code == 403
    assert not Operation.objects.filter(kind="server.build").exists()
