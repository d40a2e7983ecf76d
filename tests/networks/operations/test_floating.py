"""Floating IPs on hosts: where servers are, whichever way they came there, and nowhere else."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.utils import timezone

from hypervisors.look import HostLook
from hypervisors.models import HostState, Hypervisor
from networks.create import NewNetwork, NewPort, NewSubnet, create_network, create_port
from networks.create import create_subnet as make_subnet
from networks.delete import delete_port
from networks.floating_ips import (
    NewFloatingIP,
    Target,
    create_floating_ip,
    delete_floating_ip,
    disassociate,
)
from networks.floating_places import again, notice, sweep_places, tell_all
from networks.models import FloatingPlace, Port
from networks.operations.debts import describe_floating_ips
from networks.routers import NewRouter, add_interface, create_router
from networks.security_groups import NewRule, create_rule
from networks.server_ports import mark_ports_active, mark_ports_down, release_server_ports
from operations.engine import run
from operations.models import Operation, OperationState
from tests.hypervisors.fake_host import installed, make_hypervisor
from tests.networks.conftest import actor_with

pytestmark = pytest.mark.django_db(transaction=True)
SERVER = UUID("5b3f0a52-4a0d-4a60-9df7-3f1d3c9d2a11")


@pytest.fixture
def hosts(monkeypatch):
    return installed(monkeypatch)


@pytest.fixture
def external(admin):
    now = timezone.now()
    network = create_network(wanted=NewNetwork(is_external=True), actor=admin, now=now)
    make_subnet(wanted=NewSubnet(str(network.pk), "203.0.113.0/24"), actor=admin, now=now)
    return network


@pytest.fixture
def router(admin, external, network):
    now = timezone.now()
    wanted = NewRouter(external_network_id=str(external.pk))
    router = create_router(wanted=wanted, actor=admin, now=now)
    subnet = str(network.subnets.get().pk)
    add_interface(router=router, subnet_id=subnet, port_id=None, actor=admin, now=now)
    return router


@pytest.fixture
def led(hosts, external, router, network):
    """A server's port on host1 that a floating IP leads to."""
    for name in ("host1", "host2"):
        make_hypervisor(hosts, name=name, state=HostState.UP)
    member, now = actor_with("member"), timezone.now()
    port = create_port(wanted=NewPort(str(network.pk)), actor=member, now=now)
    Port.objects.filter(pk=port.pk).update(device_id=SERVER, made_for_server=True)
    wanted = NewFloatingIP(str(external.pk), target=Target(str(port.pk)))
    found = create_floating_ip(wanted=wanted, actor=member, now=now)
    mark_ports_active(server_id=SERVER, host="host1", now=now)
    settle()
    return found


def settle() -> None:
    """Let the timer look, and do what is to be done but for hosts that are away."""
    sweep_places(timezone.now())
    for _ in range(10):
        due = Operation.objects.filter(
            state__in=[OperationState.PENDING, OperationState.RUNNING],
            wake_at__lte=timezone.now(),
        )
        for key in list(due.values_list("pk", flat=True)):
            run(key)


def on(hosts, name):
    host = hosts[name]
    assert set(host.floating) == host.outside
    return {each.address: each.fixed_address for each in host.floating.values()}


def test_the_host_of_the_server_has_it_and_no_other(hosts, led):
    port = Port.objects.get(device_id=SERVER)

    assert on(hosts, "host1") == {led.address: port.fixed_ips.get().address}
    assert on(hosts, "host2") == {}
    told = hosts["host1"].floating[led.address]
    assert (told.cidr, told.gateway, told.uplink) == ("10.5.0.0/24", "203.0.113.1", "")
    assert told.rules is not None
    assert FloatingPlace.objects.get().applied


def test_nothing_is_asked_of_hosts_again_when_all_is_told(hosts, led):
    calls = hosts["host1"].calls.count("apply_floating")

    settle()

    assert hosts["host1"].calls.count("apply_floating") == calls
    assert not Operation.objects.exclude(state=OperationState.DONE).exists()


def test_it_follows_its_server_and_is_never_on_two_hosts_that_answer(hosts, led):
    seen = []
    real = type(hosts["host2"]).apply_floating

    def watched(host, wanted, leaving):
        refused = real(host, wanted, leaving)
        seen.append((set(hosts["host1"].outside), set(hosts["host2"].outside)))
        return refused

    for name in ("host1", "host2"):
        hosts[name].apply_floating = watched.__get__(hosts[name])

    mark_ports_active(server_id=SERVER, host="host2", now=timezone.now())
    settle()

    assert seen == [(set(), set()), (set(), {led.address})]


def test_a_host_that_is_down_is_not_waited_for_and_forgets_when_it_is_back(hosts, led):
    hosts["host1"].is_down = True
    Hypervisor.objects.filter(name="host1").update(state=HostState.DOWN)
    mark_ports_active(server_id=SERVER, host="host2", now=timezone.now())
    settle()
    assert set(on(hosts, "host2")) == {led.address}
    assert hosts["host1"].outside == {led.address}

    hosts["host1"].is_down = False
    Operation.objects.update(wake_at=timezone.now())
    settle()

    assert on(hosts, "host1") == {}
    assert set(on(hosts, "host2")) == {led.address}


@pytest.mark.parametrize("what", ["disassociate", "delete", "release", "down"])
def test_it_leaves_the_host(hosts, led, what):
    member, now = actor_with("member"), timezone.now()
    match what:
        case "disassociate":
            disassociate(floating_ip=led, actor=member, now=now)
        case "delete":
            delete_floating_ip(floating_ip=led, actor=member, now=now)
        case "release":
            release_server_ports(server_id=SERVER, now=now)
        case _:
            mark_ports_down(server_id=SERVER, now=now)

    settle()

    assert on(hosts, "host1") == {}
    assert not FloatingPlace.objects.exists()


def test_a_port_that_only_lost_its_server_keeps_its_floating_ip(hosts, led):
    Port.objects.filter(device_id=SERVER).update(made_for_server=False)

    release_server_ports(server_id=SERVER, now=timezone.now())
    settle()

    led.refresh_from_db()
    assert led.port is not None
    assert on(hosts, "host1") == {}
    port, member = led.port, actor_with("member")
    delete_port(port=port, actor=member, now=timezone.now())
    led.refresh_from_db()
    assert led.port is None


def test_changed_rules_reach_the_host(hosts, led):
    port = Port.objects.get(device_id=SERVER)
    group = port.security_groups.get()
    before = hosts["host1"].floating[led.address].rules
    wanted = NewRule(group_id=str(group.pk), direction="ingress", protocol="icmp")

    create_rule(wanted=wanted, actor=actor_with("member"), now=timezone.now())
    settle()

    after = hosts["host1"].floating[led.address].rules
    assert {each.protocol for each in set(after) - set(before)} == {"icmp"}


def test_a_host_that_was_away_is_told_again(hosts, led):
    hypervisor = Hypervisor.objects.get(name="host1")
    notice(HostLook(hypervisor, False, "away", timezone.now()))
    hosts["host1"].floating = {}

    notice(HostLook(hypervisor, True, "", timezone.now()))
    settle()

    assert set(on(hosts, "host1")) == {led.address}


def test_all_hosts_are_told_again_from_time_to_time(hosts, led):
    hosts["host1"].floating = {}

    again(timezone.now())
    settle()

    assert set(on(hosts, "host1")) == {led.address}


def test_a_host_without_the_interface_owes_it(hosts, led, external):
    external.physical_network = "br-none"
    external.save()
    FloatingPlace.objects.update(physical_network="br-none", wanted=5)

    settle()

    operation = Operation.objects.filter(kind="network.apply_floating_ips").latest("created_at")
    assert operation.state not in (OperationState.DONE, OperationState.FAILED)
    assert on(hosts, "host1") == {}
    [facts] = describe_floating_ips([operation.params])
    assert facts.host == "host1"


def test_what_a_forgotten_host_had_is_forgotten(hosts, led):
    Port.objects.filter(device_id=SERVER).update(host="")
    Hypervisor.objects.filter(name="host1").delete()

    settle()

    assert not FloatingPlace.objects.exists()


def test_hosts_may_be_told_of_having_none(hosts):
    make_hypervisor(hosts, name="host1", state=HostState.UP)
    hosts["host1"].floating = {"203.0.113.9": None}

    tell_all(now=timezone.now())
    settle()

    assert hosts["host1"].floating == {}
