"""How a server looks, at which microversion, to whom."""

import hashlib
from typing import Any

import pytest

from networks.models import Port
from servers.models import ServerFault
from servers.states import VmState
from tests.authorisation import OWN_PROJECT, OWNER, client_as

pytestmark = pytest.mark.django_db
BASE = "http://127.0.0.1:8000/compute"


def show(server, version="2.1", who="member"):
    answer = client_as(who, version).get(f"/compute/v2.1/servers/{server.pk}")
    assert answer.status_code == 200
    return answer.json()["server"]


def test_whole_body_at_2_1(active):
    server = active()
    port = Port.objects.get()

    assert show(server) == {
        "id": str(server.pk),
        "name": "web",
        "status": "ACTIVE",
        "tenant_id": OWN_PROJECT,
        "user_id": OWNER,
        "metadata": {},
        "hostId": hashlib.sha224(f"{OWN_PROJECT}alpha".encode()).hexdigest(),
        "image": {
            "id": str(server.image_id),
            "links": [{"rel": "bookmark", "href": f"{BASE}/images/{server.image_id}"}],
        },
        "flavor": {"id": "1", "links": [{"rel": "bookmark", "href": f"{BASE}/flavors/1"}]},
        "created": "2026-05-04T12:30:15Z",
        "updated": "2026-05-04T12:30:15Z",
        "addresses": {
            "private": [
                {
                    "version": 4,
                    "addr": port.fixed_ips.get().address,
                    "OS-EXT-IPS:type": "fixed",
                    "OS-EXT-IPS-MAC:mac_addr": port.mac_address,
                }
            ]
        },
        "accessIPv4": "",
        "accessIPv6": "",
        "links": [
            {"rel": "self", "href": f"{BASE}/v2.1/servers/{server.pk}"},
            {"rel": "bookmark", "href": f"{BASE}/servers/{server.pk}"},
        ],
        "OS-DCF:diskConfig": "MANUAL",
        "progress": 0,
        "OS-EXT-AZ:availability_zone": "nova",
        "config_drive": "True",
        "key_name": None,
        "OS-SRV-USG:launched_at": "2026-05-04T12:30:15.123456",
        "OS-SRV-USG:terminated_at": None,
        "security_groups": [{"name": "default"}],
        "OS-EXT-STS:task_state": None,
        "OS-EXT-STS:vm_state": "active",
        "OS-EXT-STS:power_state": 1,
        "os-extended-volumes:volumes_attached": [],
    }


ADDED: dict[str, dict[str, Any]] = {
    "2.9": {"locked": False},
    "2.19": {"description": None},
    "2.26": {"tags": []},
    "2.63": {"trusted_image_certificates": None},
    "2.71": {"server_groups": []},
    "2.73": {"locked_reason": None},
    "2.90": {"OS-EXT-SRV-ATTR:hostname": "web"},
    "2.96": {"pinned_availability_zone": None},
    "2.100": {"scheduler_hints": {}},
}
ADDED_FOR_ADMIN: dict[str, dict[str, Any]] = {
    "2.1": {
        "OS-EXT-SRV-ATTR:host": "alpha",
        "OS-EXT-SRV-ATTR:hypervisor_hostname": "alpha.lab",
    },
    "2.3": {
        "OS-EXT-SRV-ATTR:hostname": "web",
        "OS-EXT-SRV-ATTR:kernel_id": "",
        "OS-EXT-SRV-ATTR:launch_index": 0,
        "OS-EXT-SRV-ATTR:root_device_name": "/dev/vda",
        "OS-EXT-SRV-ATTR:user_data": None,
    },
    "2.16": {"host_status": "UP"},
}


def before(version):
    return f"2.{int(version.split('.')[1]) - 1}"


@pytest.mark.parametrize("version", ADDED)
def test_key_appears_at_its_microversion_and_not_before(active, version):
    server = active()

    old, new = show(server, before(version)), show(server, version)

    assert ADDED[version].items() <= new.items()
    assert not ADDED[version].keys() & old.keys()


@pytest.mark.parametrize("version", ADDED_FOR_ADMIN)
def test_where_a_server_is_is_for_administrators(active, version):
    server = active()

    of_admin, of_member = show(server, version, "admin"), show(server, version)

    assert ADDED_FOR_ADMIN[version].items() <= of_admin.items()
    assert not ADDED_FOR_ADMIN[version].keys() & of_member.keys()


def test_flavor_is_embedded_since_2_47(active):
    server = active()

    assert show(server, "2.46")["flavor"].keys() == {"id", "links"}
    assert show(server, "2.47")["flavor"] == {
        "vcpus": 1,
        "ram": 256,
        "disk": 1,
        "ephemeral": 0,
        "swap": 0,
        "original_name": "m1.tiny",
        "extra_specs": {},
    }


def test_image_properties_are_shown_since_2_98(active):
    server = active(image_properties={"os_type": "linux"})

    assert "properties" not in show(server, "2.97")["image"]
    assert show(server, "2.98")["image"]["properties"] == {"os_type": "linux"}


def test_building_server_shows_no_addresses_and_no_host(active):
    server = active(vm_state=VmState.BUILDING, hypervisor=None)

    shown = show(server)

    assert (shown["status"], shown["addresses"], shown["hostId"]) == ("BUILD", {}, "")


def test_fault_shows_in_error_only_and_its_details_to_administrators(active):
    server = active(vm_state=VmState.ERROR)
    ServerFault.objects.create(server=server, message="No host.", details="alpha: full")

    of_member, of_admin = show(server)["fault"], show(server, who="admin")["fault"]

    assert of_member.keys() == {"code", "created", "message"}
    assert (of_member["code"], of_member["message"]) == (500, "No host.")
    assert of_admin["details"] == "alpha: full"
    type(server).objects.update(vm_state=VmState.ACTIVE)
    assert "fault" not in show(server)


def test_unknown_and_malformed_ids_are_not_found(db):
    for identifier in ("nope", "00000000-0000-0000-0000-000000000001"):
        answer = client_as("member").get(f"/compute/v2.1/servers/{identifier}")
        message = f"Instance {identifier} could not be found."
        assert answer.status_code == 404
        assert answer.json() == {"itemNotFound": {"code": 404, "message": message}}


def test_changed_server_is_shown_short_before_2_75(active):
    server = active()
    path = f"/compute/v2.1/servers/{server.pk}"
    change = {"server": {"name": "new", "accessIPv6": "2001:DB8::0"}}

    short = client_as("member", "2.74").put(path, change).json()["server"]
    whole = client_as("member", "2.75").put(path, change).json()["server"]

    assert (short["name"], short["accessIPv6"]) == ("new", "2001:db8::")
    assert short["addresses"]["private"][0].keys() == {"version", "addr"}
    assert "key_name" not in short
    assert "key_name" in whole


def test_unknown_query_key_is_refused_since_2_102(active):
    path = f"/compute/v2.1/servers/{active().pk}?x=1"

    assert client_as("member", "2.101").get(path).status_code == 200
    assert client_as("member", "2.102").get(path).status_code == 400


def test_pinning_follows_the_zone_that_the_server_is_in(active):
    path = f"/compute/v2.1/servers/{active().pk}"
    client = client_as("member", "2.104")

    def pin(zone):
        return client.put(path, {"server": {"pinned_availability_zone": zone}}).status_code

    assert [pin("moon"), pin("nova"), pin("nova"), pin("moon"), pin(None)] == [
        *(409, 200, 200, 409, 200),
    ]
