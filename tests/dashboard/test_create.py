"""The form for new servers."""

import base64

import pytest
from django.urls import reverse

from flavors.models import Flavor
from operations.models import Operation
from quotas.models import QuotaLimit
from servers.models import KeyPair, Server
from servers.secrets import unseal
from tests.dashboard.world import PUBLIC_KEY

CREATE = reverse("dashboard:create-server")


@pytest.fixture
def filled(world):
    """The form as it is sent; keywords change or (with None) leave out fields."""

    def make(**changes):
        fields = {
            "name": "web",
            "image": str(world.image.pk),
            "flavor": world.flavor.flavorid,
            "network_choice": "auto",
            "key_name": "",
            "user_data": "",
            "config_drive": "on",
            "count": "1",
            **changes,
        }
        return {name: value for name, value in fields.items() if value is not None}

    return make


def test_form_offers_what_the_project_may_use(member, world):
    Flavor.objects.create(
        flavorid="9", name="secret", vcpus=1, ram_mib=64, disk_gib=1, is_public=False
    )

    page = member.get(CREATE).content.decode()

    for text in ("m1.tiny", "tiny", "private"):
        assert text in page
    assert "secret" not in page


def test_server_is_created_and_its_password_shown_once(member, filled):
    answer = member.post(CREATE, filled())

    server = Server.objects.get()
    password = unseal(server.sealed_admin_password)
    assert answer.status_code == 201
    assert password in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"
    assert Operation.objects.get().kind == "server.build"
    assert (
        password not in member.get(reverse("dashboard:server", args=[server.pk])).content.decode()
    )
    assert password not in str(dict(member.session))


def test_fields_reach_the_use_case(member, world, filled):
    KeyPair.objects.create(user_id=world.member.id, name="mine", public_key=PUBLIC_KEY)

    member.post(
        CREATE,
        filled(
            key_name="mine",
            user_data="#!/bin/sh\r\necho hello\r\n",
            network_choice="these",
            networks=[str(world.network.pk)],
        ),
    )

    server = Server.objects.get()
    assert server.key_name == "mine"
    assert server.public_key == PUBLIC_KEY
    assert base64.b64decode(server.user_data or "") == b"#!/bin/sh\necho hello\n"


def test_config_drive_can_be_left_out(member, filled):
    member.post(CREATE, filled(config_drive=None))

    assert Server.objects.get().has_config_drive is False


def test_no_network_means_no_interface(member, filled):
    answer = member.post(CREATE, filled(network_choice="none"))

    assert answer.context["rows"][0].addresses == []


def test_several_servers_get_numbers(member, filled):
    member.post(CREATE, filled(count="3"))

    names = sorted(Server.objects.values_list("name", flat=True))
    assert names == ["web-1", "web-2", "web-3"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"image": ""}, "image"),
        ({"image": "11111111-1111-1111-1111-111111111111"}, "image"),
        ({"flavor": None}, "flavor"),
        ({"network_choice": "these"}, "networks"),
        ({"network_choice": "these", "networks": ["no-uuid"]}, "networks"),
        ({"key_name": "not mine"}, "key_name"),
        ({"user_data": "x" * 50_000}, "user_data"),
        ({"count": "0"}, "count"),
        ({"count": "many"}, "count"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field(member, filled, changes, field):
    answer = member.post(CREATE, filled(**changes))

    assert answer.status_code == 422
    assert answer.context["form"].errors[field]
    assert f'id="id_{field}_error"' in answer.content.decode()
    assert not Server.objects.exists()


def test_form_keeps_what_was_typed(member, filled):
    answer = member.post(CREATE, filled(name="", user_data="#!/bin/sh\nmy script"))

    assert "my script" in answer.content.decode()


def test_over_quota_is_said_beside_the_flavor(member, world, filled):
    QuotaLimit.objects.create(project_id=world.demo.id, resource="cores", limit=2)

    answer = member.post(CREATE, filled(count="3"))

    assert "Quota exceeded for cores" in answer.context["form"].errors["flavor"][0]
    assert not Server.objects.exists()


def test_flavor_that_no_longer_fits_cannot_be_chosen(member, world):
    QuotaLimit.objects.create(project_id=world.demo.id, resource="ram", limit=300)
    Flavor.objects.create(flavorid="2", name="m1.big", vcpus=1, ram_mib=512, disk_gib=1)

    choices = member.get(CREATE).context["flavors"]

    assert {(choice.flavor.name, choice.fits) for choice in choices} == {
        ("m1.tiny", 1),
        ("m1.big", 0),
    }


def test_what_the_use_case_refuses_is_said_in_its_words(member, world, filled):
    world.image.min_ram_mib = 1024
    world.image.save()

    answer = member.post(CREATE, filled())

    assert answer.status_code == 422
    assert "memory is too small for requested image" in answer.content.decode()


def test_reader_is_refused(reader, filled):
    page, answer = reader.get(CREATE), reader.post(CREATE, filled(), follow=True)

    assert page.status_code == 403
    assert "Policy doesn&#x27;t allow os_compute_api:servers:create" in page.content.decode()
    assert "Policy doesn&#x27;t allow" in answer.content.decode()
    assert not Server.objects.exists()


def test_form_needs_its_token(browse, world, filled):
    answer = browse(world.member, csrf=True).post(CREATE, filled())

    assert answer.status_code == 403
    assert not Server.objects.exists()
