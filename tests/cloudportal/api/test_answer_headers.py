"""The headers that every answer of the compute API has."""

import re

import pytest

from cloudportal.api.views import COMPUTE
from tests.authorisation import client_as
from tests.compute_world import make_world
from tests.endpoints import compute_calls

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("silent_hosts")]
BOTH = {"OpenStack-API-Version", "X-OpenStack-Nova-API-Version"}


def test_every_get_says_its_microversion_and_the_id_of_its_request():
    world = make_world()
    wrong = []

    for call in compute_calls():
        if call.method == "GET":
            answer = client_as("admin", str(call.last)).get(world.path(call.route))
            identifier = answer.headers.get("X-Compute-Request-Id", "")
            is_right = (
                re.fullmatch(r"req-[0-9a-f-]{36}", identifier)
                and answer.headers["X-OpenStack-Request-ID"] == identifier
                and answer.headers["OpenStack-API-Version"] == f"compute {call.last}"
                and answer.headers["X-OpenStack-Nova-API-Version"] == str(call.last)
                and set(answer.headers["Vary"].split(", ")) >= BOTH
            )
            if not is_right:
                wrong.append((str(call), dict(answer.headers)))

    assert wrong == []


def test_a_refusal_says_them_too():
    answer = client_as("admin", "2.79").get("/compute/v2.1/servers/none")

    assert answer.status_code == 404
    assert answer.headers["OpenStack-API-Version"] == "compute 2.79"
    assert set(answer.headers["Vary"].split(", ")) >= BOTH


def test_what_is_accepted_has_no_body_but_a_type():
    world = make_world()

    answer = client_as("member", str(COMPUTE.maximum)).post(
        world.path("servers/{server_id}/action"), {"os-stop": None}, format="json"
    )

    assert (answer.status_code, answer.content) == (202, b"")
    assert answer.headers["Content-Type"] == "application/json"
