import pytest

from cloudportal.api.microversions import Microversion
from cloudportal.api.views import COMPUTE
from tests.authorisation import EVERYBODY, NOBODY, Endpoint, client_as, matrix

BASE = "http://127.0.0.1:8000/compute"
BEYOND = Microversion(2, COMPUTE.maximum.minor + 1)


@pytest.mark.parametrize("path", ["/compute", "/compute/"])
def test_the_list_needs_no_token(path):
    answer = client_as(NOBODY).get(path)

    assert answer.status_code == 200
    [old, version] = answer.json()["versions"]
    assert (old["id"], old["status"], old["version"]) == ("v2.0", "DEPRECATED", "")
    assert (version["id"], version["status"]) == ("v2.1", "CURRENT")
    assert (version["min_version"], version["version"]) == ("2.1", str(COMPUTE.maximum))
    assert version["links"] == [{"rel": "self", "href": f"{BASE}/v2.1/"}]
    assert "OpenStack-API-Version" not in answer.headers


@pytest.mark.parametrize("path", ["/compute/v2.1", "/compute/v2.1/"])
def test_the_document_needs_no_token(path):
    answer = client_as(NOBODY).get(path)

    assert answer.status_code == 200
    assert [link["rel"] for link in answer.json()["version"]["links"]] == ["self", "describedby"]
    assert answer.headers["OpenStack-API-Version"] == "compute 2.1"


@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
def test_an_address_without_version_offers_the_choices(method):
    answer = getattr(client_as(NOBODY), method)("/compute/servers/1")

    assert answer.status_code == 300
    choices = answer.json()["choices"]
    assert [choice["id"] for choice in choices] == ["v2.0", "v2.1"]
    assert choices[1]["links"] == [{"rel": "self", "href": f"{BASE}/v2.1/servers/1"}]


@pytest.mark.parametrize("path", ["/compute/v2", "/compute/v2/"])
def test_the_document_of_the_time_before_microversions_names_none(path):
    answer = client_as(NOBODY).get(path)

    version = answer.json()["version"]
    assert (version["id"], version["version"], version["min_version"]) == ("v2.0", "", "")
    assert version["links"][0] == {"rel": "self", "href": f"{BASE}/v2/"}
    assert "OpenStack-API-Version" not in answer.headers


@pytest.mark.parametrize("tree", ["v2", "v2.1"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "no-such-thing"),
        ("post", "no-such-thing"),
        ("put", "extensions"),
        ("delete", "servers"),
        ("options", "servers"),
    ],
)
def test_an_unknown_route_or_method_is_the_routers_404(tree, method, path):
    answer = getattr(client_as("admin"), method)(f"/compute/{tree}/{path}")

    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "OpenStack-API-Version" not in answer.headers


@pytest.mark.parametrize("path", ["no-such-thing", "versions/v2.1"])
def test_the_token_is_looked_at_before_the_route(path):
    answer = client_as(NOBODY).get(f"/compute/v2.1/{path}")

    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("endpoint", "who"),
    matrix(
        [
            Endpoint("GET", "/compute/v2.1/versions/v2.1", 200, EVERYBODY),
            Endpoint("GET", "/compute/v2.1/versions/v2.0", 200, EVERYBODY),
            Endpoint("GET", "/compute/v2.1/extensions", 200, EVERYBODY),
            Endpoint("GET", "/compute/v2.1/extensions/os-keypairs", 200, EVERYBODY),
        ]
    ),
)
def test_who_may_read_what(endpoint, who):
    assert endpoint.status(who) == endpoint.expected(who)


@pytest.mark.parametrize("path", ["versions/v9", "extensions/os-nothing"])
def test_what_there_is_not_is_a_404(path):
    assert client_as("reader").get(f"/compute/v2.1/{path}").status_code == 404


@pytest.mark.parametrize("path", ["flavors/a%00b", "flavors?marker=%00"])
def test_a_nul_in_the_address_is_malformed(path):
    assert client_as("reader").get(f"/compute/v2.1/{path}").status_code == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"OpenStack-API-Version": f"compute {BEYOND}"}, 406),
        ({"X-OpenStack-Nova-API-Version": str(BEYOND)}, 406),
        ({"OpenStack-API-Version": "compute two"}, 400),
        ({"OpenStack-API-Version": "volume 3.99"}, 200),
        ({"OpenStack-API-Version": "compute latest"}, 200),
    ],
)
def test_versions_are_negotiated_before_anything(headers, status):
    assert (
        client_as("reader").get("/compute/v2.1/extensions", headers=headers).status_code == status
    )
