"""What networks are made of: asked for or chosen, and never twice."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from networks.create import NewNetwork, NewSubnet, create_network, create_subnet
from networks.errors import (
    FlatNetworkInUse,
    InvalidInput,
    NoNetworkAvailable,
    PolicyNotAuthorized,
    TunnelIdInUse,
    VlanIdInUse,
)
from networks.models import Network, NetworkType
from networks.provider import Provider
from networks.routers import NewRouter, add_interface, create_router
from networks.update import update_subnet

pytestmark = pytest.mark.django_db
FLAT, VLAN, VXLAN = NetworkType.FLAT, NetworkType.VLAN, NetworkType.VXLAN


@pytest.fixture
def make(admin):
    def make(*provider, actor=admin, **wanted):
        asked = NewNetwork(provider=Provider(*provider), **wanted)
        return create_network(wanted=asked, actor=actor, now=timezone.now())

    return make


@pytest.fixture
def give(admin):
    def give(network, cidr="10.7.0.0/29", **wanted):
        asked = NewSubnet(str(network.pk), cidr, **wanted)
        return create_subnet(wanted=asked, actor=admin, now=timezone.now())

    return give


def test_a_network_without_a_type_is_each_hosts_own(make):
    network = make()

    assert (network.type, network.segment, network.mtu) == (NetworkType.NAT, None, 1500)


def test_the_cloud_may_choose_tunnels_instead(make, settings):
    settings.NETWORK_TYPE = "vxlan"

    network = make()

    assert (network.type, network.segment, network.mtu) == (VXLAN, 1, 1450)


def test_an_external_network_is_no_tunnel_whatever_the_cloud_chooses(make, settings):
    settings.NETWORK_TYPE = "vxlan"

    assert make(None, "public", is_external=True).type == NetworkType.NAT


def test_a_tunnel_has_room_for_its_own_header_unless_told_otherwise(make):
    assert make(VXLAN, "", 42).mtu == 1450
    assert make(VXLAN, mtu=8000).mtu == 8000


def test_numbers_are_the_lowest_that_are_free(make, settings):
    settings.VXLAN_IDS, settings.VLAN_IDS = range(10, 20), {"rack": range(100, 102)}
    make(VXLAN, "", 10)

    assert [make(VXLAN).segment for _ in range(2)] == [11, 12]
    assert [make(VLAN, "rack").segment for _ in range(2)] == [100, 101]
    with pytest.raises(NoNetworkAvailable):
        make(VLAN, "rack")


def test_of_two_who_choose_at_once_the_second_gets_the_next(make, monkeypatch):
    make(VXLAN)
    monkeypatch.setattr("networks.provider._free_numbers", lambda network: iter([1, 1, 2]))

    assert make(VXLAN).segment == 2


@pytest.mark.parametrize(
    ("provider", "error"),
    [
        ((FLAT, "rack"), FlatNetworkInUse),
        ((VLAN, "rack", 101), VlanIdInUse),
        ((VXLAN, "", 42), TunnelIdInUse),
    ],
)
def test_what_a_network_lies_on_is_nobody_elses(make, provider, error):
    make(*provider)

    with pytest.raises(error, match="in use"):
        make(*provider)
    assert Network.objects.count() == 1


def test_the_same_number_elsewhere_is_another_one(make):
    make(VLAN, "rack", 101)

    for provider in ((VLAN, "office", 101), (VXLAN, "", 101), (FLAT, "rack")):
        make(*provider)


@pytest.mark.parametrize(
    ("provider", "text"),
    [
        ((VLAN, "", 101), "physical_network required for vlan"),
        ((FLAT,), "physical_network required for flat"),
        ((FLAT, "rack", 5), "segmentation_id specified for flat"),
        ((VLAN, "rack", 0), r"out of range \(1 through 4094\)"),
        ((VLAN, "rack", 4095), "out of range"),
        ((VLAN, "rack"), "no VLANs of the physical network 'rack' are set aside"),
        ((VXLAN, "rack", 5), "physical_network specified for vxlan"),
        ((VXLAN, "", 1 << 24), r"out of range \(1 through 16777215\)"),
        ((NetworkType.NAT, "rack"), "lie on no physical network"),
        ((None, "rack"), "network_type required"),
        ((None, "", 5), "network_type required"),
    ],
)
def test_what_makes_no_sense_is_refused(make, provider, text):
    with pytest.raises(InvalidInput, match=text):
        make(*provider)


@pytest.mark.parametrize("provider", [(VLAN, "rack", 5), (NetworkType.NAT,), (FLAT, "rack", 5)])
def test_external_networks_are_flat(make, provider):
    with pytest.raises(InvalidInput, match="external networks are of the type 'flat'"):
        make(*provider, is_external=True)


def test_members_make_no_networks(make, member):
    with pytest.raises(PolicyNotAuthorized):
        make(VXLAN, actor=member)


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "nat", "segment": 5},
        {"type": "vlan", "physical_network": "rack", "segment": 4095},
        {"type": "vlan", "segment": 5},
        {"type": "vxlan", "segment": None},
        {"type": "flat", "physical_network": ""},
    ],
)
def test_the_table_takes_nothing_else(fields):
    with pytest.raises(IntegrityError), transaction.atomic():
        Network.objects.create(project_id="p1", **fields)


def test_hosts_give_addresses_on_a_vlan_from_one_of_their_own(make, give):
    subnet = give(make(VLAN, "rack", 101))

    assert subnet.dhcp_address == "10.7.0.6"
    assert subnet.allocation_pools == [["10.7.0.2", "10.7.0.5"]]


def test_pools_that_were_asked_for_stay_as_they_are(make, give, admin):
    pools = [["10.7.0.5", "10.7.0.6"]]
    subnet = give(make(VLAN, "rack", 101), allocation_pools=pools)

    assert (subnet.dhcp_address, subnet.allocation_pools) == ("10.7.0.4", pools)
    changes = {"allocation_pools": [["10.7.0.3", "10.7.0.4"]]}
    with pytest.raises(InvalidInput, match="hosts' DHCP"):
        update_subnet(subnet=subnet, changes=changes, actor=admin, now=timezone.now())


def test_pools_have_to_leave_the_hosts_an_address(make, give):
    with pytest.raises(InvalidInput, match="leave no address"):
        give(make(VLAN, "rack", 101), allocation_pools=[["10.7.0.2", "10.7.0.6"]])


def test_without_dhcp_hosts_need_no_address(make, give):
    subnet = give(make(VLAN, "rack", 101), has_dhcp=False)

    assert subnet.dhcp_address is None


def test_the_hosts_take_their_address_from_the_end_even_where_the_gateway_is(make, give):
    subnet = give(make(VLAN, "rack", 101), gateway_ip="10.7.0.6")

    assert subnet.dhcp_address == "10.7.0.5"
    assert subnet.allocation_pools == [["10.7.0.1", "10.7.0.4"]]


def test_hosts_give_no_addresses_on_somebody_elses_bridge(make, give):
    network = make(FLAT, "office")

    with pytest.raises(InvalidInput, match="enable_dhcp false"):
        give(network)
    assert give(network, has_dhcp=False).dhcp_address is None


def test_a_router_joins_no_network_whose_gateway_is_outside(make, give, admin):
    network = make(VLAN, "rack", 101)
    subnet, now = give(network), timezone.now()
    public = make(is_external=True)
    router = create_router(
        wanted=NewRouter(external_network_id=str(public.pk)), actor=admin, now=now
    )

    with pytest.raises(Exception, match="gateway is outside the cloud"):
        add_interface(router=router, subnet_id=str(subnet.pk), port_id=None, actor=admin, now=now)
