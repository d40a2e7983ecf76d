"""Networks of several hosts: joined where they have ports, and nowhere else."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from hypervisors.errors import HostBusy, HostCannot
from hypervisors.libvirt import errors as driver
from hypervisors.look import HostLook
from hypervisors.models import HostState, Hypervisor
from hypervisors.physical_networks import set_physical_network
from networks import wiring
from networks.create import NewNetwork, NewSubnet, create_network, create_subnet
from networks.models import NetworkPlace, NetworkType, Port, PortPlace, PortStatus
from networks.network_places import again, notice, sweep_places
from networks.operations.debts import describe_networks
from networks.provider import Provider
from networks.server_ports import PortOwner, RequestedNetwork, create_server_ports, plan_ports
from operations.engine import run
from operations.models import Operation, OperationState
from tests.hypervisors.fake_host import assert_clean_slate, installed, make_hypervisor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def hosts(monkeypatch):
    return installed(monkeypatch)


@pytest.fixture
def pair(hosts):
    return [
        make_hypervisor(hosts, name=f"host{n}", state=HostState.UP, host_ip=f"10.0.0.{n}")
        for n in (1, 2)
    ]


@pytest.fixture
def make(admin):
    def make(*provider, cidr="10.6.0.0/24", **subnet):
        now = timezone.now()
        wanted = NewNetwork(is_shared=True, provider=Provider(*provider))
        network = create_network(wanted=wanted, actor=admin, now=now)
        wanted_subnet = NewSubnet(str(network.pk), cidr, **subnet)
        create_subnet(wanted=wanted_subnet, actor=admin, now=now)
        return network

    return make


@pytest.fixture
def tunnel(make):
    return make(NetworkType.VXLAN, "", 42)


def server_on(member, *networks):
    requested = [RequestedNetwork(str(network.pk)) for network in networks]
    plan = plan_ports(requested=requested, count=1, actor=member)
    owner = PortOwner(uuid4(), "p1", "nova")
    with transaction.atomic():
        create_server_ports(owner=owner, plan=plan, security_groups=[], now=timezone.now())
    return owner.server_id


def wire(host, server_id):
    return wiring.wire_ports(hypervisor=host, server_id=server_id)


def unwire(host, server_id):
    wiring.unwire_ports(hypervisor=host, facts=wiring.port_facts(server_id))


def settle():
    sweep_places(timezone.now())
    for _ in range(10):
        due = Operation.objects.filter(
            state__in=[OperationState.PENDING, OperationState.RUNNING],
            wake_at__lte=timezone.now(),
        )
        for key in list(due.values_list("pk", flat=True)):
            run(key)


def test_a_host_has_the_network_before_the_guest_starts(hosts, pair, tunnel, member):
    first, _ = pair
    [port] = wire(first, server_on(member, tunnel))

    host = hosts["host1"]
    spec = host.segments[tunnel.pk]
    assert port.network in host.networks
    assert port.mtu == 1450
    assert (spec.number, spec.local, spec.peers) == (42, "10.0.0.1", ())
    assert (spec.own_address, spec.bridge) == ("10.6.0.1", host.networks[port.network].spec.bridge)
    assert hosts["host2"].segments == {}


def test_every_host_with_a_port_floods_to_every_other(hosts, pair, tunnel, member):
    first, second = pair
    servers = [server_on(member, tunnel) for _ in range(2)]
    wire(first, servers[0])
    wire(second, servers[1])

    assert hosts["host2"].floods[tunnel.pk] == {"10.0.0.1"}
    settle()
    assert hosts["host1"].floods[tunnel.pk] == {"10.0.0.2"}

    unwire(second, servers[1])
    settle()
    assert hosts["host1"].floods[tunnel.pk] == set()
    assert hosts["host2"].segments == {}
    assert hosts["host2"].networks == {}
    assert_clean_slate(second)
    assert NetworkPlace.objects.get().hypervisor == first


def test_a_host_keeps_the_network_until_its_last_port_goes(hosts, pair, tunnel, member):
    first, _ = pair
    servers = [server_on(member, tunnel) for _ in range(2)]
    for server in servers:
        wire(first, server)
    unwire(first, servers[0])
    settle()
    assert tunnel.pk in hosts["host1"].segments

    for _ in range(2):
        unwire(first, servers[1])
        settle()
    assert hosts["host1"].segments == {}
    assert not PortPlace.objects.exists()
    assert not NetworkPlace.objects.exists()


def test_who_comes_while_the_network_leaves_waits(hosts, pair, tunnel, member):
    first, _ = pair
    server = server_on(member, tunnel)
    wire(first, server)
    unwire(first, server)

    with pytest.raises(HostBusy, match="letting go"):
        wire(first, server)
    settle()
    wire(first, server)
    settle()
    assert tunnel.pk in hosts["host1"].segments


def test_nothing_is_asked_again_when_all_is_told(hosts, pair, tunnel, member):
    wire(pair[0], server_on(member, tunnel))
    settle()
    calls = list(hosts["host1"].calls)

    settle()

    assert hosts["host1"].calls == calls
    assert not Operation.objects.exclude(state=OperationState.DONE).exists()


def test_a_host_that_was_away_gets_its_wires_again(hosts, pair, tunnel, member):
    first, _ = pair
    wire(first, server_on(member, tunnel))
    settle()

    def look(*, is_up):
        notice(HostLook(first, is_up=is_up, reason="", seen_at=timezone.now()))

    look(is_up=False)
    hosts["host1"].segments.clear()
    look(is_up=True)
    settle()
    assert tunnel.pk in hosts["host1"].segments

    hosts["host1"].segments.clear()
    look(is_up=True)
    settle()
    assert hosts["host1"].segments == {}
    again(timezone.now())
    settle()
    assert tunnel.pk in hosts["host1"].segments


def test_what_a_host_that_is_away_still_has_is_a_debt(hosts, pair, tunnel, member):
    first, second = pair
    servers = [server_on(member, tunnel) for _ in range(2)]
    wire(first, servers[0])
    wire(second, servers[1])
    settle()
    unwire(second, servers[1])
    hosts["host2"].be_down()
    settle()

    owed = Operation.objects.exclude(state=OperationState.DONE).get()
    [debt] = describe_networks([owed.params])
    assert (debt.host, debt.what.split()[0]) == ("host2", "Join")
    assert NetworkPlace.objects.get(hypervisor=second).is_leaving


def test_ports_that_are_no_more_hold_no_network(hosts, pair, tunnel, member):
    wire(pair[0], server_on(member, tunnel))
    settle()
    Port.objects.all().delete()

    again(timezone.now())
    settle()

    assert hosts["host1"].segments == {}


def test_one_network_that_a_host_refuses_holds_up_no_other(hosts, pair, tunnel, make, member):
    first, _ = pair
    set_physical_network(first, "rack", "eth1")
    vlan = make(NetworkType.VLAN, "rack", 7, cidr="10.7.0.0/24")
    wire(first, server_on(member, vlan, tunnel))
    hosts["host1"].interfaces.clear()
    hosts["host1"].floods.clear()
    again(timezone.now())
    settle()

    assert tunnel.pk in hosts["host1"].floods
    assert Operation.objects.exclude(state=OperationState.DONE).exists()


def test_a_vlan_is_on_the_hosts_own_interface(hosts, pair, make, member):
    first, _ = pair
    network = make(NetworkType.VLAN, "rack", 101, dns_nameservers=["9.9.9.9"])
    server = server_on(member, network)
    with pytest.raises(HostCannot, match="not on the physical network"):
        wire(first, server)
    set_physical_network(first, "rack", "eth1")
    [port] = wire(first, server)

    host = hosts["host1"]
    spec, plain = host.segments[network.pk], host.networks[port.network].spec
    assert (spec.kind, spec.parent, spec.number) == ("vlan", "eth1", 101)
    assert spec.own_address == plain.dhcp_address == "10.6.0.254"
    assert (plain.gateway, plain.dns, plain.is_found) == ("10.6.0.1", ("9.9.9.9",), False)
    wiring.lease_addresses(hypervisor=first, leases=wiring.leases_of(server), hostname="one")
    assert len(host.networks[port.network].entries) == 1


def test_a_flat_network_is_the_hosts_own_bridge(hosts, pair, make, member):
    first, _ = pair
    network = make(NetworkType.FLAT, "office", has_dhcp=False)
    set_physical_network(first, "office", "br0")
    server = server_on(member, network)
    [port] = wire(first, server)

    plain = hosts["host1"].networks[port.network].spec
    assert (plain.bridge, plain.is_found) == ("br0", True)
    assert hosts["host1"].segments == {}
    assert wiring.leases_of(server) == []
    data = wiring.network_data(server)
    assert data["services"] == []
    assert data["networks"][0]["ip_address"].startswith("10.6.0.")
    unwire(first, server)
    settle()
    assert hosts["host1"].networks == {}


def test_a_host_that_others_cannot_reach_has_no_tunnels(hosts, pair, tunnel, member):
    first, _ = pair
    Hypervisor.objects.filter(pk=first.pk).update(host_ip="127.0.0.1")
    first.refresh_from_db()
    server = server_on(member, tunnel)

    with pytest.raises(HostCannot, match="no address for tunnels"):
        wire(first, server)
    first.tunnel_address = "192.0.2.1"
    wire(first, server)
    assert hosts["host1"].segments[tunnel.pk].local == "192.0.2.1"


def test_what_a_host_refuses_is_tried_again(hosts, pair, tunnel, member):
    first, _ = pair
    hosts["host1"].fail_on("ensure_segment", driver.Unsupported("The program nft is missing."))

    with pytest.raises(HostCannot):
        wire(first, server_on(member, tunnel))


def test_a_port_that_nobody_noted_is_noted_where_it_is(hosts, pair, tunnel, member):
    wire(pair[0], server_on(member, tunnel))
    Port.objects.update(host="host2", status=PortStatus.ACTIVE)

    again(timezone.now())
    settle()

    assert hosts["host2"].floods[tunnel.pk] == {"10.0.0.1"}
    Port.objects.update(host="gone")
    again(timezone.now())


def test_a_port_that_no_server_has_holds_no_network(hosts, pair, tunnel, member):
    wire(pair[0], server_on(member, tunnel))
    settle()
    Port.objects.update(device_id="")

    again(timezone.now())
    settle()

    assert hosts["host1"].networks == {}
