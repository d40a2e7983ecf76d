"""Two hosts, a server on the first one, and a client of the volume API."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from operations.models import UNFINISHED, Operation
from tests.authorisation import actor_named
from tests.hypervisors.fake_host import installed
from tests.matrix.world import World, wake


@pytest.fixture
def world(db, monkeypatch, settings, tmp_path):
    settings.IMAGE_DIR = tmp_path / "images"
    return World(installed(monkeypatch))


@pytest.fixture
def client():
    """A member's client."""
    return client_of("member")


def client_of(who):
    client = APIClient()
    # The kernel asks no more of a user than to be an actor.
    client.force_authenticate(user=actor_named(who))  # type: ignore[arg-type]  # as above
    return client


def ask(client, method, path, body=None, version="3.71"):
    """One call of the volume API."""
    call = getattr(client, method)
    headers = {"OpenStack-API-Version": f"volume {version}"}
    if body is None:
        return call(f"/volume/v3/{path}", headers=headers)
    return call(f"/volume/v3/{path}", body, format="json", headers=headers)


def make(client, **fields):
    """A volume, as the API answers."""
    answer = ask(client, "post", "volumes", {"volume": {"size": 1, **fields}})
    assert answer.status_code == 202, answer.json()
    return answer.json()["volume"]


def show(client, volume):
    return ask(client, "get", f"volumes/{volume['id']}").json()["volume"]


def work():
    """Run what is unfinished, once each."""
    for operation in Operation.objects.filter(state__in=UNFINISHED).order_by("created_at"):
        wake(operation)
