"""Cards that are called alike, against the local libvirt, which takes a name once a network."""

import pytest

from hypervisors.libvirt import network

pytestmark = pytest.mark.lab


def test_two_cards_of_one_name_have_their_addresses_each(connection, net):
    prefix = net.gateway.removesuffix("1")
    first, second = "52:54:00:0a:00:21", "52:54:00:0a:00:22"

    for _ in range(2):
        network.ensure_dhcp_host(connection, net.name, first, f"{prefix}61", "web")
        network.ensure_dhcp_host(connection, net.name, second, f"{prefix}62", "web")
    both = network.list_dhcp_hosts(connection, net.name)
    network.remove_dhcp_host(connection, net.name, first)
    network.ensure_dhcp_host(connection, net.name, second, f"{prefix}62", "web")
    left = network.list_dhcp_hosts(connection, net.name)
    network.remove_dhcp_host(connection, net.name, second)

    assert [(each.mac, each.hostname) for each in both] == [(first, "web"), (second, None)]
    assert [(each.mac, each.hostname) for each in left] == [(second, "web")]
