"""A TPM keeps what it knows on its server's host: whatever would part them is refused."""

import dataclasses

import pytest

from flavors.models import Flavor
from hypervisors.models import HostState, Hypervisor, StoragePool
from images.models import Image
from operations.models import Operation
from scheduling.request_spec import RequestSpec
from servers.models import Migration, Server
from tests.authorisation import client_as

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("silent_hosts")]


@pytest.fixture
def server(active, host) -> Server:
    StoragePool.objects.create(hypervisor=host, name="cloudportal", is_default=True)
    found = active()
    spec = dataclasses.replace(RequestSpec.from_json(found.request_spec), tpm="tpm-crb:2.0")
    found.request_spec = spec.to_json()
    found.image_properties = {"hw_tpm_version": "2.0", "hw_tpm_model": "tpm-crb"}
    found.save()
    return found


def act(server, name, value, version="2.1", who="admin"):
    path = f"/compute/v2.1/servers/{server.pk}/action"
    return client_as(who, version).post(path, {name: value})


def message(answer):
    [fault] = answer.json().values()
    return fault["message"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rebuild", {"imageRef": ""}),
        ("rescue", None),
        ("shelve", None),
        ("migrate", None),
        ("evacuate", {"onSharedStorage": False}),
    ],
)
def test_what_parts_a_server_from_its_tpm_is_refused(server, name, value):
    if name == "rebuild":
        value = {"imageRef": str(server.image_id)}
        Image.objects.update(properties=server.image_properties)
    if name == "evacuate":
        Hypervisor.objects.update(state=HostState.DOWN)

    answer = act(server, name, value)

    assert (answer.status_code, message(answer)) == (
        409,
        f"Operation '{name}' not supported for vTPM-enabled instance ({server.pk}).",
    )
    server.refresh_from_db()
    assert server.task_state is None
    assert not Operation.objects.exists()
    assert not Migration.objects.exists()


@pytest.mark.parametrize(("specs", "status"), [({}, 202), ({"hw:tpm_model": "tpm-tis"}, 400)])
def test_a_resize_keeps_the_tpm_as_it_is(server, specs, status):
    Flavor.objects.create(
        flavorid="9", name="m1.big", vcpus=2, ram_mib=512, disk_gib=2, extra_specs=specs
    )

    assert act(server, "resize", {"flavorRef": "9"}).status_code == status


def test_a_resize_that_takes_the_tpm_away_is_refused(server):
    server.image_properties = {}
    server.save()
    Flavor.objects.create(
        flavorid="9", name="m1.big", vcpus=2, ram_mib=512, disk_gib=2, extra_specs={}
    )

    answer = act(server, "resize", {"flavorRef": "9"})

    assert answer.status_code == 400
    assert message(answer).startswith("A resize does not change secure boot or the TPM")
