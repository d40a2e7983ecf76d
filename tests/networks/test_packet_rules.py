"""What the rules of groups mean for a port's filter."""

from __future__ import annotations

import pytest
from django.utils import timezone

from hypervisors.links import FilterRule
from networks.create import NewPort, WantedAddress, create_port
from networks.models import Port, SecurityGroup, SecurityGroupRule
from networks.packet_rules import port_filter, port_filters

pytestmark = pytest.mark.django_db


@pytest.fixture
def make_port(member, network):
    def make(**fields):
        wanted = NewPort(network_id=str(fields.pop("network", network).pk), **fields)
        return create_port(wanted=wanted, actor=member, now=timezone.now())

    return make


def address_of(port: Port) -> str:
    return str(port.fixed_ips.get().address)


def test_a_port_alone_in_the_default_group_lets_nobody_in(make_port):
    assert port_filter(make_port()).rules == (FilterRule("out"),)


def test_members_of_the_own_group_on_the_same_network_are_let_in(make_port, make_network):
    port, other = make_port(), make_port()
    make_port(network=make_network("10.6.0.0/24", name="other"))

    rules = port_filter(port).rules

    assert rules is not None
    assert set(rules) == {FilterRule("out"), FilterRule("in", remote=f"{address_of(other)}/32")}


def test_neighbours_make_one_rule(make_port):
    # Not one that is given at random: it may be one of the eight.
    port = make_port(fixed_ips=[WantedAddress(address="10.5.0.9")])
    for last in range(64, 72):
        make_port(fixed_ips=[WantedAddress(address=f"10.5.0.{last}")])

    rules = port_filter(port).rules

    assert rules is not None
    assert FilterRule("in", remote="10.5.0.64/29") in rules


def test_every_kind_of_rule(make_port):
    group = SecurityGroup.objects.create(project_id="p1", name="g")
    for fields in (
        {"protocol": "tcp", "port_range_min": 22, "port_range_max": 25},
        {"protocol": "17", "remote_ip_prefix": "10.0.0.0/8"},
        {"protocol": "icmp", "port_range_min": 8},
        {"protocol": "ah"},
        {"protocol": "tcp", "ethertype": "IPv6"},
        {"direction": "egress", "remote_ip_prefix": "0.0.0.0/0"},
    ):
        SecurityGroupRule.objects.create(
            group=group, **{"direction": "ingress", "ethertype": "IPv4", **fields}
        )

    rules = port_filter(make_port(security_groups=[str(group.pk)])).rules

    assert rules is not None
    assert set(rules) == {
        FilterRule("in", "tcp", (22, 25)),
        FilterRule("in", "udp", None, "10.0.0.0/8"),
        FilterRule("in", "icmp", (8, None)),
        FilterRule("in", "ah"),
        FilterRule("out"),
    }


def test_what_lets_everything_through_needs_no_packet_rules(make_port):
    group = SecurityGroup.objects.create(project_id="p1", name="open")
    for direction in ("ingress", "egress"):
        for family in ("IPv4", "IPv6"):
            SecurityGroupRule.objects.create(group=group, direction=direction, ethertype=family)

    assert port_filter(make_port(security_groups=[str(group.pk)])).rules is None


def test_a_port_without_groups_lets_nothing_through(make_port):
    assert port_filter(make_port(security_groups=[])).rules == ()


def test_a_port_without_port_security_has_no_filtering(make_port, make_network):
    own = make_network("10.6.0.0/24", project_id="p1", is_shared=False)

    assert port_filter(make_port(network=own, has_port_security=False)).is_open


def test_many_filters_take_as_many_queries_as_one(make_port, django_assert_num_queries):
    for _ in range(5):
        make_port()
    ports = list(Port.objects.prefetch_related("fixed_ips"))

    with django_assert_num_queries(4):
        found = port_filters(ports)

    assert len(found) == 5
