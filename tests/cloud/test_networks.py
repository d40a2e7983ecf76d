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


@pytest.fixture
def lan(empty_cloud: Cloud) -> Iterator[str]:
    """A second network that the project may use."""
    portal, name = empty_cloud.portal, f"lan-{uuid.uuid4().hex[:6]}"
    admin = {"cloud": "cloudportal-admin"}
    portal.openstack("network", "create", "--share", name, **admin)
    words = ("--network", name, "--subnet-range", "10.93.0.0/24")
    portal.openstack("subnet", "create", *words, name, **admin)
    yield name
    portal.openstack("network", "delete", name, **admin)


@contextlib.contextmanager
def server(cloud: Cloud, host: str, script: str, tmp_path) -> Iterator[str]:
    """A server on that host that runs the script, until it is deleted."""
    name = f"net-{uuid.uuid4().hex[:6]}"
    path = tmp_path / f"{name}.sh"
    path.write_text(script)
    with hosts.only(cloud, host):
        cloud.portal.openstack(
            *("server", "create", "--image", "tiny", "--flavor", "m1.tiny", "--wait"),
            *("--network", "default", "--user-data", str(path), "--config-drive", "true", name),
        )
    yield name
    cloud.portal.openstack("server", "delete", "--wait", name)


def console(cloud: Cloud, name: str) -> str:
    return cloud.portal.openstack("console", "log", "show", name)


def says(cloud: Cloud, name: str, words: str, within_s: float = 240) -> None:
    eventually(
        lambda: words in console(cloud, name), within_s=within_s, what=f"{name} says {words}"
    )


def pings(cloud: Cloud, host: str, address: str) -> bool:
    """Whether the host reaches the address."""
    words = f"ping -c 1 -W 2 {address} >/dev/null && echo yes || echo no"
    return cloud.lab.run("exec", host, "--", "sh", "-c", words).strip() == "yes"


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
        eventually(lambda: pings(empty_cloud, host, address), what=f"{address} answers")

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
