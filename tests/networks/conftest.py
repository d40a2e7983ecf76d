"""Callers, clients and a network to work with."""

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from identity.actors import Actor, with_implied
from networks.create import NewNetwork, NewSubnet, create_network, create_subnet


def actor_with(role, project_id="p1"):
    return Actor(f"u-{role}", role, project_id, project_id, with_implied([role] if role else []))


@pytest.fixture
def member():
    return actor_with("member")


@pytest.fixture
def admin():
    return actor_with("admin", "p-admin")


@pytest.fixture
def client_for():
    """A client that acts as this actor."""

    def make(actor):
        client = APIClient()
        client.force_authenticate(user=actor)
        return client

    return make


@pytest.fixture
def make_network(db, admin):
    """Makes a network with a subnet; without a range, one without."""

    def make(cidr="10.5.0.0/24", *, name="net", project_id="p-admin", is_shared=True, **subnet):
        now = timezone.now()
        wanted = NewNetwork(name=name, project_id=project_id, is_shared=is_shared)
        network = create_network(wanted=wanted, actor=admin, now=now)
        if cidr:
            wanted_subnet = NewSubnet(str(network.pk), cidr, name=f"{name}-subnet", **subnet)
            create_subnet(wanted=wanted_subnet, actor=admin, now=now)
        return network

    return make


@pytest.fixture
def network(make_network):
    return make_network()
