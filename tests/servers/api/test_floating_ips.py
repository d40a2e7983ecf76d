"""Floating IPs among a server's addresses, and the actions that lead them there, until 2.43."""

import pytest

from networks.models import FixedIP, FloatingIP, Network, Port, Router
from networks.routers import ROUTER_INTERFACE
from tests.authorisation import OWN_PROJECT, client_as

pytestmark = pytest.mark.django_db
ADDRESS = "203.0.113.9"


@pytest.fixture
def floating(network):
    """A floating IP of the project, and a router to the network of its servers."""
    public = Network.objects.create(name="public", project_id="other", is_external=True)
    outside = public.subnets.create(
        project_id="other", cidr="203.0.113.0/24", gateway_ip="203.0.113.1"
    )
    router = Router.objects.create(project_id="other", external_network=public)
    subnet = network.subnets.get()
    port = Port.objects.create(
        network=network,
        project_id="other",
        device_id=str(router.pk),
        device_owner=ROUTER_INTERFACE,
        mac_address="52:54:00:00:00:01",
    )
    FixedIP.objects.create(port=port, subnet=subnet, address=subnet.gateway_ip)
    return FloatingIP.objects.create(
        project_id=OWN_PROJECT, network=public, subnet=outside, address=ADDRESS
    )


def act(server, name, version="2.1", who="member", **value):
    path = f"/compute/v2.1/servers/{server.pk}/action"
    return client_as(who, version).post(path, {name: value})


def addresses(server, version="2.1"):
    shown = client_as("member", version).get(f"/compute/v2.1/servers/{server.pk}").json()
    return shown["server"]["addresses"]["private"]


def message(answer):
    [fault] = answer.json().values()
    return answer.status_code, fault["message"]


def test_a_floating_ip_is_led_to_a_server_and_away(active, floating):
    server = active()
    [fixed] = addresses(server)

    assert act(server, "addFloatingIp", address=ADDRESS).status_code == 202

    floating.refresh_from_db()
    assert floating.fixed_address == fixed["addr"]
    outside = {**fixed, "addr": ADDRESS, "OS-EXT-IPS:type": "floating"}
    assert addresses(server) == [fixed, outside]
    ips = client_as("member").get(f"/compute/v2.1/servers/{server.pk}/ips/private").json()
    assert ips == {"private": [{"version": 4, "addr": each} for each in (fixed["addr"], ADDRESS)]}
    shown = client_as("member").get(f"/compute/v2.1/os-floating-ips/{floating.pk}").json()
    assert shown["floating_ip"]["fixed_ip"] == fixed["addr"]
    assert act(server, "removeFloatingIp", address=ADDRESS).status_code == 202
    assert addresses(server) == [fixed]


def test_what_is_not_there_or_does_not_fit_is_refused(active, floating):
    server = active()
    unknown = act(server, "addFloatingIp", address="203.0.113.77")
    assert message(unknown) == (404, "floating IP not found")
    foreign = act(server, "addFloatingIp", address=ADDRESS, fixed_address="10.99.99.99")
    assert message(foreign) == (400, "Specified fixed address not assigned to instance")
    idle = act(server, "removeFloatingIp", address=ADDRESS)
    assert message(idle) == (
        409,
        f"Floating IP {ADDRESS} is not associated with instance {server.pk}.",
    )
    Router.objects.update(external_network=None)
    status, text = message(act(server, "addFloatingIp", address=ADDRESS))
    assert status == 400
    assert text.startswith(f"Unable to associate floating IP {ADDRESS} to fixed IP")


def test_a_server_without_addresses_has_no_place_for_one(active, floating):
    server = active()
    FixedIP.objects.filter(port__device_id=str(server.pk)).delete()

    refused = act(server, "addFloatingIp", address=ADDRESS)

    assert message(refused) == (400, "No fixed IPs associated to instance")


@pytest.mark.parametrize("name", ["addFloatingIp", "removeFloatingIp"])
def test_the_actions_end_at_2_43(active, floating, name):
    server = active()

    assert act(server, name, version="2.43", address="203.0.113.77").status_code == 404
    assert act(server, name, version="2.44", address=ADDRESS).status_code in (400, 404)
    assert act(server, name, who="reader", address=ADDRESS).status_code == 403


def test_no_server_is_made_on_an_external_network(active, floating):
    flavor, image = "1", active().image_id
    wanted = {
        "name": "web",
        "flavorRef": flavor,
        "imageRef": str(image),
        "networks": [{"uuid": str(floating.network_id)}],
    }

    refused = client_as("member").post("/compute/v2.1/servers", {"server": wanted})

    assert message(refused) == (
        403,
        f"It is not allowed to create an interface on external network {floating.network_id}",
    )
