"""The admin's pages of networks and images show, and change only what nothing relies on."""

import pytest
from django.urls import reverse
from django.utils import timezone

from identity.models import Domain, User
from images.models import Image
from networks.create import NewPort, create_port
from networks.groups import default_group
from networks.models import FloatingIP, FloatingPlace, NetworkPlace, Port, Router
from tests.hypervisors.factories import make_hypervisor


@pytest.fixture
def browser(client, db):
    Domain.objects.get_or_create(id="default", defaults={"name": "Default"})
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def rows(network, member):
    now = timezone.now()
    create_port(wanted=NewPort(str(network.pk), name="one"), actor=member, now=now)
    subnet = network.subnets.get()
    router = Router.objects.create(project_id="p1", name="r", external_network=network)
    floating = FloatingIP.objects.create(
        project_id="p1", network=network, subnet=subnet, address="203.0.113.5"
    )
    place = FloatingPlace.objects.create(
        **{"host": "host1", "address": "203.0.113.5", "fixed_address": "10.5.0.9"},
        **{"cidr": "10.5.0.0/24", "port_id": Port.objects.get().pk, "gateway_ip": "203.0.113.1"},
    )
    return {
        "networks_network": network,
        "networks_subnet": network.subnets.get(),
        "networks_port": Port.objects.get(),
        "networks_securitygroup": default_group("p1", now=now),
        "networks_router": router,
        "networks_floatingip": floating,
        "networks_floatingplace": place,
        "networks_networkplace": NetworkPlace.objects.create(
            network_id=network.pk, hypervisor=make_hypervisor()
        ),
        "images_image": Image.objects.create(name="tiny", owner="p1"),
    }


def test_every_page_shows_and_nothing_is_added_or_deleted_past_the_checks(browser, rows):
    for kind, row in rows.items():
        listed = browser.get(reverse(f"admin:{kind}_changelist"), {"q": str(row.pk)})
        shown = browser.get(reverse(f"admin:{kind}_change", args=[row.pk]))
        added = browser.get(reverse(f"admin:{kind}_add"))
        deleted = browser.get(reverse(f"admin:{kind}_delete", args=[row.pk]))

        codes = [each.status_code for each in (listed, shown, added, deleted)]
        assert codes == [200, 200, 403, 403], kind


def test_port_is_renamed_and_keeps_the_rest(browser, rows):
    port = rows["networks_port"]
    form = {
        "name": "two", "description": "", "mac_address": "x",
        "fixed_ips-TOTAL_FORMS": "0", "fixed_ips-INITIAL_FORMS": "0",
    }  # fmt: skip

    browser.post(reverse("admin:networks_port_change", args=[port.pk]), form)

    mac = port.mac_address
    port.refresh_from_db()
    assert (port.name, port.mac_address) == ("two", mac)
