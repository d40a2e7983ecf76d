"""What networks are made of, on the wire: for administrators to say and to see."""

from __future__ import annotations

import pytest

from networks.models import Network

pytestmark = pytest.mark.django_db
NETWORKS = "/network/v2.0/networks"
KIND, PHYSICAL, NUMBER = (
    f"provider:{name}" for name in ("network_type", "physical_network", "segmentation_id")
)


def make(client, **provider):
    body = {"network": {f"provider:{name}": value for name, value in provider.items()}}
    return client.post(NETWORKS, body, format="json")


def lies_on(row):
    return row[KIND], row[PHYSICAL], row[NUMBER]


@pytest.mark.parametrize(
    ("provider", "shown", "mtu"),
    [
        ({}, ("local", None, None), 1500),
        ({"network_type": "local"}, ("local", None, None), 1500),
        ({"network_type": "flat", "physical_network": "rack"}, ("flat", "rack", None), 1500),
        (
            {"network_type": "vlan", "physical_network": "rack", "segmentation_id": "101"},
            ("vlan", "rack", 101),
            1500,
        ),
        ({"network_type": "vxlan", "segmentation_id": 42}, ("vxlan", None, 42), 1450),
        ({"network_type": "vxlan"}, ("vxlan", None, 1), 1450),
    ],
)
def test_what_an_administrator_asks_for_is_made_and_shown(client_for, admin, provider, shown, mtu):
    client = client_for(admin)

    made = make(client, **provider)

    assert made.status_code == 201, made.json()
    assert lies_on(made.json()["network"]) == shown
    assert made.json()["network"]["mtu"] == mtu
    again = client.get(f"{NETWORKS}/{made.json()['network']['id']}").json()["network"]
    assert lies_on(again) == shown


def test_members_neither_say_nor_see_it(client_for, admin, member):
    made = client_for(admin).post(
        NETWORKS, {"network": {"shared": True, KIND: "vxlan"}}, format="json"
    )
    seen = client_for(member).get(f"{NETWORKS}/{made.json()['network']['id']}").json()["network"]

    assert make(client_for(member), network_type="vxlan").status_code == 403
    assert not [name for name in seen if name.startswith("provider:")]
    assert seen["mtu"] == 1450


@pytest.mark.parametrize(
    ("provider", "kind"),
    [
        ({"network_type": "vxlan", "segmentation_id": 42}, "TunnelIdInUse"),
        (
            {"network_type": "vlan", "physical_network": "rack", "segmentation_id": 5},
            "VlanIdInUse",
        ),
        ({"network_type": "flat", "physical_network": "rack"}, "FlatNetworkInUse"),
    ],
)
def test_what_another_network_lies_on_is_a_conflict(client_for, admin, provider, kind):
    client = client_for(admin)
    make(client, **provider)

    refused = make(client, **provider)

    assert refused.status_code == 409
    assert refused.json()["NeutronError"]["type"] == kind


@pytest.mark.parametrize(
    "provider",
    [
        {"network_type": "gre"},
        {"network_type": "vlan"},
        {"network_type": "vlan", "physical_network": "rack", "segmentation_id": 4095},
        {"network_type": "vlan", "physical_network": "rack", "segmentation_id": "x"},
        {"network_type": "vlan", "physical_network": "rack; reboot", "segmentation_id": 5},
        {"network_type": "vxlan", "segmentation_id": 0},
        {"network_type": "vxlan", "segmentation_id": -1},
        {"network_type": "vxlan", "physical_network": "rack"},
        {"network_type": "flat"},
        {"network_type": "local", "segmentation_id": 5},
        {"segmentation_id": 5},
    ],
)
def test_what_makes_no_sense_is_refused(client_for, admin, provider):
    assert make(client_for(admin), **provider).status_code == 400
    assert not Network.objects.exists()


def test_networks_are_listed_by_what_they_are_made_of(client_for, admin):
    client = client_for(admin)
    for provider in (
        {},
        {"network_type": "flat", "physical_network": "rack"},
        {"network_type": "vlan", "physical_network": "rack", "segmentation_id": 5},
        {"network_type": "vxlan"},
    ):
        make(client, **provider)

    for kind in ("local", "flat", "vlan", "vxlan"):
        found = client.get(f"{NETWORKS}?provider:network_type={kind}").json()["networks"]
        assert [each[KIND] for each in found] == [kind]


def test_what_it_lies_on_does_not_change(client_for, admin):
    client = client_for(admin)
    number = make(client, network_type="vxlan").json()["network"]["id"]

    refused = client.put(f"{NETWORKS}/{number}", {"network": {NUMBER: 7}}, format="json")

    assert refused.status_code == 400
