from uuid import uuid4

import pytest

from cloudportal.errors import Invalid
from hypervisors import links
from hypervisors.errors import HostBusy, NotOnHost, TakenOnHost
from hypervisors.libvirt import errors as driver
from hypervisors.links import FilterSpec, NatNetworkSpec
from tests.hypervisors.fake_host import assert_clean_slate

NET = NatNetworkSpec("cp-net", "cpbr0", uuid4(), "10.9.0.0/24", "10.9.0.1")
MAC = "52:54:00:AA:bb:cc"


def test_network_is_made_once(hypervisor, host):
    links.ensure_nat_network(hypervisor, NET)
    links.ensure_nat_network(hypervisor, NET)

    assert links.networks_on(hypervisor) == ["cp-net"]
    links.remove_nat_network(hypervisor, NET.name)
    assert links.networks_on(hypervisor) == []


def test_dhcp_entry_comes_and_goes_with_its_card(hypervisor):
    links.ensure_nat_network(hypervisor, NET)
    for address in ("10.9.0.5", "10.9.0.6"):
        links.ensure_dhcp_host(hypervisor, NET.name, mac=MAC, ip=address, hostname="one")

    entries = links.dhcp_hosts_on(hypervisor, NET.name)

    assert [(each.mac, each.ip) for each in entries] == [(MAC.lower(), "10.9.0.6")]
    links.remove_dhcp_host(hypervisor, NET.name, mac=MAC)
    assert_clean_slate(hypervisor)


def test_address_of_another_card_is_refused(hypervisor):
    links.ensure_nat_network(hypervisor, NET)
    links.ensure_dhcp_host(hypervisor, NET.name, mac=MAC, ip="10.9.0.5", hostname=None)

    with pytest.raises(TakenOnHost):
        links.ensure_dhcp_host(
            hypervisor, NET.name, mac="52:54:00:00:00:01", ip="10.9.0.5", hostname=None
        )


def test_dhcp_of_a_network_that_is_not_there(hypervisor):
    with pytest.raises(NotOnHost):
        links.ensure_dhcp_host(hypervisor, "gone", mac=MAC, ip="10.9.0.5", hostname=None)
    assert links.dhcp_hosts_on(hypervisor, "gone") == []
    links.remove_dhcp_host(hypervisor, "gone", mac=MAC)


def test_filter_is_named_by_its_port(hypervisor):
    port = str(uuid4())

    name = links.ensure_port_filter(hypervisor, FilterSpec(port, MAC, ("10.9.0.5",)))

    assert links.filters_on(hypervisor) == [name]
    links.remove_port_filter(hypervisor, port)
    links.remove_port_filter(hypervisor, port)
    assert links.filters_on(hypervisor) == []


def test_filter_in_use_is_worth_another_try(hypervisor, host):
    host.fail_on("remove_filter", driver.Busy("in use"))

    with pytest.raises(HostBusy) as caught:
        links.remove_port_filter(hypervisor, str(uuid4()))

    assert caught.value.retryable


@pytest.mark.parametrize(
    ("method", "act", "spec"),
    [
        ("ensure_network", links.ensure_nat_network, NET),
        ("ensure_filter", links.ensure_port_filter, FilterSpec("p", MAC, ("x",))),
    ],
)
def test_addresses_that_are_none_are_the_callers_fault(
    hypervisor, host, monkeypatch, method, act, spec
):
    def refuse(spec):
        raise ValueError("not an address")

    monkeypatch.setattr(host, method, refuse)

    with pytest.raises(Invalid, match="not an address"):
        act(hypervisor, spec)
