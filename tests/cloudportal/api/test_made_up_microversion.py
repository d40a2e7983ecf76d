"""What docs/adding-a-microversion.md promises: a field and a constant make a microversion."""

import pytest

from cloudportal.api.microversions import Microversion, VersionRange
from cloudportal.api.openapi import schema_of
from cloudportal.api.representation import STRING
from cloudportal.api.views import COMPUTE, ComputeView
from servers.api import representation
from servers.api.readings import Constant
from tests.authorisation import client_as
from tests.compute_world import make_world

NEXT = Microversion(COMPUTE.maximum.major, COMPUTE.maximum.minor + 1)


@pytest.fixture
def color(monkeypatch):
    """A field and the constant, as a microversion would bring them."""
    field = representation.Field("color", Constant("red"), STRING, since=str(NEXT))
    monkeypatch.setattr(representation, "FIELDS", [*representation.FIELDS, field])
    offered = VersionRange("compute", COMPUTE.minimum, NEXT, COMPUTE.legacy_header)
    monkeypatch.setattr(ComputeView, "versions", offered)


@pytest.mark.django_db
@pytest.mark.parametrize(("version", "shown"), [(COMPUTE.maximum, False), (NEXT, True)])
def test_a_field_is_answered_and_documented_from_its_microversion_on(color, version, shown):
    path = make_world().path("servers/{server_id}")

    server = client_as("member", str(version)).get(path).json()["server"]

    assert ("color" in server) is shown
    documented = schema_of(representation.SERVER["show"], version)
    assert ("color" in documented["required"]) is shown
