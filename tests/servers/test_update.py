"""Changing what a server is called and where it is pinned."""

import pytest
from django.utils import timezone

from servers.errors import InvalidState
from servers.models import Server
from servers.update import update_server
from tests.authorisation import actor_named
from tests.hypervisors.factories import make_hypervisor, put_server_on

pytestmark = pytest.mark.django_db


def pinned(zone, *, now_pinned=None):
    """The server as it is in the database after it was asked to be pinned to the zone."""
    server = put_server_on(
        make_hypervisor(),
        availability_zone="east",
        pinned_zone=now_pinned,
        request_spec={"vcpus": 1, "zone": now_pinned or ""},
    )
    update_server(
        server=server,
        changes={"pinned_zone": zone},
        actor=actor_named("owner"),
        now=timezone.now(),
    )
    return Server.objects.get(pk=server.pk)


@pytest.mark.parametrize(
    ("now_pinned", "zone"), [(None, None), ("east", None), ("east", "east"), (None, "east")]
)
def test_where_a_server_may_move_follows_its_pin(now_pinned, zone):
    server = pinned(zone, now_pinned=now_pinned)

    assert server.pinned_zone == zone
    assert server.request_spec == {"vcpus": 1, "zone": zone or ""}


@pytest.mark.parametrize(("now_pinned", "zone"), [("east", "west"), (None, "west")])
def test_a_server_is_pinned_only_where_it_is_and_only_once(now_pinned, zone):
    with pytest.raises(InvalidState):
        pinned(zone, now_pinned=now_pinned)

    assert Server.objects.get().request_spec["zone"] == (now_pinned or "")
