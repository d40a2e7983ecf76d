"""Interfaces of servers, as rows and on the host; and over HTTP."""

from __future__ import annotations

import pytest
from django.utils import timezone

from hypervisors.libvirt.errors import DriverError
from networks.errors import IpAddressInUse, NetworkNotFound, PortNotFound, RequestedPortInUse
from networks.models import FixedIP, Port, PortStatus, SecurityGroup
from networks.packet_rules import port_filter
from networks.server_ports import RequestedNetwork
from networks.spread import note_rules
from operations.models import UNFINISHED, Operation, OperationState
from servers.errors import InterfaceAttachFailed
from servers.interfaces import attach_interface, detach_interface, finish_attachment
from servers.models import ServerAction
from servers.rewire import add_fixed_ip, inject_network_info, remove_fixed_ip
from tests.authorisation import OWN_PROJECT, actor_named, client_as
from tests.servers.operations.conftest import wake

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def settle():
    """Run all there is to do."""

    def run() -> None:
        for _ in range(20):
            waiting = list(Operation.objects.filter(state__in=UNFINISHED))
            if not waiting:
                return
            for operation in waiting:
                wake(operation)

    return run


def attach(server, **fields):
    return attach_interface(
        server=server,
        wanted=RequestedNetwork(**fields),
        actor=actor_named("member"),
        now=timezone.now(),
    )


def cards(hosts, server) -> list[str]:
    return [card.mac for card in hosts["host1"].guests[server.pk].spec.interfaces]


def test_an_interface_is_attached_and_detached(server, hosts, network, work):
    attachment = attach(server, network_id=str(network.pk), tag="nic2")
    assert work(server.pk).state == OperationState.DONE
    port = finish_attachment(attachment, server=server)
    assert (port.status, port.host, port.tag, port.device_index) == ("ACTIVE", "host1", "nic2", 1)
    assert len(cards(hosts, server)) == 2

    detach_interface(
        server=server, port_id=str(port.pk), actor=actor_named("member"), now=timezone.now()
    )
    assert work(server.pk).state == OperationState.DONE

    assert cards(hosts, server) == [Port.objects.get().mac_address]
    assert list(hosts["host1"].filters) == [str(Port.objects.get().pk)]
    actions = ServerAction.objects.filter(server_id=server.pk).order_by("pk")
    assert [each.action for each in actions][1:] == ["attach_interface", "detach_interface"]


def test_an_attachment_that_fails_gives_the_port_back(server, hosts, network, work):
    hosts["host1"].fail_on("attach_interface", DriverError("odd"))
    attachment = attach(server, network_id=str(network.pk))

    work(server.pk)

    with pytest.raises(InterfaceAttachFailed, match="Failed to attach"):
        finish_attachment(attachment, server=server)
    assert Port.objects.count() == 1
    assert len(cards(hosts, server)) == 1


def test_a_guest_that_keeps_its_card_keeps_its_port(server, hosts, work):
    hosts["host1"].keeps_cards = True
    port = Port.objects.get()

    detach_interface(
        server=server, port_id=str(port.pk), actor=actor_named("member"), now=timezone.now()
    )
    operation = work(server.pk)

    assert operation.state == OperationState.FAILED
    assert cards(hosts, server) == [port.mac_address]
    assert Port.objects.get().device_id == str(server.pk)


def test_a_port_made_beforehand_is_only_unbound(server, network, work):
    port = Port.objects.create(
        network=network, project_id=OWN_PROJECT, mac_address="fa:16:3e:00:00:09"
    )
    FixedIP.objects.create(port=port, subnet=network.subnets.get(), address="10.20.1.9")
    attach(server, port_id=str(port.pk))
    work(server.pk)

    detach_interface(
        server=server, port_id=str(port.pk), actor=actor_named("member"), now=timezone.now()
    )
    work(server.pk)

    port.refresh_from_db()
    assert (port.device_id, port.host, port.status) == ("", "", PortStatus.DOWN)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"network_id": "00000000-0000-4000-8000-00000000dead"}, NetworkNotFound),
        ({"port_id": "00000000-0000-4000-8000-00000000dead"}, PortNotFound),
        ({"port_id": "own"}, RequestedPortInUse),
        ({"network_id": "net", "fixed_ip": "own"}, IpAddressInUse),
    ],
)
def test_what_cannot_be_had_is_refused(server, network, fields, error):
    port = Port.objects.get()
    own = {"port_id": str(port.pk), "fixed_ip": port.fixed_ips.get().address}
    asked = {key: own[key] if value == "own" else value for key, value in fields.items()}
    if asked.get("network_id") == "net":
        asked["network_id"] = str(network.pk)

    with pytest.raises(error):
        attach(server, **asked)

    assert not Operation.objects.filter(kind="server.attach_interface").exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"net_id": "$net", "port_id": "$net"}, 400),
        ({"fixed_ips": [{"ip_address": "10.20.0.9"}]}, 400),
        ({"net_id": "$net", "fixed_ips": [{"ip_address": "10.99.0.9"}]}, 400),
        ({"net_id": "$net", "fixed_ips": []}, 400),
        ({"net_id": "$net", "tag": "a"}, 400),
        ({"net_id": "no-uuid"}, 400),
        ({"port_id": "00000000-0000-4000-8000-00000000dead"}, 404),
    ],
)
def test_bodies_that_are_refused(server, network, body, status):
    sent = {key: str(network.pk) if value == "$net" else value for key, value in body.items()}

    answer = client_as("member").post(
        f"/compute/v2.1/servers/{server.pk}/os-interface",
        {"interfaceAttachment": sent},
        format="json",
    )

    assert answer.status_code == status, answer.json()


def test_interfaces_are_shown_with_their_tags_from_2_70(server):
    path = f"/compute/v2.1/servers/{server.pk}/os-interface"
    port = Port.objects.get()

    [old] = client_as("reader", "2.69").get(path).json()["interfaceAttachments"]
    [new] = client_as("reader", "2.70").get(path).json()["interfaceAttachments"]
    one = client_as("reader", "2.70").get(f"{path}/{port.pk}").json()["interfaceAttachment"]

    assert set(new) - set(old) == {"tag"}
    assert (one, new["tag"]) == (new, None)
    assert (new["port_id"], new["mac_addr"]) == (str(port.pk), port.mac_address)
    assert client_as("reader").get(f"{path}/{network_id(port)}").status_code == 404


def network_id(port: Port) -> str:
    return str(port.network_id)


def test_a_changed_group_changes_the_filter_of_a_server_that_runs(server, hosts, settle):
    settle()
    group = SecurityGroup.objects.get(project_id=OWN_PROJECT)
    group.rules.create(direction="ingress", ethertype="IPv4", protocol="icmp")
    note_rules([group.pk], now=timezone.now())

    settle()

    port = Port.objects.get()
    assert hosts["host1"].filters[str(port.pk)] == port_filter(port)
    assert port.filter_wanted == port.filter_applied > 0


def test_addresses_come_and_go(server, hosts, network, work):
    port, actor, now = Port.objects.get(), actor_named("member"), timezone.now()
    first = port.fixed_ips.get().address

    add_fixed_ip(server=server, network_id=str(network.pk), actor=actor, now=now)
    work(server.pk)
    assert len(hosts["host1"].filters[str(port.pk)].addresses) == 2
    remove_fixed_ip(server=server, address=first, actor=actor, now=now)
    work(server.pk)

    left = port.fixed_ips.get().address
    assert hosts["host1"].filters[str(port.pk)].addresses == (left,)
    [there] = hosts["host1"].networks.values()
    assert [entry.ip for entry in there.entries] == [left]


def test_network_info_is_injected_where_the_host_lost_it(server, hosts, work):
    host = hosts["host1"]
    host.filters.clear()
    [there] = host.networks.values()
    there.entries.clear()

    inject_network_info(server=server, actor=actor_named("admin"), now=timezone.now())
    work(server.pk)

    assert len(host.filters) == len(there.entries) == 1
    assert not ServerAction.objects.filter(action="injectNetworkInfo").exists()
