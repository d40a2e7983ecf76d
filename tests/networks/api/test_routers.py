"""Routers and floating IPs over the API: what joins what, and what is refused."""

import uuid

import pytest
from django.utils import timezone

from hypervisors.models import Hypervisor
from networks.create import NewNetwork, NewPort, NewSubnet, create_network, create_port
from networks.create import create_subnet as make_subnet
from networks.models import FloatingIP, FloatingPlace, Port, Router
from operations.models import Operation
from quotas.consume import usage
from quotas.models import QuotaLimit
from tests.networks.conftest import actor_with

pytestmark = pytest.mark.django_db
V2 = "/network/v2.0"
NOBODY = "6b0d4c3e-4d5e-4d64-a7e1-0d1c8c7d5f11"


def post(client, plural, **fields):
    return client.post(f"{V2}/{plural}", {plural[:-1]: fields}, format="json")


def put(client, path, envelope="", /, **fields):
    return client.put(f"{V2}/{path}", {envelope: fields} if envelope else fields, format="json")


def error_of(response):
    return response.status_code, response.json()["NeutronError"]["type"]


@pytest.fixture
def external(admin):
    now = timezone.now()
    wanted = NewNetwork(name="public", is_external=True)
    network = create_network(wanted=wanted, actor=admin, now=now)
    make_subnet(
        wanted=NewSubnet(
            str(network.pk), "203.0.113.0/29", allocation_pools=[["203.0.113.2", "203.0.113.3"]]
        ),
        actor=admin,
        now=now,
    )
    return network


@pytest.fixture
def port(network, member):
    return create_port(wanted=NewPort(str(network.pk)), actor=member, now=timezone.now())


@pytest.fixture
def client(client_for, member):
    return client_for(member)


@pytest.fixture
def router(client_for, admin, external, network):
    """An administrator's router between the shared network and the external one."""
    client = client_for(admin)
    gateway = {"network_id": str(external.pk)}
    router = post(client, "routers", name="r", external_gateway_info=gateway).json()["router"]
    subnet = str(network.subnets.get().pk)
    assert put(client, f"routers/{router['id']}/add_router_interface", subnet_id=subnet)
    return Router.objects.get(pk=router["id"])


def take(client, external, **fields):
    return post(client, "floatingips", floating_network_id=str(external.pk), **fields)


def test_external_networks_are_made_by_administrators_and_seen_by_all(client_for, client, admin):
    wanted = {"router:external": True, "name": "x", "provider:physical_network": "br-ex"}

    made = post(client_for(admin), "networks", **wanted)
    refused = post(client, "networks", **wanted)

    assert made.status_code == 201
    assert made.json()["network"]["provider:network_type"] == "flat"
    assert made.json()["network"]["provider:physical_network"] == "br-ex"
    assert refused.status_code == 403
    [seen] = client.get(f"{V2}/networks?router:external=True").json()["networks"]
    assert seen["name"] == "x"
    assert "provider:physical_network" not in seen


@pytest.mark.parametrize(
    "fields",
    [
        {"provider:physical_network": "eth0"},
        {"provider:network_type": "flat"},
        {"router:external": True, "provider:network_type": "local"},
        {"router:external": True, "provider:physical_network": "eth0; reboot"},
    ],
)
def test_what_a_network_lies_on_must_fit(client_for, admin, fields):
    assert post(client_for(admin), "networks", **fields).status_code == 400


def test_nothing_is_plugged_into_an_external_network(client, external):
    refused = post(client, "ports", network_id=str(external.pk))

    assert error_of(refused) == (400, "InvalidInput")


def test_a_router_is_made_changed_and_deleted(client, external):
    made = post(client, "routers", name="r", admin_state_up=True)
    router = made.json()["router"]
    assert made.status_code == 201
    assert router["external_gateway_info"] is None
    assert usage("p1")["routers"] == 1

    gateway = {"network_id": str(external.pk)}
    changed = put(client, f"routers/{router['id']}", "router", external_gateway_info=gateway)
    assert changed.json()["router"]["external_gateway_info"] == {
        "network_id": str(external.pk),
        "enable_snat": True,
        "external_fixed_ips": [],
    }
    cleared = put(client, f"routers/{router['id']}", "router", name="s", external_gateway_info={})
    assert cleared.json()["router"]["name"] == "s"
    assert cleared.json()["router"]["external_gateway_info"] is None
    assert client.delete(f"{V2}/routers/{router['id']}").status_code == 204
    assert usage("p1")["routers"] == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"distributed": True},
        {"ha": True},
        {"admin_state_up": False},
        {"external_gateway_info": {"enable_snat": False}},
        {"external_gateway_info": {"external_fixed_ips": [{"ip_address": "203.0.113.2"}]}},
        {"routes": [{"destination": "10.0.0.0/8", "nexthop": "10.5.0.9"}]},
        {"flavor_id": NOBODY},
    ],
)
def test_what_a_router_cannot_do_here_is_refused(client, fields):
    assert post(client, "routers", **fields).status_code == 400


def test_a_router_goes_out_by_external_networks_only(client, network):
    gateway = {"network_id": str(network.pk)}

    assert error_of(post(client, "routers", external_gateway_info=gateway)) == (400, "BadRequest")
    gateway = {"network_id": NOBODY}
    found = post(client, "routers", external_gateway_info=gateway)
    assert error_of(found) == (404, "NetworkNotFound")


def test_routers_have_a_quota(client):
    QuotaLimit.objects.create(project_id="p1", resource="routers", limit=1)
    assert post(client, "routers").status_code == 201

    refused = post(client, "routers")

    assert error_of(refused) == (409, "OverQuota")
    assert "['router']" in refused.json()["NeutronError"]["message"]


def test_the_interface_is_the_gateway_of_the_subnet(client_for, client, admin, make_network):
    network = make_network(project_id="p1", is_shared=False)
    subnet = network.subnets.get()
    router = post(client, "routers").json()["router"]["id"]

    added = put(client, f"routers/{router}/add_router_interface", subnet_id=str(subnet.pk))

    assert added.status_code == 200
    found = added.json()
    assert found["id"] == router
    assert found["subnet_ids"] == [found["subnet_id"]] == [str(subnet.pk)]
    port = client.get(f"{V2}/ports/{found['port_id']}").json()["port"]
    assert port["device_id"] == router
    assert port["device_owner"] == "network:router_interface"
    assert port["fixed_ips"] == [{"subnet_id": str(subnet.pk), "ip_address": subnet.gateway_ip}]
    refused = client.delete(f"{V2}/ports/{found['port_id']}")
    assert error_of(refused) == (409, "PortInUse")
    assert "network:router_interface" in refused.json()["NeutronError"]["message"]
    again = put(client, f"routers/{router}/add_router_interface", subnet_id=str(subnet.pk))
    assert error_of(again) == (400, "BadRequest")
    other = post(client, "routers").json()["router"]["id"]
    taken = put(client, f"routers/{other}/add_router_interface", subnet_id=str(subnet.pk))
    assert error_of(taken) == (409, "IpAddressInUse")
    assert error_of(client.delete(f"{V2}/routers/{router}")) == (409, "RouterInUse")
    wrong = put(client, f"routers/{other}/remove_router_interface", subnet_id=str(subnet.pk))
    assert error_of(wrong) == (404, "RouterInterfaceNotFoundForSubnet")
    gone = put(client, f"routers/{router}/remove_router_interface", port_id=found["port_id"])
    assert gone.status_code == 200
    assert gone.json() == found
    wrong = put(client, f"routers/{router}/remove_router_interface", port_id=found["port_id"])
    assert error_of(wrong) == (404, "RouterInterfaceNotFound")
    assert usage("p1")["ports"] == 0
    assert client.delete(f"{V2}/routers/{router}").status_code == 204


def test_a_foreign_network_is_joined_by_administrators_only(client, network):
    router = post(client, "routers").json()["router"]["id"]
    subnet = str(network.subnets.get().pk)

    refused = put(client, f"routers/{router}/add_router_interface", subnet_id=subnet)

    assert error_of(refused) == (400, "BadRequest")
    assert "not owned by project" in refused.json()["NeutronError"]["message"]


def test_interfaces_that_make_no_sense_are_refused(client, external, port):
    router = post(client, "routers").json()["router"]["id"]
    path = f"routers/{router}/add_router_interface"

    assert error_of(put(client, path)) == (400, "BadRequest")
    assert error_of(put(client, path, port_id=str(port.pk))) == (400, "BadRequest")
    both = put(client, path, port_id=str(port.pk), subnet_id=NOBODY)
    assert error_of(both) == (400, "BadRequest")
    assert error_of(put(client, path, subnet_id=NOBODY)) == (404, "SubnetNotFound")
    outside = put(client, path, subnet_id=str(external.subnets.get().pk))
    assert error_of(outside) == (400, "BadRequest")


def test_routers_of_others_are_not_there(client_for, router):
    stranger = client_for(actor_with("member", "p2"))

    assert stranger.get(f"{V2}/routers").json() == {"routers": []}
    for answer in (
        stranger.get(f"{V2}/routers/{router.pk}"),
        stranger.delete(f"{V2}/routers/{router.pk}"),
        put(stranger, f"routers/{router.pk}", "router", name="x"),
        put(stranger, f"routers/{router.pk}/add_router_interface", subnet_id=NOBODY),
    ):
        assert error_of(answer) == (404, "RouterNotFound")


def test_readers_change_nothing(client_for, external, router):
    reader = client_for(actor_with("reader"))

    assert post(reader, "routers").status_code == 403
    assert take(reader, external).status_code == 403
    assert reader.get(f"{V2}/floatingips").status_code == 200


def test_a_floating_ip_comes_leads_to_a_port_and_goes(client, external, router, port):
    made = take(client, external, description="mine")
    found = made.json()["floatingip"]
    assert made.status_code == 201
    assert found["floating_ip_address"] in {"203.0.113.2", "203.0.113.3"}
    assert (found["status"], found["port_id"], found["router_id"]) == ("DOWN", None, None)
    assert usage("p1")["floating_ips"] == 1

    path = f"floatingips/{found['id']}"
    led = put(client, path, "floatingip", port_id=str(port.pk)).json()["floatingip"]
    assert led["fixed_ip_address"] == port.fixed_ips.get().address
    assert led["router_id"] == str(router.pk)
    assert led["port_details"]["network_id"] == str(port.network_id)
    listed = client.get(f"{V2}/floatingips?port_id={port.pk}&fields=id").json()["floatingips"]
    assert listed == [{"id": found["id"]}]

    let_go = put(client, path, "floatingip", port_id=None).json()["floatingip"]
    assert (let_go["port_id"], let_go["fixed_ip_address"]) == (None, None)
    assert client.delete(f"{V2}/{path}").status_code == 204
    assert error_of(client.get(f"{V2}/{path}")) == (404, "FloatingIPNotFound")
    assert usage("p1")["floating_ips"] == 0


def test_a_floating_ip_is_active_where_its_host_has_it(client, external, router, port):
    found = take(client, external, port_id=str(port.pk)).json()["floatingip"]
    assert found["status"] == "DOWN"
    Port.objects.filter(pk=port.pk).update(host="h1", status="ACTIVE")
    FloatingPlace.objects.create(
        host="h1",
        address=found["floating_ip_address"],
        fixed_address=found["fixed_ip_address"],
        cidr="10.5.0.0/24",
        port_id=port.pk,
        gateway_ip="203.0.113.1",
        applied=1,
    )

    assert client.get(f"{V2}/floatingips/{found['id']}").json()["floatingip"]["status"] == "ACTIVE"
    assert len(client.get(f"{V2}/floatingips?status=ACTIVE").json()["floatingips"]) == 1
    assert client.get(f"{V2}/floatingips?status=DOWN").json()["floatingips"] == []


def test_no_address_is_had_twice_and_the_pool_ends(client, client_for, admin, external):
    first = take(client_for(admin), external, floating_ip_address="203.0.113.2")
    taken = take(client_for(admin), external, floating_ip_address="203.0.113.2")
    assert first.status_code == 201
    assert error_of(taken) == (409, "IpAddressInUse")
    gateway = take(client_for(admin), external, floating_ip_address="203.0.113.1")
    assert error_of(gateway) == (400, "InvalidIpForNetwork")
    chosen = take(client, external, floating_ip_address="203.0.113.3")
    assert chosen.status_code == 403

    assert take(client, external).status_code == 201

    assert error_of(take(client, external)) == (409, "IpAddressGenerationFailure")
    assert FloatingIP.objects.count() == 2


def test_floating_ips_have_a_quota(client, external):
    QuotaLimit.objects.create(project_id="p1", resource="floating_ips", limit=1)
    assert take(client, external).status_code == 201

    refused = take(client, external)

    assert error_of(refused) == (409, "OverQuota")
    assert "['floatingip']" in refused.json()["NeutronError"]["message"]


def test_without_a_router_between_nothing_can_be_led(client, external, port):
    refused = take(client, external, port_id=str(port.pk))

    assert error_of(refused) == (404, "ExternalGatewayForFloatingIPNotFound")
    assert not FloatingIP.objects.exists()
    assert usage("p1")["floating_ips"] == 0


def test_a_fixed_address_has_one_floating_ip_of_a_network(client, external, router, port):
    assert take(client, external, port_id=str(port.pk)).status_code == 201

    refused = take(client, external, port_id=str(port.pk))

    assert error_of(refused) == (409, "FloatingIPPortAlreadyAssociated")


def test_what_cannot_be_led_to_is_refused(client, client_for, admin, external, router, network):
    now = timezone.now()
    foreign = create_port(wanted=NewPort(str(network.pk)), actor=admin, now=now)
    bare = create_port(
        wanted=NewPort(str(network.pk), fixed_ips=[]), actor=actor_with("member"), now=now
    )

    assert error_of(take(client, network)) == (400, "BadRequest")
    assert error_of(take(client, external, port_id=str(foreign.pk))) == (404, "PortNotFound")
    assert error_of(take(client, external, port_id=str(bare.pk))) == (400, "BadRequest")
    alone = take(client, external, fixed_ip_address="10.5.0.9")
    assert error_of(alone) == (400, "BadRequest")
    inner = Port.objects.get(device_owner="network:router_interface")
    refused = take(client_for(admin), external, port_id=str(inner.pk))
    assert error_of(refused) == (400, "BadRequest")


def test_a_router_keeps_what_floating_ips_need(client, client_for, admin, external, router, port):
    take(client, external, port_id=str(port.pk))
    boss = client_for(admin)
    subnet = str(port.fixed_ips.get().subnet_id)

    removed = put(boss, f"routers/{router.pk}/remove_router_interface", subnet_id=subnet)
    cleared = put(boss, f"routers/{router.pk}", "router", external_gateway_info=None)

    assert error_of(removed) == (409, "RouterInterfaceInUseByFloatingIP")
    assert error_of(cleared) == (409, "RouterExternalGatewayInUseByFloatingIp")


def test_a_network_stays_while_it_is_needed(client, client_for, admin, external, network, router):
    boss = client_for(admin)

    assert error_of(boss.delete(f"{V2}/networks/{external.pk}")) == (409, "NetworkInUse")
    assert error_of(boss.delete(f"{V2}/networks/{network.pk}")) == (409, "NetworkInUse")
    Router.objects.update(external_network=None)
    take(client, external)
    assert error_of(boss.delete(f"{V2}/networks/{external.pk}")) == (409, "NetworkInUse")
    subnet = external.subnets.get()
    assert error_of(boss.delete(f"{V2}/subnets/{subnet.pk}")) == (409, "SubnetInUse")


def test_a_deleted_port_leaves_its_floating_ip_with_the_project(client, external, router, port):
    found = take(client, external, port_id=str(port.pk)).json()["floatingip"]

    assert client.delete(f"{V2}/ports/{port.pk}").status_code == 204

    shown = client.get(f"{V2}/floatingips/{found['id']}").json()["floatingip"]
    assert (shown["port_id"], shown["router_id"], shown["status"]) == (None, None, "DOWN")


def test_floating_ips_of_others_are_not_there(client_for, client, external):
    found = take(client, external).json()["floatingip"]
    stranger = client_for(actor_with("member", "p2"))

    assert stranger.get(f"{V2}/floatingips").json() == {"floatingips": []}
    gone = stranger.delete(f"{V2}/floatingips/{found['id']}")
    assert error_of(gone) == (404, "FloatingIPNotFound")


def test_lists_take_a_constant_number_of_queries(
    client, external, router, network, member, django_assert_num_queries
):
    ports = [
        create_port(wanted=NewPort(str(network.pk)), actor=member, now=timezone.now())
        for _ in range(2)
    ]
    for each in ports:
        take(client, external, port_id=str(each.pk))

    with django_assert_num_queries(2):
        assert len(client.get(f"{V2}/floatingips").json()["floatingips"]) == 2


def test_what_leads_to_a_port_is_asked_of_the_hosts(client, external, router, port):
    Hypervisor.objects.create(name="h1", uri=f"test:///{uuid.uuid4()}")

    take(client, external, port_id=str(port.pk))

    assert [each.kind for each in Operation.objects.all()] == ["network.place_floating_ips"]
