import re

import pytest
from drf_spectacular.validation import validate_schema
from rest_framework.response import Response
from rest_framework.test import APIClient

from cloudportal.api.microversions import Microversion, Versioned, available
from cloudportal.api.openapi import documented, listed, schema_of, wrapped
from cloudportal.api.representation import INTEGER, STRING, Field, Representation
from cloudportal.api.validation import BodySchema, closed


@pytest.fixture
def client():
    return APIClient()


def document(client, microversion):
    answer = client.get("/api/schema", {"microversion": microversion})
    assert answer.status_code == 200
    return answer.json()


@pytest.mark.parametrize(
    "microversion",
    [
        "2.1",
        *(pytest.param(each, marks=pytest.mark.long) for each in ("2.36", "2.60", "2.79")),
        "2.104",
    ],
)
def test_the_document_is_valid_openapi(client, microversion):
    found = document(client, microversion)

    validate_schema(found)
    assert found["openapi"].startswith("3.1")


def test_operation_ids_are_unique(client):
    paths = document(client, "latest")["paths"]

    ids = [operation["operationId"] for path in paths.values() for operation in path.values()]

    assert len(ids) == len(set(ids))


def test_the_twin_routes_below_a_project_are_left_out(client):
    assert not [path for path in document(client, "2.1")["paths"] if "v2.1/{project_id}" in path]


def test_methods_outside_their_range_are_left_out(client):
    flavor = "/compute/v2.1/flavors/{flavor_id}"

    assert "put" not in document(client, "2.54")["paths"][flavor]
    assert "put" in document(client, "2.55")["paths"][flavor]


@pytest.mark.parametrize("microversion", ["3.0", "3.71"])
def test_the_document_of_volumes_is_valid_and_has_what_the_microversion_has(client, microversion):
    asked = {"service": "volume", "microversion": microversion}
    found = client.get("/api/schema", asked).json()

    validate_schema(found)
    assert ("/volume/v3/default-types" in found["paths"]) == (microversion == "3.71")
    assert "/volume/v3/volumes" in found["paths"]
    assert not [path for path in found["paths"] if path.startswith("/volume/v3/{project_id}")]


def test_the_request_schema_is_the_one_of_the_microversion(client):
    def properties(microversion):
        create = document(client, microversion)["paths"]["/compute/v2.1/flavors"]["post"]
        schema = create["requestBody"]["content"]["application/json"]["schema"]
        return schema["properties"]["flavor"]["properties"]

    assert "description" not in properties("2.54")
    assert "description" in properties("2.55")


def test_what_needs_no_token_says_so(client):
    paths = document(client, "latest")["paths"]

    assert paths["/compute"]["get"]["security"] == []
    assert paths["/compute/v2.1/flavors"]["get"]["security"] == [{"token": []}]


@pytest.mark.parametrize(("microversion", "status"), [("2.200", 406), ("two", 400)])
def test_a_version_that_is_not_on_offer_is_refused(client, microversion, status):
    assert client.get("/api/schema", {"microversion": microversion}).status_code == status


def test_yaml_is_on_offer(client):
    assert client.get("/api/schema", {"format": "yaml"}).content.startswith(b"openapi:")


@pytest.mark.parametrize("page", ["/api/docs/", "/api/docs/redoc/"])
def test_pages_ask_no_other_host(client, page):
    text = client.get(page, {"microversion": "2.79"}).content.decode()

    assert not re.findall(r"""(?:href|src)=["'](?:https?:)?//""", text)
    assert "/static/drf_spectacular_sidecar/" in text
    assert "microversion=2.79" in text.replace(r"\u003D", "=")


@pytest.mark.parametrize("service", ["identity", "image", "network", "volume"])
def test_each_service_has_a_valid_document_of_its_own(client, service):
    found = client.get("/api/schema", {"service": service}).json()

    validate_schema(found)
    assert found["info"]["title"].endswith(service)
    assert {path.split("/")[1] for path in found["paths"]} == {service}
    assert not [path for path in found["paths"] if "\\" in path or "{project_id}/volumes" in path]


def test_the_pages_pass_the_service_on(client):
    text = client.get("/api/docs/", {"service": "image"}).content.decode()

    assert "/api/schema?service=image" in text.replace(r"\u003D", "=")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"service": "dns"}, 404),
        ({"service": "network", "microversion": "2.1"}, 400),
        ({"service": "volume", "microversion": "2.79"}, 406),
    ],
)
def test_a_document_that_there_is_not_is_refused(client, query, status):
    assert client.get("/api/schema", query).status_code == status


def test_a_volume_document_is_of_its_microversion(client):
    found = client.get("/api/schema", {"service": "volume", "microversion": "3.27"}).json()

    assert found["info"]["x-volume-microversion"] == "3.27"


def test_a_declaration_survives_its_range():
    @available("2.3")
    @documented("Say.", request={"type": "object"})
    def get(self, request):
        return Response()

    noted = vars(get)
    assert noted["documentation"].summary == "Say."
    assert noted["available"] == (Microversion(2, 3), None)


def test_descriptions_are_resolved_to_the_version():
    thing = Representation(
        Field("id", lambda thing: thing, INTEGER), Field("late", str, STRING, since="2.9")
    )
    body = Versioned({"2.1": BodySchema(closed({"a": STRING})), "2.9": BodySchema(closed({}))})

    early = schema_of(wrapped("thing", thing), Microversion(2, 8))
    late = schema_of(listed("things", thing), Microversion(2, 9))

    assert list(early["properties"]["thing"]["properties"]) == ["id"]
    assert list(late["properties"]["things"]["items"]["properties"]) == ["id", "late"]
    assert schema_of(body, Microversion(2, 10))["properties"] == {}
    assert thing.show(5, Microversion(2, 9)) == {"id": 5, "late": "5"}
