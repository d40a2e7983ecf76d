"""What flavor and image ask of hosts is frozen when the server is made."""

import pytest

from flavors.models import Flavor
from images.models import Image
from scheduling.request_spec import RequestSpec
from servers.models import Server
from tests.authorisation import OWN_PROJECT

pytestmark = pytest.mark.django_db


def spec_of_only_server():
    return RequestSpec.from_json(Server.objects.get().request_spec)


def test_extra_specs_that_ask_hosts_are_kept_and_others_are_not(post, body):
    asked = {
        "aggregate_instance_extra_specs:disk": "ssd",
        "capabilities:free_ram_mb": ">= 1",
        "trait:CUSTOM_QUIET": "forbidden",
        "colour": "red",
    }
    Flavor.objects.update(extra_specs={**asked, "hw:boot_menu": "true", "mine:note": "x"})
    Image.objects.update(properties={"hw_machine_type": "q35", "os_distro": "debian"})

    assert post(body()).status_code == 202

    spec = spec_of_only_server()
    assert spec.extra_specs == asked
    assert spec.machine_type == "q35"
    assert spec.image_properties == {"hw_machine_type": "q35", "os_distro": "debian"}
    assert spec.project_id == OWN_PROJECT


def test_resources_of_the_flavor_replace_its_amounts_in_the_claim(post, body):
    specs = {"resources:VCPU": "0", "resources:MEMORY_MB": "300", "resources:CUSTOM_X": "0"}
    Flavor.objects.update(extra_specs=specs)

    assert post(body()).status_code == 202

    spec = spec_of_only_server()
    assert (spec.vcpus, spec.ram_mib, spec.disk_gib) == (0, 300, 1)


def test_nodes_of_the_guest_are_asked_of_the_hosts_cells(post, body):
    Flavor.objects.update(vcpus=2, ram_mib=256, extra_specs={"hw:numa_nodes": "2"})
    Image.objects.update(properties={"hw_cpu_policy": "dedicated"})

    assert post(body()).status_code == 202

    assert spec_of_only_server().numa == {
        "nodes": [{"vcpus": [0], "ram_mib": 128}, {"vcpus": [1], "ram_mib": 128}],
        "page_size": None,
        "is_dedicated": True,
        "thread_policy": "prefer",
    }


def test_a_guest_without_a_wish_for_nodes_asks_no_cell(post, body):
    Flavor.objects.update(extra_specs={"hw:cpu_policy": "shared"})

    assert post(body()).status_code == 202

    assert spec_of_only_server().numa == {}


@pytest.mark.parametrize(
    ("specs", "properties", "words"),
    [
        ({"hw:numa_nodes": "3"}, {}, "Instance CPUs and/or memory cannot be evenly distributed"),
        ({"hw:cpu_policy": "mixed"}, {}, "Invalid CPU policy requested: hw:cpu_policy = 'mixed'"),
        ({"hw:cpu_policy": "shared"}, {"hw_cpu_policy": "dedicated"},
         "Image property 'hw_cpu_policy' is not permitted to override"),
        ({}, {"hw_mem_page_size": "large"}, "Page size large forbidden against '<empty>'"),
        ({"hw:cpu_policy": "dedicated", "hw:cpu_realtime": "yes"}, {},
         "Invalid flavor extra specs. Error: extra spec hw:cpu_realtime"),
    ],
)  # fmt: skip
def test_nodes_that_cannot_be_are_refused_at_once(post, body, specs, properties, words):
    asked = body()
    Flavor.objects.update(vcpus=2, extra_specs=specs)
    Image.objects.update(properties=properties)

    answer = post(asked)

    assert answer.status_code == 400
    assert answer.json()["badRequest"]["message"].startswith(words)
    assert not Server.objects.exists()


@pytest.mark.parametrize(
    ("specs", "words"),
    [
        ({"resources:VCPU": "many"}, "resources:VCPU must be a whole number, not 'many'."),
        ({"resources:VCPU": "-1"}, "resources:VCPU must be a whole number"),
        ({"resources:VCPU": "9" * 11}, "resources:VCPU must be a whole number"),
        ({"trait:CUSTOM_A": "maybe"}, "trait:CUSTOM_A must be required or forbidden, not 'maybe'."),
    ],
)
def test_what_has_no_meaning_is_refused(post, body, specs, words):
    Flavor.objects.update(extra_specs=specs)

    answer = post(body())

    assert answer.status_code == 400
    assert words in answer.json()["badRequest"]["message"]
    assert not Server.objects.exists()


@pytest.mark.parametrize(
    ("of_flavor", "of_image", "wanted"),
    [("required", None, True), (None, "required", True), (None, "optional", False)],
)
def test_secure_boot_is_asked_of_the_host(post, body, of_flavor, of_image, wanted):
    Flavor.objects.update(extra_specs={"os:secure_boot": of_flavor} if of_flavor else {})
    properties = {"os_secure_boot": of_image} if of_image else {}
    Image.objects.update(properties={"hw_firmware_type": "uefi", **properties})

    assert post(body()).status_code == 202

    assert spec_of_only_server().secure_boot is wanted


def test_secure_boot_without_its_firmware_is_refused_by_name(post, body):
    Flavor.objects.update(extra_specs={"os:secure_boot": "required"})
    Image.objects.update(properties={"hw_firmware_type": "bios"})

    answer = post(body())

    assert answer.status_code == 400
    assert answer.json()["badRequest"]["message"] == (
        "Invalid flavor extra specs. Error: extra spec os:secure_boot = 'required': needs "
        "hw_firmware_type = uefi"
    )
