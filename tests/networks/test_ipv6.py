"""IPv6 subnets: what they may be, what ports get of them, and what hosts and guests are told."""

from ipaddress import IPv6Network, ip_address
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudportal.errors import Conflict
from hypervisors import links
from networks import wiring
from networks.addresses import default_pools, eui64_address, free_address, is_in_pools, pool_size
from networks.create import NewPort, NewSubnet, WantedAddress, create_port, create_subnet
from networks.delete import delete_subnet
from networks.errors import (
    BadNetworkRequest,
    InvalidInput,
    InvalidIpForNetwork,
    IpAddressInUse,
    NetworkInUse,
)
from networks.models import FixedIP, Port, Subnet
from networks.packet_rules import port_filter
from networks.segments import network_spec
from networks.server_ports import PortOwner, RequestedNetwork, create_server_ports, plan_ports
from tests.hypervisors.fake_host import installed, make_hypervisor

pytestmark = pytest.mark.django_db
SIX = "fd00:5::/64"


def add_subnet(network, actor, cidr=SIX, *, mode=None, **fields):
    wanted = NewSubnet(
        str(network.pk), cidr, ip_version=6, ipv6_ra_mode=mode, ipv6_address_mode=mode, **fields
    )
    return create_subnet(wanted=wanted, actor=actor, now=timezone.now())


@pytest.fixture
def dual(network, admin):
    """A network of both families."""
    add_subnet(network, admin)
    return network


def make_port(network, actor, **fields):
    wanted = NewPort(str(network.pk), **fields)
    return create_port(wanted=wanted, actor=actor, now=timezone.now())


def addresses(port):
    rows = port.fixed_ips.order_by("pk")
    return [str(each) for each in rows.values_list("address", flat=True)]


def server_on(member, network, fixed_ip=None):
    plan = plan_ports(
        requested=[RequestedNetwork(str(network.pk), None, fixed_ip)], count=1, actor=member
    )
    owner = PortOwner(uuid4(), "p1", "nova")
    with transaction.atomic():
        create_server_ports(owner=owner, plan=plan, security_groups=[], now=timezone.now())
    return owner.server_id


@pytest.mark.once
@settings(deadline=None)
@given(st.integers(64, 126), st.integers(0, 2**120))
def test_pools_of_any_size_give_addresses_without_being_walked_through(length, seed):
    start = int(IPv6Network("fd00::/8").network_address)
    cidr = IPv6Network((start + seed, length), strict=False)
    gateway = str(cidr[1])
    pools = default_pools(str(cidr), gateway)

    found = free_address(pools, lambda asked: set())

    assert pool_size(pools) == cidr.num_addresses - 2
    assert found is not None
    assert is_in_pools(pools, found)
    assert ip_address(found) in cidr
    assert not is_in_pools(pools, gateway)


@pytest.mark.once
def test_the_address_of_a_card_is_as_the_standard_has_it():
    # RFC 4291, appendix A, with the card of RFC 2464.
    assert eui64_address("fd00:5::/64", "34:56:78:9a:bc:de") == "fd00:5::3656:78ff:fe9a:bcde"


def test_a_port_of_a_dual_stack_network_has_one_address_of_each_family(dual, member):
    port = make_port(dual, member)

    four, six = addresses(port)
    assert four.startswith("10.5.0.")
    assert ip_address(six) in IPv6Network(SIX)
    assert six != "fd00:5::1"
    assert port_filter(port).addresses == (four, six)


def test_addresses_asked_for_are_given_and_taken_once(dual, member):
    asked = [WantedAddress(None, "FD00:5:0::77")]
    port = make_port(dual, member, fixed_ips=asked)

    with pytest.raises(IpAddressInUse):
        make_port(dual, member, fixed_ips=asked)
    with pytest.raises(InvalidIpForNetwork):
        make_port(dual, member, fixed_ips=[WantedAddress(None, "fd00:5::1")])
    with pytest.raises(InvalidIpForNetwork):
        make_port(dual, member, fixed_ips=[WantedAddress(None, "fd00:5::")])

    assert addresses(port) == ["fd00:5::77"]


@pytest.mark.parametrize("mode", ["slaac", "dhcpv6-stateless"])
def test_where_cards_make_their_addresses_ports_have_those(network, admin, member, mode):
    subnet = add_subnet(network, admin, mode=mode)
    port = make_port(network, member)
    other = make_port(network, member, fixed_ips=[WantedAddress(None, "10.5.0.9")])
    bare = make_port(network, member, fixed_ips=[])

    assert addresses(port)[1] == eui64_address(SIX, port.mac_address)
    assert addresses(other) == ["10.5.0.9", eui64_address(SIX, other.mac_address)]
    assert addresses(bare) == []
    with pytest.raises(InvalidInput, match="configured for automatic addresses"):
        make_port(network, member, fixed_ips=[WantedAddress(str(subnet.pk), "fd00:5::9")])


@pytest.mark.parametrize(
    ("cidr", "fields", "message"),
    [
        ("10.8.0.0/24", {}, "does not match the ip_version"),
        ("fd00:6::/63", {}, "no range of /64 to /126"),
        ("fd00:6::/127", {}, "no range of"),
        ("fd00:6::1/64", {}, "host bits"),
        ("fe80::/64", {}, "no range of"),
        ("ff05::/64", {}, "no range of"),
        ("::ffff:0:0/96", {}, "no range of"),
        ("fd00:5:0:0:8000::/80", {}, "overlaps"),
        ("fd00:6::/80", {"mode": "slaac"}, "no /64"),
        ("fd00:6::/64", {"mode": "slaac", "has_dhcp": False}, "cannot be set when enable_dhcp"),
        ("fd00:6::/64", {"gateway_ip": "fd00:7::1"}, "Gateway is not valid"),
        ("fd00:6::/64", {"gateway_ip": "fe80::1"}, "Gateway is not valid"),
        ("fd00:6::/64", {"dns_nameservers": ["9.9.9.9"]}, "not a valid IPv6"),
        ("fd00:6::/64", {"allocation_pools": [["fd00:6::9", "fd00:6::2"]]}, "is not valid"),
        ("fd00:6::/64", {"allocation_pools": [["10.0.0.1", "fd00:6::2"]]}, "not a valid IPv6"),
    ],
)
def test_ranges_that_hosts_cannot_have_are_refused(make_network, admin, cidr, fields, message):
    add_subnet(make_network(), admin)
    bare = make_network(None)

    with pytest.raises(InvalidInput, match=message):
        add_subnet(bare, admin, cidr, **fields)

    assert Subnet.objects.filter(ip_version=6).count() == 1


def test_a_network_has_one_range_of_a_family(dual, admin):
    with pytest.raises(Conflict, match="one of a family"):
        add_subnet(dual, admin, "fd00:6::/64")


def test_modes_that_differ_are_refused_by_name(network, admin):
    wanted = NewSubnet(str(network.pk), SIX, ip_version=6, ipv6_ra_mode="slaac")

    with pytest.raises(InvalidInput, match="ipv6_ra_mode set to 'slaac'"):
        create_subnet(wanted=wanted, actor=admin, now=timezone.now())


def test_ranges_come_and_go_while_no_server_is_on_the_network(dual, admin, member):
    subnet = dual.subnets.get(ip_version=6)
    server_on(member, dual, "10.5.0.50")

    with pytest.raises(NetworkInUse):
        delete_subnet(subnet=subnet, actor=admin)
    Port.objects.all().delete()
    delete_subnet(subnet=subnet, actor=admin)
    server_on(member, dual)
    with pytest.raises(NetworkInUse):
        add_subnet(dual, admin)

    assert FixedIP.objects.filter(subnet__ip_version=6).count() == 0


@pytest.mark.parametrize(
    ("asked", "message"),
    [("fd00:5::1", "not a valid ip address"), ("fd00:6::9", "not a valid ip address")],
)
def test_a_server_gets_the_ipv6_address_it_asks_for_or_none(dual, member, asked, message):
    server = server_on(member, dual, "fd00:5::9")

    assert addresses(Port.objects.get(device_id=str(server))) == ["fd00:5::9"]
    with pytest.raises(BadNetworkRequest, match=message):
        server_on(member, dual, asked)
    with pytest.raises(BadNetworkRequest, match="already in use"):
        server_on(member, dual, "fd00:5::9")


def test_hosts_have_both_ranges_and_give_what_is_theirs_to_give(
    network, admin, member, monkeypatch
):
    hypervisor = make_hypervisor(installed(monkeypatch))
    add_subnet(network, admin, mode="dhcpv6-stateful", dns_nameservers=["fd00:5::53"])
    server = server_on(member, network)
    wiring.wire_ports(hypervisor=hypervisor, server_id=server)
    leases = wiring.leases_of(server)
    wiring.lease_addresses(hypervisor=hypervisor, leases=leases, hostname="one")

    port = Port.objects.get()
    spec = network_spec(network)
    assert spec.six == links.Ipv6Range(SIX, "fd00:5::1", "dhcpv6-stateful")
    assert (spec.cidr, spec.dns) == ("10.5.0.0/24", ("fd00:5::53",))
    assert [lease.address for lease in leases] == addresses(port)
    name = wiring.libvirt_network_name(network.pk)
    assert {entry.ip for entry in links.dhcp_hosts_on(hypervisor, name)} == set(addresses(port))
    wiring.unwire_ports(hypervisor=hypervisor, facts=[wiring.port_fact(port)])
    assert links.dhcp_hosts_on(hypervisor, name) == []


@pytest.mark.parametrize(
    ("mode", "told"), [(None, "dhcpv6-stateful"), ("slaac", "slaac")], ids=["none", "slaac"]
)
def test_no_entry_is_made_where_nobody_asks_for_it(network, admin, member, mode, told):
    add_subnet(network, admin, mode=mode)
    server = server_on(member, network)

    [lease] = wiring.leases_of(server)

    assert lease.address.startswith("10.5.0.")
    assert network_spec(network).six == links.Ipv6Range(SIX, "fd00:5::1", told)


def test_a_network_of_ipv6_alone_is_one(make_network, admin, member):
    network = make_network(None)
    add_subnet(network, admin)

    server = server_on(member, network)

    assert (network_spec(network).cidr, network_spec(network).gateway) == ("", "")
    [told] = wiring.network_data(server)["networks"]
    assert told["type"] == "ipv6"


def test_the_config_drive_tells_both_families(dual, member):
    server = server_on(member, dual)

    data = wiring.network_data(server)

    four, six = data["networks"]
    assert (four["type"], six["type"]) == ("ipv4", "ipv6")
    assert six["ip_address"] == addresses(Port.objects.get())[1]
    assert six["netmask"] == "ffff:ffff:ffff:ffff::"
    assert six["routes"] == [{"network": "::", "netmask": "::", "gateway": "fd00:5::1"}]
    assert {each["address"] for each in data["services"]} == {"10.5.0.1", "fd00:5::1"}
