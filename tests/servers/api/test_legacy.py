"""The API as it was before microversions, below `/v2`."""

import pytest

from servers.models import Server
from tests.authorisation import FOREIGN_PROJECT, OWN_PROJECT, client_as

BASE = "http://127.0.0.1:8000/compute"


@pytest.mark.django_db
@pytest.mark.parametrize("project", ["", f"/{OWN_PROJECT}"])
def test_versions_are_neither_heard_nor_told(active, project):
    server = active()

    answer = client_as("reader", "2.999").get(f"/compute/v2{project}/servers/{server.pk}")

    assert answer.status_code == 200
    shown = answer.json()["server"]
    assert "description" not in shown  # since 2.19
    assert shown["links"][0]["href"] == f"{BASE}/v2{project}/servers/{server.pk}"
    assert "OpenStack-API-Version" not in answer.headers
    assert "X-OpenStack-Nova-API-Version" not in answer.headers
    assert "OpenStack-API-Version" not in answer.headers.get("Vary", "")


@pytest.mark.django_db
def test_what_a_schema_does_not_know_is_dropped(body):
    asked = body(no_such_key=1, description="since 2.19")
    asked["server"]["networks"][0]["color"] = "red"
    asked["another"] = {}

    answer = client_as("member").post("/compute/v2/servers", asked)

    assert answer.status_code == 202
    assert Server.objects.get().description == "web"


@pytest.mark.django_db
def test_the_same_is_refused_since(body):
    answer = client_as("member").post("/compute/v2.1/servers", body(no_such_key=1))

    assert answer.status_code == 400
    assert "no_such_key" in answer.json()["badRequest"]["message"]


@pytest.mark.django_db
@pytest.mark.parametrize(("tree", "status"), [("v2", 202), ("v2.1", 400)])
def test_white_space_around_a_name_is_taken_off(body, tree, status):
    answer = client_as("member").post(f"/compute/{tree}/servers", body(name="  web 1 "))

    assert answer.status_code == status
    assert list(Server.objects.values_list("name", flat=True)) == (["web 1"] * (status == 202))


@pytest.mark.django_db
def test_a_value_that_is_wrong_stays_wrong(body):
    assert client_as("member").post("/compute/v2/servers", body(name="   ")).status_code == 400
    assert client_as("member").post("/compute/v2/servers", body(min_count=0)).status_code == 400


@pytest.mark.django_db
def test_a_foreign_project_in_the_address_is_malformed():
    answer = client_as("reader").get(f"/compute/v2/{FOREIGN_PROJECT}/servers")

    assert answer.status_code == 400
    assert answer.json()["badRequest"]["message"].startswith("Malformed request URL")
