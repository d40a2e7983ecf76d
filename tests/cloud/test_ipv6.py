"""IPv6 of guests, seen in packets: addresses made and told, who reaches whom, and forgeries."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cloud.conftest import Cloud
from tests.cloud.test_networks import console, says, server

pytestmark = [pytest.mark.lab, pytest.mark.wire]

TOLD = """#!/bin/sh
echo "told: $(cat /run/config-drive/openstack/latest/network_data.json)" >/dev/console
"""
# Tells which address the card makes of what hosts advertise, and whether the other one answers, and
# the gateway to a forged address, whenever that changes.
LOOK = """#!/bin/sh
look() {
    ping6 -c 3 -W 3 GATEWAY >/dev/null && echo "gateway: yes" || echo "gateway: no"
    ip link set eth0 down
    ip -6 addr flush dev eth0
    ip link set eth0 up
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
        made=$(ip -6 -o addr show dev eth0 scope global | sed 's/.*inet6 //; s/ .*//')
        [ -n "$made" ] && break
        sleep 1
    done
    echo "made: $made"
    own=${made%/*}
    ip -6 addr add FORGED/64 dev eth0
    number=0
    while :; do
        ping6 -c 1 -W 1 -I FORGED GATEWAY >/dev/null && may=yes || may=no
        [ "$may" = "$could" ] || echo "forged: $may"
        could=$may
        ping6 -c 1 -W 1 -I $own ADDRESS >/dev/null && now=yes || now=no
        [ "$now" = "$before" ] || { number=$((number + 1)); echo "reach $number: $now"; }
        before=$now
        sleep 1
    done
}
look >/dev/console 2>&1 </dev/null &
"""
FORGED = "fd94:0:0:94:1:1:dead:beef"
FOUR, SIX = "10.94.0.0/24", "fd94:0:0:94::/64"


@pytest.fixture
def dual(empty_cloud: Cloud) -> Iterator[str]:
    """A network with both families, that the project may use."""
    name, admin = f"dual-{uuid.uuid4().hex[:6]}", "cloudportal-admin"

    def run(*words: str) -> str:
        return empty_cloud.portal.openstack(*words, cloud=admin)

    run("network", "create", "--share", name)
    run("subnet", "create", "--network", name, "--subnet-range", FOUR, f"{name}-4")
    run(
        *("subnet", "create", "--network", name, "--ip-version", "6", "--subnet-range", SIX),
        *("--ipv6-ra-mode", "slaac", "--ipv6-address-mode", "slaac", f"{name}-6"),
    )
    yield name
    run("network", "delete", name)


def addresses_of(cloud: Cloud, name: str, network: str) -> tuple[str, str]:
    """The server's address of each family, as the compute API shows them."""
    demo: Any = cloud.portal.connection()
    shown = demo.compute.get_server(demo.compute.find_server(name).id).addresses[network]
    by_version = {each["version"]: each["addr"] for each in shown}
    return by_version[4], by_version[6]


@pytest.mark.long
def test_guests_of_a_dual_stack_network_meet_by_ipv6_alone(empty_cloud, dual, tmp_path):
    portal, host = empty_cloud.portal, empty_cloud.hosts[0]["name"]
    closed = f"closed-{uuid.uuid4().hex[:6]}"
    portal.openstack("security", "group", "create", closed)
    with contextlib.ExitStack() as servers:
        words = ["--security-group", closed]
        target = servers.enter_context(
            server(empty_cloud, host, TOLD, tmp_path, *words, network=dual)
        )
        four, six = addresses_of(empty_cloud, target, dual)
        script = LOOK.replace("ADDRESS", six).replace("GATEWAY", "fd94:0:0:94::1")
        script = script.replace("FORGED", FORGED)
        other = servers.enter_context(server(empty_cloud, host, script, tmp_path, network=dual))
        _, own = addresses_of(empty_cloud, other, dual)

        says(empty_cloud, target, f'"ip_address": "{six}"')
        said = console(empty_cloud, target)
        assert f"address eth0 {four}/24" in said
        assert f"address eth0 {six}/64" in said
        assert '"gateway": "fd94:0:0:94::1"' in said
        says(empty_cloud, other, "reach 1: no")
        said = console(empty_cloud, other)
        assert "gateway: yes" in said
        assert "forged: no" in said
        assert "forged: yes" not in said
        # Made of the advertised prefix and the card: what the port was given.
        assert f"made: {own}/64" in said

        words = ["--ethertype", "IPv6", "--protocol", "ipv6-icmp", "--remote-group", "default"]
        portal.openstack("security", "group", "rule", "create", *words, closed)
        says(empty_cloud, other, "reach 2: yes", within_s=60)

        assert "forged: yes" not in console(empty_cloud, other)
        [port] = portal.openstack_json("port", "list", "--server", other)
        pair = ["--allowed-address", f"ip-address={FORGED}", port["ID"]]
        portal.openstack("port", "set", *pair, cloud="cloudportal-admin")
        says(empty_cloud, other, "forged: yes", within_s=60)
    portal.openstack("security", "group", "delete", closed)
