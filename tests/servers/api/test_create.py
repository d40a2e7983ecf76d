"""What a create request is answered with: accepted bodies, and the words of every refusal."""

import uuid
from typing import Any

import pytest

from images.models import ImageStatus
from networks.models import Network, Port
from operations.models import Operation
from quotas.consume import usage
from quotas.models import QuotaLimit
from servers.models import KeyPair, Server
from tests.authorisation import OWN_PROJECT, STRANGER, client_as

pytestmark = pytest.mark.django_db
NOBODY = str(uuid.UUID(int=7))


def test_accepted_body_as_a_whole(post, body):
    answer = post(body(adminPass="secret", security_groups=[{"name": "default"}]))

    server = Server.objects.get()
    address = f"http://127.0.0.1:8000/compute/v2.1/servers/{server.pk}"
    assert answer.status_code == 202
    assert answer["Location"] == address
    assert answer.json() == {
        "server": {
            "id": str(server.pk),
            "links": [
                {"rel": "self", "href": address},
                {"rel": "bookmark", "href": address.replace("/v2.1", "")},
            ],
            "OS-DCF:diskConfig": "MANUAL",
            "security_groups": [{"name": "default"}],
            "adminPass": "secret",
        }
    }


def test_project_in_the_url_is_in_the_links(body):
    path = f"/compute/v2.1/{OWN_PROJECT}/servers"

    answer = client_as("member").post(path, body())

    assert answer["Location"].startswith(f"http://127.0.0.1:8000{path}/")


def test_reservation_id_instead_of_the_server(post, body):
    answer = post(body(min_count=2, return_reservation_id=True))

    assert answer.status_code == 202
    assert answer.json() == {"reservation_id": Server.objects.all()[0].reservation_id}
    assert not answer.has_header("Location")


def test_generated_password_is_in_the_answer_and_nowhere_in_clear(post, body):
    password = post(body()).json()["server"]["adminPass"]

    assert len(password) == 12
    assert password not in str(Server.objects.values().get())


@pytest.mark.parametrize(
    ("version", "field", "value", "named"),
    [
        ("2.18", "description", "x", "description"),
        ("2.31", "networks", [{"uuid": NOBODY, "tag": "x"}], "tag"),
        ("2.37", "networks", [{"uuid": NOBODY, "tag": "x"}], "tag"),
        ("2.41", "networks", [{"uuid": NOBODY, "tag": "x"}], "tag"),
        ("2.51", "tags", ["x"], "tags"),
        ("2.57", "personality", [], "personality"),
        ("2.62", "trusted_image_certificates", None, "trusted_image_certificates"),
        ("2.73", "host", "alpha", "host"),
        ("2.89", "hostname", "web", "hostname"),
    ],
)
def test_field_outside_its_microversions_is_named(post, body, version, field, value, named):
    answer = post(body(**{field: value}), version)

    assert answer.status_code == 400
    assert named in answer.json()["badRequest"]["message"]
    assert not Server.objects.exists()


@pytest.mark.parametrize(
    ("version", "fields"),
    [
        ("2.19", {"description": None}),
        ("2.36", {"networks": ...}),
        ("2.37", {"networks": "auto"}),
        ("2.37", {"networks": "none"}),
        ("2.52", {"tags": ["x", "y"]}),
        ("2.56", {"personality": [{"path": "/etc/motd", "contents": "aGk="}]}),
        ("2.63", {"trusted_image_certificates": None}),
        ("2.90", {"hostname": "web-1"}),
        ("2.94", {"hostname": "web.example.org"}),
        ("2.104", {"availability_zone": "nova"}),
    ],
)
def test_field_within_its_microversions_is_taken(post, body, version, fields):
    answer = post(body(**fields), version)

    assert answer.status_code == 202, answer.content


def test_networks_are_required_since_2_37(post, body):
    assert post(body(networks=...), "2.36").status_code == 202
    answer = post(body(networks=...), "2.37")
    assert answer.status_code == 400
    assert "'networks' is a required property" in answer.json()["badRequest"]["message"]


REFUSALS: list[tuple[int, dict[str, Any], str]] = [
    (400, {"flavorRef": "nope"}, "Flavor nope could not be found."),
    (400, {"imageRef": NOBODY}, "Can not find requested image"),
    (400, {"imageRef": ...}, "Missing imageRef attribute"),
    (400, {"imageRef": ""}, "Missing imageRef attribute"),
    (400, {"key_name": "nope"}, "Invalid key_name provided."),
    (400, {"min_count": 3, "max_count": 2}, "min_count must be <= max_count"),
    (400, {"availability_zone": "moon"}, "The requested availability zone is not available"),
    (400, {"availability_zone": "a:b:c:d"}, "Unable to parse availability_zone"),
    (
        403,
        {"availability_zone": "nova:alpha"},
        "Policy doesn't allow os_compute_api:servers:create:forced_host to be performed.",
    ),
    (
        403,
        {"host": "alpha"},
        "Policy doesn't allow compute:servers:create:requested_destination to be performed.",
    ),
    (400, {"networks": [{}]}, "Bad network format: missing 'uuid'"),
    (400, {"networks": [{"uuid": NOBODY}]}, f"Network {NOBODY} could not be found."),
    (400, {"networks": [{"port": NOBODY}]}, f"Port id {NOBODY} could not be found."),
    (
        400,
        {"security_groups": [{"name": "nope"}]},
        "Unable to find security_group with name or id 'nope'",
    ),
    (
        403,
        {"metadata": {f"k{number}": "" for number in range(129)}},
        "Maximum number of metadata items exceeds 128",
    ),
    (
        400,
        {"min_count": 2, "hostname": "web"},
        "Unable to provide a hostname for multiple servers.",
    ),
    (
        403,
        {"min_count": 11},
        "Quota exceeded for instances: Requested 11, but already used 0 of 10 instances",
    ),
    (
        400,
        {"block_device_mapping": [{"volume_id": NOBODY}], "imageRef": ...},
        f"Block Device Mapping is Invalid: failed to get volume {NOBODY}.",
    ),
    (
        400,
        {"trusted_image_certificates": ["x"]},
        "trusted_image_certificates is not offered: images are not signed here.",
    ),
    (
        400,
        {
            "block_device_mapping_v2": [
                {
                    "source_type": "volume",
                    "destination_type": "volume",
                    "uuid": NOBODY,
                    "boot_index": 0,
                }
            ]
        },
        f"Block Device Mapping is Invalid: failed to get volume {NOBODY}.",
    ),
    (
        400,
        {"block_device_mapping_v2": [{"source_type": "blank", "destination_type": "local"}]},
        "Block Device Mapping is Invalid: Boot sequence for the instance and image/block device "
        "mapping combination is not valid.",
    ),
]


@pytest.mark.parametrize(("status", "fields", "message"), REFUSALS)
def test_refusal_in_the_words_that_clients_know(post, body, status, fields, message):
    answer = post(body(**fields), "2.94")

    name = {400: "badRequest", 403: "forbidden"}[status]
    assert answer.json() == {name: {"code": status, "message": message}}
    assert answer.status_code == status


def test_refusal_leaves_nothing_behind(post, body):
    for _, fields, _ in REFUSALS:
        post(body(**fields), "2.94")

    assert not Server.objects.exists()
    assert not Operation.objects.exists()
    assert not Port.objects.exists()
    assert not any(usage(OWN_PROJECT).values())


@pytest.mark.parametrize(
    ("image_fields", "message"),
    [
        ({"status": ImageStatus.QUEUED}, "Image {image} is not active."),
        ({"min_ram_mib": 512}, "Flavor's memory is too small for requested image."),
        (
            {"virtual_size": 2 * 1024**3},
            "Flavor's disk is too small for requested image. Flavor disk is 1073741824 bytes, "
            "image is 2147483648 bytes.",
        ),
        (
            {"min_disk_gib": 2},
            "Flavor's disk is smaller than the minimum size specified in image metadata. Flavor "
            "disk is 1073741824 bytes, minimum size is 2147483648 bytes.",
        ),
    ],
)
def test_image_that_does_not_fit_is_refused(post, body, image, image_fields, message):
    type(image).objects.filter(pk=image.pk).update(**image_fields)

    answer = post(body())

    assert answer.status_code == 400
    assert answer.json()["badRequest"]["message"] == message.format(image=image.pk)


def test_image_property_that_cannot_be_honoured_is_named(post, body, image):
    type(image).objects.filter(pk=image.pk).update(properties={"hw_disk_bus": "floppynet"})

    answer = post(body())

    assert answer.status_code == 400
    message = answer.json()["badRequest"]["message"]
    assert message.startswith("Invalid image metadata. Error:")
    assert "hw_disk_bus" in message


def test_extra_spec_that_cannot_be_honoured_is_named_as_one(post, body, flavor):
    type(flavor).objects.filter(pk=flavor.pk).update(extra_specs={"hw:mem_encryption": "true"})

    answer = post(body())

    assert answer.json()["badRequest"]["message"] == (
        "Invalid flavor extra specs. Error: extra spec hw:mem_encryption = 'true': is not "
        "supported here"
    )


def test_vcpus_that_no_topology_within_the_maxima_makes_up_are_refused(post, body, flavor):
    maxima = {"hw:cpu_max_sockets": "1", "hw:cpu_max_cores": "1", "hw:cpu_max_threads": "1"}
    type(flavor).objects.filter(pk=flavor.pk).update(vcpus=2, extra_specs=maxima)

    answer = post(body())

    assert answer.status_code == 400
    assert "no CPU topology fits" in answer.json()["badRequest"]["message"]


def test_zero_disk_flavor_is_for_administrators(post, body, flavor):
    type(flavor).objects.filter(pk=flavor.pk).update(disk_gib=0)

    refused, accepted = post(body()), post(body(), who="admin")

    assert refused.json()["forbidden"]["message"] == (
        "Only volume-backed servers are allowed for flavors with zero disk."
    )
    assert accepted.status_code == 202
    # Half a GiB of image needs a whole one of the host.
    assert Server.objects.get().request_spec["disk_gib"] == 1


def test_several_usable_networks_are_ambiguous(post, body, network):
    Network.objects.create(name="second", project_id=OWN_PROJECT)

    answer = post(body(networks="auto"), "2.37")

    assert answer.status_code == 409
    assert answer.json()["conflictingRequest"]["message"] == (
        "Multiple possible networks found, use a Network ID to be more specific."
    )


def test_mapping_that_clients_send_with_an_image_is_taken(post, body, image, flavor):
    type(flavor).objects.filter(pk=flavor.pk).update(swap_mib=64, ephemeral_gib=1)
    root = {
        "uuid": str(image.pk),
        "boot_index": 0,
        "source_type": "image",
        "destination_type": "local",
        "delete_on_termination": True,
    }
    blank = {"source_type": "blank", "destination_type": "local", "boot_index": -1}
    swap = {**blank, "guest_format": "swap", "volume_size": 64}

    accepted = post(body(block_device_mapping_v2=[root, swap, {**blank, "volume_size": 1}]))
    larger = post(body(block_device_mapping_v2=[root, {**swap, "volume_size": 65}]))
    smaller = post(body(block_device_mapping_v2=[root, {**swap, "volume_size": 63}]))

    assert accepted.status_code == 202, accepted.content
    assert "larger than instance type" in larger.json()["badRequest"]["message"]
    assert "another size than the flavor's" in smaller.json()["badRequest"]["message"]


def test_key_pair_is_looked_up_among_the_callers_own(post, body):
    KeyPair.objects.create(user_id=STRANGER, name="mine", public_key="ssh-ed25519 AAAA")
    KeyPair.objects.create(user_id="another", name="theirs", public_key="ssh-ed25519 BBBB")

    assert post(body(key_name="mine")).status_code == 202
    assert post(body(key_name="theirs")).status_code == 400
    assert Server.objects.get().public_key == "ssh-ed25519 AAAA"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([{"path": "/a", "contents": "aGk="}] * 6, "Personality file limit exceeded"),
        ([{"path": "a" * 256, "contents": ""}], "Personality file path exceeds maximum 255"),
        (
            [{"path": "/a", "contents": "aGkh" * 2561}],
            "Personality file content exceeds maximum 10240",
        ),
    ],
)
def test_files_beyond_the_limits_are_refused(post, body, files, message):
    answer = post(body(personality=files), "2.56")

    assert answer.status_code == 403
    assert answer.json()["forbidden"]["message"] == message


def test_between_minimum_and_maximum_as_many_as_the_quota_allows(post, body):
    QuotaLimit.objects.create(project_id=OWN_PROJECT, resource="instances", limit=3)

    answer = post(body(min_count=2, max_count=5))

    assert answer.status_code == 202
    servers = Server.objects.order_by("launch_index")
    assert [server.name for server in servers] == ["web-1", "web-2", "web-3"]
    assert [server.hostname for server in servers] == ["web-1", "web-2", "web-3"]
    assert len({server.reservation_id for server in servers}) == 1
    assert Port.objects.count() == Operation.objects.count() == 3


def test_port_quota_is_refused_in_its_own_words(post, body):
    QuotaLimit.objects.create(project_id=OWN_PROJECT, resource="ports", limit=0)

    answer = post(body())

    assert answer.json() == {
        "forbidden": {"code": 403, "message": "Maximum number of ports exceeded"}
    }
    assert not any(usage(OWN_PROJECT).values())


def test_administrator_forces_or_asks_for_a_host(post, body, host):
    forced = post(body(availability_zone="moon:alpha"), who="admin")
    asked = post(body(hypervisor_hostname="alpha.lab"), "2.74", who="admin")
    unknown = post(body(host="omega"), "2.74", who="admin")
    both = post(body(host="alpha", availability_zone="nova:alpha"), "2.74", who="admin")

    specs = [server.request_spec for server in Server.objects.order_by("created_at")]
    assert (forced.status_code, asked.status_code) == (202, 202)
    assert [(spec["host"], spec["wanted_host"]) for spec in specs] == [("alpha", ""), ("", "alpha")]
    assert unknown.json()["badRequest"]["message"] == "Compute host omega could not be found."
    assert "mutually exclusive" in both.json()["badRequest"]["message"]
