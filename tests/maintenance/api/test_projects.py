"""What projects own, and their removal, over the wire."""

import pytest
from django.conf import settings

from operations.models import Operation
from servers.models import Server
from tests.authorisation import ADMINS, Endpoint, client_as, matrix
from tests.maintenance.conftest import run_everything
from tests.maintenance.possessions import AT_REST, furnish, left_of

pytestmark = pytest.mark.django_db
URL = "/identity/v3/projects/{project}/cloudportal:contents"


@pytest.fixture
def doomed():
    return furnish()


@pytest.fixture
def url(doomed) -> str:
    return URL.format(project=doomed.project.id)


ENDPOINTS = [
    Endpoint("GET", URL, ok=200, allowed=ADMINS),
    Endpoint("GET", f"{URL}/ports", ok=200, allowed=ADMINS),
    Endpoint("POST", URL, ok=202, allowed=ADMINS),
]


@pytest.mark.parametrize(("endpoint", "who"), matrix(ENDPOINTS))
def test_who_may_do_what(endpoint, who, doomed):
    assert endpoint.status(who, project=doomed.project.id) == endpoint.expected(who)


def test_contents_are_shown(url, doomed):
    body = client_as("admin").get(url, {"limit": "1"}).json()["contents"]

    project = doomed.project
    address = f"{settings.PUBLIC_URL}{url}"
    assert body["project"] == {
        "id": project.id,
        "name": "doomed",
        "domain_id": "default",
        "enabled": True,
    }
    owned = {each.pop("kind"): each for each in body["owned"]}
    assert owned["networks"] == {
        "count": 1,
        "first": [{"id": str(doomed.network.pk), "name": "own"}],
        "links": {"self": f"{address}/networks"},
    }
    assert [len(each["first"]) for each in owned.values()] == [1] * len(owned)
    assert set(AT_REST) <= set(owned)
    assert (body["in_the_way"], body["is_removable"], body["removal"]) == ([], True, None)
    assert body["links"] == {"self": address}


def test_one_kind_is_paged(url):
    client = client_as("admin")

    first = client.get(f"{url}/security_groups", {"limit": "1"}).json()
    rest = client.get(first["links"]["next"].removeprefix(settings.PUBLIC_URL)).json()

    names = {each["name"] for each in first["security_groups"] + rest["security_groups"]}
    assert names == {"default", "web"}
    end = client.get(rest["links"]["next"].removeprefix(settings.PUBLIC_URL)).json()
    assert (end["security_groups"], end["links"]["next"]) == ([], None)


def test_a_removal_is_begun_and_told(url, doomed):
    client = client_as("admin")

    begun = client.post(url, {}, format="json")
    again = client.post(url)

    removal = begun.json()["contents"]["removal"]
    assert (begun.status_code, removal["state"], removal["note"]) == (202, "pending", "")
    assert again.json()["contents"]["removal"]["id"] == removal["id"]
    run_everything()
    assert left_of(doomed.project.id) == []
    gone = client.get(url)
    assert gone.status_code == 404
    assert gone.json()["error"]["message"] == f"Could not find project: {doomed.project.id}."


def test_what_is_in_the_way_is_a_conflict(url, doomed, active):
    server = active()
    Server.objects.filter(pk=server.pk).update(project_id=doomed.project.id, locked_by="owner")

    shown = client_as("admin").get(url).json()["contents"]
    refused = client_as("admin").post(url, {}, format="json")

    [first, *others] = shown["in_the_way"]
    assert (first["kind"], first["count"], first["reason"]) == ("servers", 1, "locked: unlock it")
    assert first["first"] == [{"id": str(server.pk), "name": "web"}]
    assert not others
    assert not shown["is_removable"]
    assert refused.status_code == 409
    assert refused.json()["error"]["message"] == (
        "The project doomed cannot be removed as long as there are 1 servers (locked: unlock it): "
        "web."
    )
    assert not Operation.objects.filter(kind="project.remove").exists()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("?limit=x", "limit"),
        ("?size=1", "size"),
        ("/ports?marker=x", "Marker x could not be found."),
        ("/ports?marker=6c0f2a0e-0f0b-4d3c-8a8e-0c9f2f6c2a55", "could not be found."),
        ("/reservations?marker=99999999999999999999", "could not be found."),
        ("/role_assignments?marker=x", "Marker x could not be found."),
        ("/ports?limit=-1", "limit"),
    ],
)
def test_bad_queries_are_refused(url, path, words):
    refused = client_as("admin").get(f"{url}{path}")

    assert refused.status_code == 400
    assert words in refused.json()["error"]["message"]


def test_a_body_has_nothing_to_say(url):
    refused = client_as("admin").post(url, {"now": True}, format="json")

    assert (refused.status_code, "now" in refused.json()["error"]["message"]) == (400, True)


def test_what_is_not_there_is_not_found(url):
    client = client_as("admin")

    assert client.get(URL.format(project="nobody")).status_code == 404
    assert client.post(URL.format(project="nobody")).status_code == 404
    kinds = client.get(f"{url}/sandwiches")
    assert (kinds.status_code, "volumes" in kinds.json()["error"]["message"]) == (404, True)


def test_who_acts_in_it_does_not_remove_it(url, doomed, monkeypatch):
    from rest_framework.test import APIClient

    client = APIClient()
    client.force_authenticate(user=doomed.actor)

    assert client.post(url).status_code == 409


def test_an_immutable_one_is_not_removed(url, doomed):
    doomed.project.options = {"immutable": True}
    doomed.project.save()

    refused = client_as("admin").post(url)

    assert refused.status_code == 403
    assert not Operation.objects.filter(kind="project.remove").exists()
