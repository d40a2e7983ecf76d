"""This cloud's own fields of new servers: as fields and as hints, their effect, who sees them."""

import json

import pytest

from hypervisors.models import StoragePool
from scheduling.request_spec import RequestSpec
from servers.guest_record import guest_records
from servers.guest_spec import guest_facts
from servers.models import Server
from tests.authorisation import client_as

pytestmark = pytest.mark.django_db
EXTRA = {"role": "db", "list": [1, None, {"deep": "ä"}]}


@pytest.fixture
def fast_pool(host):
    return StoragePool.objects.create(hypervisor=host, name="fast", available=100 * 1024**3)


def shown(server, who="reader"):
    path = f"/compute/v2.1/servers/{server.pk}/cloudportal:options"
    return client_as(who).get(path)


def message(answer):
    [fault] = answer.json().values()
    return fault["message"]


def test_fields_have_their_effect_and_are_shown(post, body, fast_pool):
    fields = {
        "cloudportal:os_type": "windows",
        "cloudportal:boot_type": "uefi",
        "cloudportal:store_id": "fast",
        "cloudportal:enable_ha": True,
        "cloudportal:extra": EXTRA,
    }

    answer = post(body(**fields, config_drive=False))

    assert answer.status_code == 202, answer.content
    server = Server.objects.get()
    spec = RequestSpec.from_json(server.request_spec)
    assert (spec.firmware, spec.store) == ("uefi", "fast")
    assert server.image_properties == {"os_type": "windows", "hw_firmware_type": "uefi"}
    assert server.has_config_drive
    assert guest_facts(server).vendor_data == EXTRA
    assert shown(server).json() == {
        "options": {
            "os_type": "windows",
            "boot_type": "uefi",
            "store_id": "fast",
            "enable_ha": True,
            "extra": EXTRA,
        }
    }


def test_a_mark_is_a_fact_of_the_server_that_its_guest_keeps(post, body):
    post(body(**{"cloudportal:enable_ha": True}))

    server = Server.objects.get()
    assert server.options == {"enable_ha": True}
    assert json.loads(guest_records([server])[server.pk].options) == {"enable_ha": True}


def test_a_server_with_volumes_is_not_marked(post, body):
    volume = {"source_type": "blank", "destination_type": "volume", "volume_size": 1}
    disks = [
        {"source_type": "image", "destination_type": "local", "boot_index": 0, "uuid": ...},
        volume,
    ]
    wanted = body(**{"cloudportal:enable_ha": True}, block_device_mapping_v2=disks)
    disks[0]["uuid"] = wanted["server"]["imageRef"]

    answer = post(wanted)

    assert answer.status_code == 400
    assert "volumes lie on its own" in message(answer)
    assert not Server.objects.exists()


@pytest.mark.parametrize("key", ["os:scheduler_hints", "OS-SCH-HNT:scheduler_hints"])
def test_hints_of_the_same_names_are_texts(post, body, key):
    hints = {
        "cloudportal:boot_type": "uefi",
        "cloudportal:enable_ha": "no",
        "cloudportal:extra": json.dumps(EXTRA),
    }

    answer = post({**body(), key: hints})

    assert answer.status_code == 202, answer.content
    server = Server.objects.get()
    assert server.options == {"boot_type": "uefi", "extra": EXTRA}
    assert server.scheduler_hints == hints


def test_nothing_is_asked_for_without_them(post, body):
    post(body())

    server = Server.objects.get()
    assert (server.options, server.image_properties) == ({}, {})
    nothing = dict.fromkeys(("os_type", "boot_type", "store_id", "extra"))
    assert shown(server).json() == {"options": {**nothing, "enable_ha": False}}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("os_type", "beos", "os_type"),
        ("boot_type", "legacy", "boot_type"),
        ("store_id", "../etc", "store_id"),
        ("store_id", "absent", "no host has a storage pool 'absent'"),
        ("enable_ha", "maybe", "enable_ha"),
        ("extra", [1], "extra"),
        ("extra", {"x": "y" * 65536}, "at most 65536"),
        ("colour", "blue", "colour"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(post, body, name, value, words):
    by_field = post(body(**{f"cloudportal:{name}": value}))
    text = value if isinstance(value, str) else json.dumps(value)
    by_hint = post({**body(), "os:scheduler_hints": {f"cloudportal:{name}": text}})

    assert (by_field.status_code, by_hint.status_code) == (400, 400)
    assert words in message(by_field)
    assert words in message(by_hint)
    assert not Server.objects.exists()


@pytest.mark.parametrize("text", ["{", '{"a": "\\u0000"}', "NaN", '{"a": NaN}', "[" * 100_000])
def test_a_hint_that_is_no_object_is_refused(post, body, text):
    answer = post({**body(), "os:scheduler_hints": {"cloudportal:extra": text}})

    assert answer.status_code == 400


def test_a_field_and_a_hint_that_differ_are_refused(post, body):
    hints = {"cloudportal:boot_type": "bios"}

    answer = post({**body(**{"cloudportal:boot_type": "uefi"}), "os:scheduler_hints": hints})

    assert answer.status_code == 400
    assert "differ" in message(answer)


def test_who_may_see_them(post, body):
    post(body())
    server = Server.objects.get()

    statuses = {who: shown(server, who).status_code for who in ("reader", "foreign member")}

    assert statuses == {"reader": 200, "foreign member": 404}
