"""Drains over the wire: for administrators, at every microversion."""

import uuid

import pytest

from hypervisors.models import Hypervisor
from maintenance.models import Drain
from tests.authorisation import client_as

pytestmark = pytest.mark.django_db


@pytest.fixture
def url(host, active) -> str:
    Hypervisor.objects.create(
        name="beta", uri="qemu+ssh://root@beta/system", state="up", vcpus=8, ram_mib=16384,
        disk_gib=100,
    )  # fmt: skip
    for number in range(3):
        active(f"web{number}")
    return f"/compute/v2.1/os-hypervisors/{host.uuid}/cloudportal:drain"


def post(url, body, who="admin"):
    return client_as(who, "2.1").post(url, body, format="json")


def test_a_plan_is_made_started_paused_resumed_and_cancelled(url):
    made = post(url, {"plan": {"max_at_once": 2, "moves_stopped": False}})

    assert made.status_code == 200
    drain = made.json()["drain"]
    assert (drain["state"], drain["max_at_once"], drain["moves_stopped"]) == ("planned", 2, False)
    assert drain["servers"]["waiting"] == 3
    for asked, state in (
        ("start", "running"),
        ("pause", "paused"),
        ("resume", "running"),
        ("cancel", "cancelled"),
    ):
        answer = post(url, {asked: None})
        assert (answer.status_code, answer.json()["drain"]["state"]) == (200, state)
    assert client_as("admin", "2.1").get(url).json()["drain"]["state"] == "cancelled"


def test_its_servers_are_paged(url):
    post(url, {"plan": None})
    client = client_as("admin", "2.1")

    first = client.get(f"{url}/servers?limit=2").json()
    [link] = first["servers_links"]
    rest = client.get(link["href"]).json()

    names = [each["name"] for each in first["servers"] + rest["servers"]]
    assert sorted(names) == ["web0", "web1", "web2"]
    assert {each["destination"] for each in first["servers"]} == {"beta"}
    assert "servers_links" not in rest


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"start": None, "pause": None}, 400),
        ({"start": {}}, 400),
        ({"plan": {"max_at_once": 0}}, 400),
        ({"plan": {"max_at_once": 17}}, 400),
        ({"plan": {"speed": 1}}, 400),
        ({"explode": None}, 400),
        ({"pause": None}, 409),
    ],
)
def test_what_cannot_be_is_refused(url, body, status):
    post(url, {"plan": None})

    assert post(url, body).status_code == status
    assert Drain.objects.get().state == "planned"


def test_a_host_or_plan_that_is_not_there_is_not_found(url):
    client = client_as("admin", "2.1")

    assert client.get(url).status_code == 404
    assert client.get(f"{url}/servers").status_code == 404
    assert post(url, {"start": None}).status_code == 404
    for other in (uuid.uuid4(), "1", "alpha"):
        gone = f"/compute/v2.1/os-hypervisors/{other}/cloudportal:drain"
        assert client.get(gone).status_code == 404


def test_a_marker_that_is_not_there_is_a_bad_request(url):
    post(url, {"plan": None})

    answer = client_as("admin", "2.1").get(f"{url}/servers?marker={uuid.uuid4()}")

    assert answer.status_code == 400
