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
