"""What there is not any more, and what goes at a microversion."""

import pytest

from servers.api.gone import ROUTES
from tests.authorisation import NOBODY, OWN_PROJECT, client_as

CALLS = [
    (method, route.replace("<str:server_id>", "x").replace("<str:key>", "y"))
    for route, methods in ROUTES.items()
    if "entry" not in route
    for method in methods.split()
]


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_what_is_gone_is_gone_for_everybody_at_every_microversion(method, path):
    for who, version in (("reader", "2.1"), ("admin", "2.104")):
        answer = getattr(client_as(who, version), method)(f"/compute/v2.1/{path}")

        assert answer.status_code == 410
        assert answer.json()["computeFault"]["code"] == 410
        assert answer.headers["OpenStack-API-Version"] == f"compute {version}"


@pytest.mark.parametrize("tree", ["v2", f"v2/{OWN_PROJECT}", f"v2.1/{OWN_PROJECT}"])
def test_it_is_gone_in_all_trees(tree):
    assert client_as("reader").get(f"/compute/{tree}/os-cells/detail").status_code == 410


def test_a_method_that_there_never_was_is_no_route():
    answer = client_as("admin").delete("/compute/v2.1/os-agents")

    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_nobody_is_told_of_what_is_gone():
    assert client_as(NOBODY).get("/compute/v2.1/os-agents").status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize(("version", "status"), [("2.1", 200), ("2.102", 200), ("2.103", 404)])
def test_servers_have_an_older_name_until_2_102(active, version, status):
    server = active()
    client = client_as("member", version)
    base = "/compute/v2.1/os-volumes_boot"

    for path in ("", "/detail", f"/{server.pk}"):
        answer = client.get(base + path)
        assert answer.status_code == status
        if status == 404:
            assert "itemNotFound" in answer.json()
        elif not path:
            [found] = answer.json()["servers"]
            assert found["links"][0]["href"].endswith(f"/v2.1/servers/{server.pk}")
    changed = client.put(f"{base}/{server.pk}", {"server": {"name": "new"}})
    assert changed.status_code == status
    acted = client.post(f"{base}/{server.pk}/action", {"os-stop": None})
    assert acted.status_code == (202 if status == 200 else 404)


@pytest.mark.django_db
@pytest.mark.parametrize(("version", "status"), [("2.102", 202), ("2.103", 404)])
def test_servers_are_made_and_deleted_by_the_older_name(body, version, status):
    client = client_as("member", version)

    made = client.post("/compute/v2.1/os-volumes_boot", body())

    assert made.status_code == status
    if status == 202:
        path = f"/compute/v2.1/os-volumes_boot/{made.json()['server']['id']}"
        assert client.delete(path).status_code == 204
