"""What docs/adding-a-microversion.md promises: one file and the constant make a microversion."""

import pytest

from cloudportal.api.microversions import Microversion, VersionRange
from cloudportal.api.openapi import schema_of
from cloudportal.api.representation import STRING, Field
from cloudportal.api.validation import BodySchema, closed
from cloudportal.api.views import COMPUTE, ComputeView
from servers.api import groups
from tests.authorisation import client_as
from tests.compute_world import make_world

NEXT = Microversion(COMPUTE.maximum.major, COMPUTE.maximum.minor + 1)
COLOR = {"type": "string", "maxLength": 32}


@pytest.fixture
def color(monkeypatch):
    """The lines in the resource's file and the constant, as a microversion would bring them."""
    newest = groups.CREATE.at(COMPUTE.maximum).schema["properties"]["server_group"]
    group = closed({**newest["properties"], "color": COLOR}, newest["required"])
    body = BodySchema(closed({"server_group": group}, ["server_group"]))
    monkeypatch.setattr(groups.CREATE, "_since", [(NEXT, body), *groups.CREATE._since])
    field = Field("color", lambda shown: "red", STRING, since=str(NEXT))
    monkeypatch.setattr(groups.GROUP, "_fields", (*groups.GROUP._fields, field))
    offered = VersionRange("compute", COMPUTE.minimum, NEXT, COMPUTE.legacy_header)
    monkeypatch.setattr(ComputeView, "versions", offered)


@pytest.mark.django_db
@pytest.mark.parametrize(("version", "shown"), [(COMPUTE.maximum, False), (NEXT, True)])
def test_a_field_is_answered_and_documented_from_its_microversion_on(color, version, shown):
    path = make_world().path("os-server-groups/{group_id}")

    group = client_as("member", str(version)).get(path).json()["server_group"]

    assert ("color" in group) is shown
    assert ("color" in schema_of(groups.GROUP, version)["required"]) is shown


@pytest.mark.django_db
@pytest.mark.parametrize(("version", "status"), [(COMPUTE.maximum, 400), (NEXT, 200)])
def test_a_key_of_a_body_is_taken_from_its_microversion_on(color, version, status):
    body = {"server_group": {"name": "new", "policy": "affinity", "color": "red"}}

    answer = client_as("member", str(version)).post("/compute/v2.1/os-server-groups", body)

    assert answer.status_code == status
