"""Names and addresses of simulated hosts."""

import ipaddress
from pathlib import Path

import pytest

from lab.commands import LabError
from lab.plan import MOST_HOSTS, LabPlan

SUBNET = ipaddress.IPv4Network("10.99.0.0/24")


def plan(prefix: str = "lab", subnet: ipaddress.IPv4Network = SUBNET) -> LabPlan:
    return LabPlan(prefix, subnet, Path("/state"))


def test_hosts_follow_from_the_prefix_and_the_subnet():
    host = plan().host(1)

    assert host.name == "lab-host-1"
    assert host.address == "10.99.0.11"
    assert plan().host_named("lab-host-1") == host


@pytest.mark.parametrize("prefix", ["a", "lab", "test-of-a-long-name", "x" * 31])
def test_interface_names_fit_into_the_kernel_s_15_characters(prefix):
    lab = plan(prefix)

    assert len(lab.bridge) <= 15
    assert len(lab.host(MOST_HOSTS).outer_link) <= 15


def test_labs_with_long_prefixes_that_begin_alike_stay_apart():
    one, other = plan("test-worker-one"), plan("test-worker-two")

    assert one.bridge != other.bridge
    assert one.host(1).outer_link != other.host(1).outer_link


def test_every_host_has_its_own_identity():
    assert len({plan().host(number).uuid for number in range(1, 6)}) == 5


@pytest.mark.parametrize("name", ["other-host-1", "lab-host-0", "lab-host-1x", "lab-host-", "x"])
def test_a_name_of_no_host_of_the_lab_is_refused(name):
    with pytest.raises(LabError):
        plan().host_named(name)


@pytest.mark.parametrize("prefix", ["", "Lab", "../x", "a b", "1a"])
def test_a_prefix_that_is_no_name_is_refused(prefix):
    with pytest.raises(LabError):
        plan(prefix)


def test_a_host_beyond_the_subnet_is_refused():
    small = plan(subnet=ipaddress.IPv4Network("10.99.0.0/28"))

    assert small.host(4).address == "10.99.0.14"
    with pytest.raises(LabError):
        small.host(5)
