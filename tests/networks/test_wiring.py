"""Ports on hosts: made once, found again without their rows, gone without a trace."""

from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from hypervisors import links
from networks import wiring
from networks.models import Port
from networks.server_ports import (
    PortOwner,
    RequestedNetwork,
    create_server_ports,
    plan_ports,
    release_server_ports,
)
from networks.wiring import NetworkWithoutSubnet, WiredPort
from tests.hypervisors.fake_host import assert_clean_slate, installed, make_hypervisor

pytestmark = pytest.mark.django_db


@pytest.fixture
def hypervisor(db, monkeypatch):
    return make_hypervisor(installed(monkeypatch))


def server_on(member, *networks):
    """A new server's id; it has a port on each of the networks."""
    requested = [RequestedNetwork(str(network.pk)) for network in networks]
    plan = plan_ports(requested=requested, count=1, actor=member)
    owner = PortOwner(uuid4(), "p1", "nova")
    with transaction.atomic():
        create_server_ports(owner=owner, plan=plan, security_groups=[], now=timezone.now())
    return owner.server_id


def wire(hypervisor, server_id):
    wired = wiring.wire_ports(hypervisor=hypervisor, server_id=server_id)
    leases = wiring.leases_of(server_id)
    wiring.lease_addresses(hypervisor=hypervisor, leases=leases, hostname="one")
    return wired


def test_wiring_twice_makes_everything_once(hypervisor, network, member):
    server_id = server_on(member, network)

    first, second = (wire(hypervisor, server_id) for _ in range(2))

    port = Port.objects.get()
    name = wiring.libvirt_network_name(network.pk)
    assert first == second
    assert first == [
        WiredPort(str(port.pk), port.mac_address, name, links.filter_name(str(port.pk)), 1500)
    ]
    assert links.networks_on(hypervisor) == [name]
    entries = [(each.mac, each.ip, each.hostname) for each in links.dhcp_hosts_on(hypervisor, name)]
    assert entries == [(port.mac_address, port.fixed_ips.get().address, "one")]
    assert links.filters_on(hypervisor) == [first[0].filter_name]


def test_unwiring_works_from_facts_when_the_rows_are_gone(hypervisor, network, member):
    server_id = server_on(member, network, network)
    wire(hypervisor, server_id)
    facts = wiring.port_facts(server_id)
    release_server_ports(server_id=server_id, now=timezone.now())

    for _ in range(2):
        wiring.unwire_ports(hypervisor=hypervisor, facts=facts)

    assert len(facts) == 2
    assert_clean_slate(hypervisor)


def test_unwiring_what_was_never_wired_is_fine(hypervisor, network, member):
    wiring.unwire_ports(hypervisor=hypervisor, facts=wiring.port_facts(server_on(member, network)))

    assert_clean_slate(hypervisor)


def test_subnet_without_dhcp_gives_no_entry_but_is_filtered(hypervisor, make_network, member):
    network = make_network(has_dhcp=False)

    wire(hypervisor, server_on(member, network))

    assert links.dhcp_hosts_on(hypervisor, wiring.libvirt_network_name(network.pk)) == []
    assert len(links.filters_on(hypervisor)) == 1


def test_network_that_lost_its_subnet_cannot_be_made(hypervisor, network, member):
    server_id = server_on(member, network)
    port = Port.objects.get()
    port.fixed_ips.all().delete()
    network.subnets.all().delete()

    with pytest.raises(NetworkWithoutSubnet):
        wiring.wire_ports(hypervisor=hypervisor, server_id=server_id)


def test_wired_port_survives_the_operations_json():
    wired = WiredPort("p", "fa:16:3e:00:00:01", "cp-x", "cp-port-p", 1400)

    assert WiredPort.from_json(wired.to_json()) == wired


@given(st.uuids())
def test_names_on_hosts_fit_the_kernels_limit(network_id: UUID):
    assert len(wiring.bridge_name(network_id)) <= 15
    assert wiring.libvirt_network_name(network_id) == f"cp-{network_id.hex[:11]}"


def test_config_drive_tells_links_addresses_routes_and_name_servers(make_network, member):
    network = make_network("10.5.0.0/23", dns_nameservers=["9.9.9.9"])
    server_id = server_on(member, network)

    data = wiring.network_data(server_id)

    port = Port.objects.get()
    link_id = f"tap{port.pk}"[:14]
    dns = {"type": "dns", "address": "9.9.9.9"}
    assert data == {
        "links": [
            {
                "id": link_id,
                "vif_id": str(port.pk),
                "type": "bridge",
                "mtu": 1500,
                "ethernet_mac_address": port.mac_address,
            }
        ],
        "networks": [
            {
                "id": "network0",
                "type": "ipv4",
                "link": link_id,
                "network_id": str(network.pk),
                "ip_address": port.fixed_ips.get().address,
                "netmask": "255.255.254.0",
                "routes": [{"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.5.0.1"}],
                "services": [dns],
            }
        ],
        "services": [dns],
    }


def test_without_name_servers_the_gateway_is_one(network, member):
    data = wiring.network_data(server_on(member, network))

    assert data["services"] == [{"type": "dns", "address": "10.5.0.1"}]
