"""Ports of servers: what may be asked for, and that nothing is left."""

import threading
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone

from networks.create import NewPort, WantedAddress, create_port
from networks.errors import (
    BadNetworkRequest,
    NetworkAmbiguous,
    NoUniqueMatch,
    PortLimitExceeded,
    RequestedPortInUse,
)
from networks.groups import default_group, resolve_security_groups
from networks.models import Port, SecurityGroup
from networks.server_ports import (
    PlannedPort,
    PortOwner,
    RequestedNetwork,
    create_server_ports,
    mark_ports_active,
    mark_ports_down,
    plan_ports,
    ports_of,
    release_server_ports,
)
from quotas.consume import usage
from quotas.models import QuotaLimit
from tests.networks.conftest import actor_with

pytestmark = pytest.mark.django_db


def plan(requested, actor, count=1):
    return plan_ports(requested=requested, count=count, actor=actor)


def build(planned, project_id="p1"):
    """Make the ports of one new server; returns its id and them."""
    owner = PortOwner(uuid4(), project_id, "nova")
    now = timezone.now()
    with transaction.atomic():
        groups = [default_group(project_id, now=now)]
        ports = create_server_ports(owner=owner, plan=planned, security_groups=groups, now=now)
    return owner.server_id, ports


def pre_made(network, actor, **fields):
    wanted = NewPort(str(network.pk), **fields)
    return create_port(wanted=wanted, actor=actor, now=timezone.now())


@pytest.mark.parametrize("requested", [None, [], "auto"])
def test_only_network_is_chosen(network, member, requested):
    assert plan(requested, member) == [PlannedPort(network)]


@pytest.mark.parametrize("requested", [None, [], "auto"])
def test_several_networks_are_ambiguous(make_network, member, requested):
    make_network()
    make_network("10.6.0.0/24", project_id="p1", is_shared=False)

    with pytest.raises(NetworkAmbiguous, match="Multiple possible networks found"):
        plan(requested, member)


def test_foreign_network_is_not_chosen(make_network, member):
    make_network(project_id="p2", is_shared=False)

    assert plan(None, member) == []
    with pytest.raises(BadNetworkRequest, match="Unable to automatically allocate"):
        plan("auto", member)


def test_none_means_no_interface(network, member):
    assert plan("none", member) == []


def test_same_network_twice_makes_two_interfaces(network, member):
    line = RequestedNetwork(str(network.pk))

    assert plan([line, line], member) == [PlannedPort(network)] * 2


@pytest.mark.parametrize(
    ("line", "count", "message"),
    [
        (RequestedNetwork(), 1, "missing 'uuid'"),
        (RequestedNetwork("NET", "PORT", "10.5.0.9"), 1, "cannot be specified together"),
        (RequestedNetwork("NET", None, "10.5.0.9"), 2, "Failed to launch instances"),
        (RequestedNetwork(None, "PORT"), 2, "Failed to launch instances"),
        (RequestedNetwork(str(uuid4())), 1, "could not be found"),
        (RequestedNetwork("no uuid"), 1, "could not be found"),
        (RequestedNetwork(None, str(uuid4())), 1, "could not be found"),
        (RequestedNetwork("NET", None, "10.6.0.9"), 1, "not a valid ip address"),
        (RequestedNetwork("NET", None, "10.5.0.1"), 1, "not a valid ip address"),
        (RequestedNetwork("NET", None, "::1"), 1, "not a valid ip address"),
        (RequestedNetwork("NET", None, "10.5.0.77"), 1, "already in use"),
        (RequestedNetwork("BARE"), 1, "requires a subnet"),
        (RequestedNetwork("FOREIGN"), 1, "could not be found"),
        (RequestedNetwork(None, "FOREIGN PORT"), 1, "could not be found"),
        (RequestedNetwork(None, "BARE PORT"), 1, "requires a FixedIP"),
    ],
)
def test_what_makes_no_sense_is_refused(make_network, member, line, count, message):
    network = make_network()
    names = {
        "NET": network.pk,
        "BARE": make_network(None).pk,
        "FOREIGN": make_network("10.9.0.0/24", project_id="p2", is_shared=False).pk,
        "PORT": pre_made(network, member, fixed_ips=[WantedAddress(None, "10.5.0.77")]).pk,
        "FOREIGN PORT": pre_made(network, actor_with("member", "p2")).pk,
        "BARE PORT": pre_made(network, member, fixed_ips=[]).pk,
    }
    asked = RequestedNetwork(
        str(names.get(line.network_id, line.network_id)) if line.network_id else None,
        str(names.get(line.port_id, line.port_id)) if line.port_id else None,
        line.fixed_ip,
    )

    with pytest.raises(BadNetworkRequest, match=message):
        plan([asked], member, count)


def test_same_port_twice_is_refused(network, member):
    line = RequestedNetwork(None, str(pre_made(network, member).pk))

    with pytest.raises(BadNetworkRequest):
        plan([line, line], member)


def test_administrator_builds_with_ports_of_the_own_project_only(network, member, admin):
    line = RequestedNetwork(None, str(pre_made(network, member).pk))

    with pytest.raises(BadNetworkRequest, match="could not be found"):
        plan([line], admin)


def test_ports_are_made_for_the_server_and_go_with_it(network, member):
    planned = plan([RequestedNetwork(str(network.pk), None, "10.5.0.50", "nic")], member)

    server_id, (port,) = build(planned)
    mark_ports_active(server_id=server_id, host="h1", now=timezone.now())

    port.refresh_from_db()
    assert port.fixed_ips.get().address == "10.5.0.50"
    assert (port.device_id, port.device_owner, port.tag) == (str(server_id), "compute:nova", "nic")
    assert (port.status, port.host) == ("ACTIVE", "h1")
    assert [group.name for group in port.security_groups.all()] == ["default"]
    assert usage("p1")["ports"] == 1
    mark_ports_down(server_id=server_id, now=timezone.now())
    for _ in range(2):
        release_server_ports(server_id=server_id, now=timezone.now())
    assert not Port.objects.exists()
    assert usage("p1")["ports"] == 0


def test_pre_made_port_is_bound_and_then_free_again(network, member):
    port = pre_made(network, member)

    server_id, _ = build(plan([RequestedNetwork(None, str(port.pk))], member))
    with pytest.raises(RequestedPortInUse):
        plan([RequestedNetwork(None, str(port.pk))], member)
    release_server_ports(server_id=server_id, now=timezone.now())

    port.refresh_from_db()
    assert (port.device_id, port.device_owner, port.status) == ("", "", "DOWN")
    assert usage("p1")["ports"] == 1


def test_port_bound_meanwhile_is_refused_and_nothing_is_left(network, member):
    port = pre_made(network, member)
    lines = [RequestedNetwork(str(network.pk)), RequestedNetwork(None, str(port.pk))]
    planned = plan(lines, member)
    build(planned[1:])

    with pytest.raises(RequestedPortInUse):
        build(planned)

    assert Port.objects.count() == 1
    assert usage("p1")["ports"] == 1


def test_address_taken_meanwhile_is_refused(network, member):
    planned = plan([RequestedNetwork(str(network.pk), None, "10.5.0.50")], member)
    build(planned)

    with pytest.raises(BadNetworkRequest, match="already in use"):
        build(planned)


def test_port_quota_is_refused_in_the_compute_apis_words(network, member):
    QuotaLimit.objects.create(project_id="p1", resource="ports", limit=1)
    line = RequestedNetwork(str(network.pk))

    with pytest.raises(PortLimitExceeded, match="Maximum number of ports exceeded"):
        build(plan([line, line], member))

    assert not Port.objects.exists()


def test_interfaces_keep_the_order_that_was_asked_for(network, member):
    lines = [
        RequestedNetwork(str(network.pk)),
        RequestedNetwork(None, str(pre_made(network, member).pk)),
        RequestedNetwork(str(network.pk)),
    ]

    server_id, ports = build(plan(lines, member))

    assert [port.pk for port in ports_of(server_id)] == [port.pk for port in ports]


@pytest.mark.django_db(transaction=True)
def test_of_servers_that_race_for_a_port_one_gets_it(network, member):
    planned = plan([RequestedNetwork(None, str(pre_made(network, member).pk))], member)
    default_group("p1", now=timezone.now())
    barrier = threading.Barrier(5)
    outcomes = []

    def work():
        barrier.wait()
        try:
            build(planned)
            outcomes.append("bound")
        except RequestedPortInUse:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["bound"] + ["refused"] * 4


@pytest.mark.django_db(transaction=True)
def test_default_group_is_made_once_by_however_many(db):
    barrier = threading.Barrier(5)
    found = []

    def work():
        barrier.wait()
        try:
            found.append(default_group("p1", now=timezone.now()).pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 5
    assert len(set(found)) == 1
    assert SecurityGroup.objects.get().rules.count() == 4


def test_groups_are_found_by_name_or_id_each_once():
    now = timezone.now()
    web = SecurityGroup.objects.create(project_id="p1", name="web")
    SecurityGroup.objects.create(project_id="p2", name="foreign")
    default = default_group("p1", now=now)

    assert resolve_security_groups([], "p1", now) == [default]
    assert resolve_security_groups(["web", str(web.pk), "default"], "p1", now) == [web, default]
    with pytest.raises(BadNetworkRequest, match="Unable to find security_group"):
        resolve_security_groups(["foreign"], "p1", now)
    SecurityGroup.objects.create(project_id="p1", name="web")
    with pytest.raises(NoUniqueMatch):
        resolve_security_groups(["web"], "p1", now)
