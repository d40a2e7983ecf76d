"""Which of several faults a create request is told: the first, in the order of the compute API."""

import uuid
from typing import Any

import pytest

from quotas.models import QuotaLimit
from servers.models import Server
from tests.authorisation import OWN_PROJECT

pytestmark = pytest.mark.django_db
NOBODY = str(uuid.UUID(int=7))
VOLUME = {"source_type": "volume", "destination_type": "volume", "uuid": NOBODY}
BLANK = {"source_type": "blank", "destination_type": "local"}
# By the part of the answer, the fields of the server (or of the hints) that it is about.
FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("Invalid input for field/attribute user_data", {"user_data": "%%"}),
    ("min_count must be <= max_count", {"min_count": 3, "max_count": 2}),
    ("trusted_image_certificates is not offered", {"trusted_image_certificates": ["x"]}),
    ("Unable to parse availability_zone", {"availability_zone": "a:b:c:d"}),
    ("create:forced_host to be performed", {"availability_zone": "nova:alpha"}),
    ("requested_destination to be performed", {"host": "omega", "availability_zone": "moon"}),
    ("Invalid device UUID", {"block_device_mapping_v2": [{**BLANK, "uuid": NOBODY}]}),
    ("Bad network format: missing 'uuid'", {"networks": [{}]}),
    ("Flavor nope could not be found", {"flavorRef": "nope"}),
    ("Unable to provide a hostname", {"hostname": "web", "min_count": 2, "max_count": 2}),
    ("availability zone is not available", {"availability_zone": "moon"}),
    ("Can not find requested image", {"imageRef": NOBODY}),
    ("Unable to find security_group", {"security_groups": [{"name": "nope"}]}),
    ("Maximum number of ports exceeded", {}),
    ("Boot sequence", {"block_device_mapping_v2": [BLANK]}),
    ("Maximum number of metadata items", {"metadata": {f"k{n}": "" for n in range(129)}}),
    ("Flavor's memory is too small", {}),
    (f"Instance group {NOBODY}", {"os:scheduler_hints": {"group": NOBODY}}),
    ("Compute host omega could not be found", {"host": "omega"}),
    ("Quota exceeded for instances", {}),
    (f"failed to get volume {NOBODY}", {"block_device_mapping_v2": ["root", VOLUME]}),
]
# From here on an administrator asks, who may name hosts.
FIRST_OF_ADMIN = 6


@pytest.mark.parametrize("first", range(len(FAULTS)), ids=lambda first: FAULTS[first][0])
def test_the_first_fault_is_told(first, post, body, image):
    told = FAULTS[first][0]
    later = [name for name, _ in FAULTS[first:]]
    for name, resource in (("ports exceeded", "ports"), ("for instances", "instances")):
        if any(name in each for each in later):
            QuotaLimit.objects.create(project_id=OWN_PROJECT, resource=resource, limit=0)
    if "Flavor's memory is too small" in "".join(later):
        type(image).objects.filter(pk=image.pk).update(min_ram_mib=512)
    fields: dict[str, Any] = {}
    for _, each in reversed(FAULTS[first:]):
        fields.update(each)
    hints = fields.pop("os:scheduler_hints", {})
    root = {**BLANK, "source_type": "image", "uuid": str(image.pk), "boot_index": 0}
    disks = fields["block_device_mapping_v2"]
    fields["block_device_mapping_v2"] = [root if each == "root" else each for each in disks]

    who = "member" if first < FIRST_OF_ADMIN else "admin"
    answer = post({**body(**fields), "os:scheduler_hints": hints}, "2.94", who)

    [fault] = answer.json().values()
    assert told in fault["message"]
    assert not Server.objects.exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"volume_id": NOBODY, "color": "red"}, "'color' was unexpected"),
        ({"volume_id": NOBODY, "virtual_name": "swap"}, "virtual_name is not offered"),
        ({"device_name": "vdb"}, "one of volume_id and snapshot_id is needed"),
        ({"volume_id": "x"}, "'x' is not a 'uuid'"),
    ],
)
def test_the_older_form_of_mappings_is_as_strict(fields, message, post, body):
    answer = post(body(block_device_mapping=[fields]), "2.1")

    assert answer.status_code == 400
    assert message in answer.json()["badRequest"]["message"]


def test_a_blank_disk_is_none_to_boot_from(post, body, flavor):
    type(flavor).objects.filter(pk=flavor.pk).update(ephemeral_gib=1)

    answer = post(body(block_device_mapping_v2=[{**BLANK, "boot_index": 0, "volume_size": 1}]))

    assert "Boot sequence" in answer.json()["badRequest"]["message"]


def test_a_volume_is_not_named_like_the_root_disk(post, body, image):
    root = {**BLANK, "source_type": "image", "uuid": str(image.pk), "boot_index": 0}
    beside = {**VOLUME, "device_name": "/dev/vda"}

    answer = post(body(block_device_mapping_v2=[root, beside]))

    assert answer.json()["badRequest"]["message"] == (
        "The volume cannot be assigned the same device name as the root device vda"
    )


def test_an_image_beside_a_root_volume_has_to_be_there(post, body, image):
    root = {
        **VOLUME, "source_type": "image", "uuid": str(image.pk), "volume_size": 1, "boot_index": 0,
    }  # fmt: skip

    answer = post(body(imageRef=NOBODY, block_device_mapping_v2=[root]))

    assert answer.json()["badRequest"]["message"] == "Can not find requested image"


@pytest.mark.parametrize(
    ("properties", "status"),
    [
        ({"kernel_id": NOBODY}, 400),
        ({"ramdisk_id": NOBODY}, 400),
        ({"block_device_mapping": "[]"}, 400),
        ({"cinder_encryption_key_id": NOBODY}, 400),
        ({"kernel_id": "nokernel", "ramdisk_id": ""}, 202),
    ],
)
def test_an_image_that_is_no_disk_to_boot_from_is_refused(properties, status, post, body, image):
    type(image).objects.filter(pk=image.pk).update(properties=properties)

    assert post(body()).status_code == status


def test_between_minimum_and_maximum_as_many_as_there_are_ports_for(post, body):
    QuotaLimit.objects.create(project_id=OWN_PROJECT, resource="ports", limit=3)

    several = post(body(min_count=2, max_count=5))
    more = post(body(min_count=1))

    assert (several.status_code, Server.objects.count()) == (202, 3)
    assert more.json()["forbidden"]["message"] == "Maximum number of ports exceeded"
