"""Interfaces that come and go while servers run, and security groups, seen in packets."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator

import pytest

from tests.cloud import hosts
from tests.cloud.conftest import Cloud
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]

# Asks for an address for every card that comes, and tells which cards there are.
CARDS = """#!/bin/sh
watch_cards() {
    while :; do
        for path in /sys/class/net/eth*; do
            name=${path##*/}
            [ -e "$path" ] || continue
            ip -4 addr show dev "$name" | grep -q inet && continue
            ip link set "$name" up
            udhcpc -i "$name" -n -q -t 3 -T 1 -A 1 -s /usr/lib/tiny/dhcp
        done
        now=$(cat /sys/class/net/eth*/address | sort | tr '\\n' ' ')
        [ "$now" = "$before" ] || echo "cards: $now"
        before=$now
        sleep 1
    done
}
watch_cards >/dev/console 2>&1 </dev/null &
"""


# Tells whether an address answers, whenever that changes; and what a forged address can do.
REACH = """#!/bin/sh
look() {
    own=$(ip -4 -o addr show dev eth0 | awk '{sub("/.*", "", $4); print $4; exit}')
    ping -c 1 -W 2 GATEWAY >/dev/null && echo "gateway: yes" || echo "gateway: no"
    forged=${own%.*}.251
    ip addr add $forged/24 dev eth0
    ping -c 1 -W 2 -I $forged GATEWAY >/dev/null && echo "forged: yes" || echo "forged: no"
    ip addr del $forged/24 dev eth0
    number=0
    while :; do
        ping -c 1 -W 1 ADDRESS >/dev/null && now=yes || now=no
        [ "$now" = "$before" ] || { number=$((number + 1)); echo "reach $number: $now"; }
        before=$now
        sleep 1
    done
}
look >/dev/console 2>&1 </dev/null &
"""


@pytest.fixture
def lan(empty_cloud: Cloud) -> Iterator[str]:
    """A second network that the project may use."""
    portal, name = empty_cloud.portal, f"lan-{uuid.uuid4().hex[:6]}"
    admin = "cloudportal-admin"
    portal.openstack("network", "create", "--share", name, cloud=admin)
    words = ("--network", name, "--subnet-range", "10.93.0.0/24")
    portal.openstack("subnet", "create", *words, name, cloud=admin)
    yield name
    portal.openstack("network", "delete", name, cloud=admin)


@contextlib.contextmanager
def server(
    cloud: Cloud, host: str, script: str, tmp_path, *words: str, network: str = "default"
) -> Iterator[str]:
    """A server on that host that runs the script, until it is deleted."""
    name = f"net-{uuid.uuid4().hex[:6]}"
    path = tmp_path / f"{name}.sh"
    path.write_text(script)
    with hosts.only(cloud, host):
        cloud.portal.openstack(
            *("server", "create", "--image", "tiny", "--flavor", "m1.tiny", "--wait"),
            *("--network", network, "--user-data", str(path), "--config-drive", "true"),
            *(*words, name),
        )
    yield name
    cloud.portal.openstack("server", "delete", "--wait", name)


def console(cloud: Cloud, name: str) -> str:
    return cloud.portal.openstack("console", "log", "show", name)


def says(cloud: Cloud, name: str, words: str, within_s: float = 240) -> None:
    eventually(
        lambda: words in console(cloud, name), within_s=within_s, what=f"{name} says {words}"
    )


@pytest.mark.long
def test_interfaces_come_and_go_while_a_server_runs(empty_cloud, lan, tmp_path):
    portal, host = empty_cloud.portal, empty_cloud.hosts[0]["name"]
    with server(empty_cloud, host, CARDS, tmp_path) as name:
        says(empty_cloud, name, "cards: ")

        portal.openstack("server", "add", "network", name, lan)
        port = next(
            each
            for each in portal.openstack_json("port", "list", "--server", name, "--long")
            if "10.93.0." in str(each["Fixed IP Addresses"])
        )
        assert port["Status"] == "ACTIVE"
        says(empty_cloud, name, port["MAC Address"])
        address = port["Fixed IP Addresses"][0]["ip_address"]
        says(empty_cloud, name, f"address eth1 {address}/24")
        portal.openstack("server", "remove", "network", name, lan)
        eventually(
            lambda: console(empty_cloud, name).strip().splitlines()[-1].count("fa:16:3e") == 1,
            within_s=60,
            what="the guest lost its second card",
        )
        eventually(
            lambda: portal.openstack_json("port", "list", "--network", lan) == [],
            what="the port is gone",
        )


@pytest.fixture
def closed(empty_cloud: Cloud) -> Iterator[str]:
    """A group that lets nothing in."""
    name = f"closed-{uuid.uuid4().hex[:6]}"
    empty_cloud.portal.openstack("security", "group", "create", name)
    yield name
    empty_cloud.portal.openstack("security", "group", "delete", name)


@pytest.mark.long
def test_only_what_a_group_lets_in_comes_in(empty_cloud, closed, tmp_path):
    portal, host = empty_cloud.portal, empty_cloud.hosts[0]["name"]
    gateway = portal.openstack_json("subnet", "list", "--network", "default")[0]
    gateway = portal.openstack_json("subnet", "show", gateway["ID"])["gateway_ip"]
    with contextlib.ExitStack() as servers:
        words = ["--security-group", closed]
        target = servers.enter_context(server(empty_cloud, host, CARDS, tmp_path, *words))
        [address] = portal.openstack_json("server", "show", target)["addresses"]["default"]
        says(empty_cloud, target, "cards: ")
        script = REACH.replace("ADDRESS", address).replace("GATEWAY", gateway)
        other = servers.enter_context(server(empty_cloud, host, script, tmp_path))

        says(empty_cloud, other, "reach 1: no")
        assert "gateway: yes" in console(empty_cloud, other)
        assert "forged: no" in console(empty_cloud, other)

        words = ["--protocol", "icmp", "--remote-group", "default", "-f", "value", "-c", "id"]
        rule = portal.openstack("security", "group", "rule", "create", *words, closed).strip()
        says(empty_cloud, other, "reach 2: yes", within_s=60)
        portal.openstack("security", "group", "rule", "delete", rule)
        says(empty_cloud, other, "reach 3: no", within_s=60)

        portal.openstack("server", "add", "security", "group", target, "default")
        says(empty_cloud, other, "reach 4: yes", within_s=60)
        portal.openstack("server", "remove", "security", "group", target, "default")
        says(empty_cloud, other, "reach 5: no", within_s=60)
