"""Floating IPs in packets: in, out, along with a server that moves, and gone without a trace."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
import subprocess
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cloud import hosts
from tests.cloud.conftest import Cloud
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]

ADMIN = "cloudportal-admin"
TABLE = "cloudportal_floating"

# Answers to whoever connects, and connects to the outside again and again.
SCRIPT = """#!/bin/sh
serve() { while :; do echo "hello from inside" | nc -l -p 8080; done; }
call() { while :; do echo calling | nc -w 2 OUTSIDE PORT; sleep 1; done; }
serve </dev/null >/dev/null 2>&1 &
call </dev/null >/dev/null 2>&1 &
echo "both run" >/dev/console
"""


class Callers:
    """Listens outside the hosts; from which address the last caller came."""

    def __init__(self, address: str) -> None:
        self._socket = socket.create_server((address, 0))
        self.port = self._socket.getsockname()[1]
        self.last = ""
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, (self.last, _) = self._socket.accept()
                connection.close()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def outside(empty_cloud: Cloud) -> str:
    """The machine beyond the hosts' uplinks: this one, on the bridge that joins them."""
    return str(ipaddress.IPv4Network(empty_cloud.lab.subnet)[1])


@pytest.fixture
def callers(outside: str) -> Iterator[Callers]:
    found = Callers(outside)
    yield found
    found.close()


@pytest.fixture
def public(empty_cloud: Cloud, outside: str) -> Iterator[str]:
    """An external network on the hosts' own, joined to the project's network by a router."""
    portal, name = empty_cloud.portal, f"public-{uuid.uuid4().hex[:6]}"
    lab = ipaddress.IPv4Network(empty_cloud.lab.subnet)
    subnet = portal.openstack_json("subnet", "list", "--network", "default")[0]["ID"]
    as_admin: dict[str, Any] = {"cloud": ADMIN}
    portal.openstack(
        *("network", "create", "--external", "--provider-network-type", "flat"),
        *("--provider-physical-network", "eth0", name),
        **as_admin,
    )
    portal.openstack(
        *("subnet", "create", "--network", name, "--subnet-range", str(lab), "--no-dhcp"),
        *("--gateway", outside, "--allocation-pool", f"start={lab[200]},end={lab[201]}", name),
        **as_admin,
    )
    portal.openstack("router", "create", "--external-gateway", name, name, **as_admin)
    portal.openstack("router", "add", "subnet", name, subnet, **as_admin)
    yield name
    for each in portal.openstack_json("floating", "ip", "list", **as_admin):
        portal.openstack("floating", "ip", "delete", each["ID"], **as_admin)
    portal.openstack("router", "remove", "subnet", name, subnet, **as_admin)
    portal.openstack("router", "unset", "--external-gateway", name, **as_admin)
    portal.openstack("router", "delete", name, **as_admin)
    portal.openstack("network", "delete", name, **as_admin)


@pytest.fixture
def group(empty_cloud: Cloud) -> Iterator[str]:
    """A group that lets nothing in."""
    name = f"floating-{uuid.uuid4().hex[:6]}"
    empty_cloud.portal.openstack("security", "group", "create", name)
    yield name
    empty_cloud.portal.openstack("security", "group", "delete", name)


def answers(address: str) -> bool:
    ping = ["ping", "-c", "1", "-W", "1", address]
    return subprocess.run(ping, capture_output=True, check=False).returncode == 0


def greets(address: str) -> bool:
    try:
        with socket.create_connection((address, 8080), timeout=2) as connection:
            return b"hello from inside" in connection.recv(100)
    except OSError:
        return False


def traces(cloud: Cloud, host: str) -> list[str]:
    """What there is of floating IPs on a host."""

    def said(*words: str) -> str:
        return cloud.lab.run("exec", host, "--", *words)

    addresses = [
        found["local"]
        for each in json.loads(said("ip", "-json", "-4", "address", "show"))
        for found in each["addr_info"]
        if found["prefixlen"] == 32
    ]
    tables = [line for line in said("nft", "list", "tables").splitlines() if TABLE in line]
    rules = said("iptables", "-S").splitlines()
    return [*addresses, *tables, *(line for line in rules if "CLOUDPORTAL" in line)]


@contextlib.contextmanager
def server_on(cloud: Cloud, host: str, script: str, group: str, tmp_path) -> Iterator[str]:
    """A server that runs the script there, until it is deleted."""
    name = f"floats-{uuid.uuid4().hex[:6]}"
    path = tmp_path / "script.sh"
    path.write_text(script)
    with hosts.only(cloud, host):
        cloud.portal.openstack(
            *("server", "create", "--image", "tiny", "--flavor", "m1.tiny", "--wait"),
            *("--network", "default", "--user-data", str(path), "--config-drive", "true"),
            *("--security-group", group, name),
        )
    yield name
    cloud.portal.openstack("server", "delete", "--wait", name, check=False)


@pytest.mark.long
def test_an_address_of_the_outside_leads_to_a_server(
    empty_cloud, outside, callers, public, group, tmp_path
):
    first = empty_cloud.hosts[0]["name"]
    script = SCRIPT.replace("OUTSIDE", outside).replace("PORT", str(callers.port))
    with server_on(empty_cloud, first, script, group, tmp_path) as name:
        follow(empty_cloud, name, callers, public, group)


def follow(cloud: Cloud, name: str, callers: Callers, public: str, group: str) -> None:
    portal, lab = cloud.portal, ipaddress.IPv4Network(cloud.lab.subnet)
    first, second = (host["name"] for host in cloud.hosts[:2])
    taken = portal.openstack_json("floating", "ip", "create", public)
    address = taken["floating_ip_address"]
    assert taken["status"] == "DOWN"
    eventually(
        lambda: "both run" in portal.openstack("console", "log", "show", name),
        within_s=240,
        what="the guest runs its script",
    )
    eventually(lambda: callers.last, within_s=60, what="the guest calls out")
    assert callers.last == str(lab[11])

    portal.openstack("server", "add", "floating", "ip", name, address)
    show = ("floating", "ip", "show", address)
    eventually(lambda: portal.openstack_json(*show)["status"] == "ACTIVE", within_s=60)
    shown = portal.openstack_json("server", "show", name)["addresses"]["default"]
    assert address in shown
    eventually(lambda: callers.last == address, within_s=60, what="the guest calls as itself")
    # The groups hold: nothing was let in.
    assert not answers(address)
    assert not greets(address)

    create = ("security", "group", "rule", "create")
    portal.openstack(*create, "--protocol", "icmp", group)
    portal.openstack(*create, "--protocol", "tcp", "--dst-port", "8080", group)
    eventually(lambda: answers(address), within_s=60, what="it answers from outside")
    eventually(lambda: greets(address), within_s=60, what="it serves the outside")

    number = portal.openstack_json("server", "show", name)["id"]
    words = ("server", "migrate", "--live-migration", "--host", second, "--wait", number)
    portal.openstack("--os-compute-api-version", "2.90", *words, cloud=ADMIN)
    eventually(lambda: traces(cloud, first) == [], within_s=60, what="the host let go")
    eventually(lambda: answers(address), within_s=60, what="it answers where it is now")

    portal.openstack("server", "remove", "floating", "ip", name, address)
    eventually(lambda: traces(cloud, second) == [], within_s=60, what="the host let go")
    assert not answers(address)
    callers.last = ""
    eventually(lambda: callers.last, within_s=60, what="the guest calls out")
    assert callers.last == str(lab[12])

    portal.openstack("server", "add", "floating", "ip", name, address)
    eventually(lambda: answers(address), within_s=60, what="it answers again")
    portal.openstack("server", "delete", "--wait", name)
    eventually(lambda: traces(cloud, second) == [], within_s=60, what="the host let go")
    portal.openstack("floating", "ip", "delete", address)
    assert portal.openstack_json("floating", "ip", "list") == []


@pytest.mark.long
def test_it_is_there_again_when_its_host_has_booted(
    empty_cloud, outside, callers, public, group, tmp_path
):
    portal = empty_cloud.portal
    first = empty_cloud.hosts[0]["name"]
    script = SCRIPT.replace("OUTSIDE", outside).replace("PORT", str(callers.port))
    with server_on(empty_cloud, first, script, group, tmp_path) as name:
        create = ("security", "group", "rule", "create", "--protocol", "icmp")
        portal.openstack(*create, group)
        address = portal.openstack_json("floating", "ip", "create", public)["floating_ip_address"]
        portal.openstack("server", "add", "floating", "ip", name, address)
        eventually(lambda: answers(address), within_s=240, what="it answers")

        with hosts.dead(empty_cloud, first):
            assert not answers(address)
            hosts.wait_state(empty_cloud, first, "down")

        eventually(lambda: answers(address), within_s=240, what="it answers again")
        portal.openstack("floating", "ip", "delete", address)
        eventually(lambda: traces(empty_cloud, first) == [], within_s=60, what="the host let go")
