"""VXLAN, VLAN and flat networks in packets: between guests on two hosts, and nobody else."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cloud import hosts
from tests.cloud.conftest import Cloud
from tests.portal import eventually

pytestmark = [pytest.mark.lab, pytest.mark.wire]

ADMIN, MEMBER = "cloudportal-admin", "cloudportal"
BRIDGE = "br-office"
# Not every kernel that the simulated hosts share has VLANs.
HAS_VLANS = Path("/proc/net/vlan").exists()
TUNNELLED, TAGGED, FLAT, ALIEN = "10.94.1", "10.94.2", "10.94.3", "10.94.4"

# Tells which cards there are, whenever that changes which addresses answer, and whether one
# answers a forged one.
REACH = """#!/bin/sh
look() {
    for path in /sys/class/net/eth*; do
        echo "mtu ${path##*/} $(cat $path/mtu)"
    done
    while :; do
        for pair in PAIRS; do
            name=${pair%%=*}
            ping -c 1 -W 1 ${pair#*=} >/dev/null && now=yes || now=no
            eval "before=\\$seen_$name"
            [ "$now" = "$before" ] || echo "$name: $now"
            eval "seen_$name=$now"
        done
        if [ "$seen_tunnel" = yes ] && [ -z "$forged" ]; then
            ip addr add FORGED/24 dev eth0
            ping -c 1 -W 2 -I FORGED TARGET >/dev/null && forged=yes || forged=no
            ip addr del FORGED/24 dev eth0
            echo "forged: $forged"
        fi
        for path in /sys/class/net/eth*; do
            card=${path##*/}
            ip -4 addr show dev "$card" | grep -q inet && continue
            ip link set "$card" up
            udhcpc -i "$card" -n -q -t 3 -T 1 -A 1 -s /usr/lib/tiny/dhcp
        done
        sleep 1
    done
}
look >/dev/console 2>&1 </dev/null &
"""


@dataclass
class Networks:
    """Their names, and what guests on two hosts have in common."""

    tunnelled: str
    tagged: str
    flat: str
    alien: str

    @property
    def kinds(self) -> dict[str, tuple[str, str]]:
        found = {"tunnel": (self.tunnelled, TUNNELLED), "flat": (self.flat, FLAT)}
        return {**found, "tag": (self.tagged, TAGGED)} if HAS_VLANS else found

    def cards(self, number: int) -> dict[str, str]:
        """By network the address of the one of that number."""
        return {network: f"{net}.{number}" for network, net in self.kinds.values()}

    def targets(self, number: int) -> dict[str, str]:
        """By kind the same."""
        return {kind: f"{net}.{number}" for kind, (_, net) in self.kinds.items()}


@pytest.fixture
def racked(empty_cloud: Cloud) -> Iterator[list[str]]:
    """Two hosts that are on a network outside, and have a bridge on another one."""
    pair = empty_cloud.hosts[:2]
    addresses = [urlsplit(host["uri"]).hostname for host in pair]
    names = [host["name"] for host in pair]
    for name, own, other in zip(names, addresses, reversed(addresses), strict=True):
        # What a cable would be; the portal knows nothing of it.
        cable = ["vxlan", "id", "77", "dstport", "4799", "local", own, "remote", other]
        for words in (
            ["link", "add", BRIDGE, "type", "bridge", "forward_delay", "0"],
            ["link", "add", "office0", "type", *cable],
            ["link", "set", "office0", "master", BRIDGE, "up"],
            ["link", "set", BRIDGE, "up"],
        ):
            empty_cloud.lab.run("exec", name, "--", "ip", *words)
        empty_cloud.portal.manage("hypervisor", "physical-network", name, "rack", "eth0")
        empty_cloud.portal.manage("hypervisor", "physical-network", name, "office", BRIDGE)
    yield names
    for name in names:
        for network in ("rack", "office"):
            empty_cloud.portal.manage("hypervisor", "physical-network", name, network)
        for link in ("office0", BRIDGE):
            empty_cloud.lab.run("exec", name, "--", "ip", "link", "delete", link)


def make(cloud: Cloud, kind: str, net: str, *words: str, dhcp: str = "--dhcp") -> str:
    name = f"{kind}-{uuid.uuid4().hex[:6]}"
    of_type = ("--provider-network-type", kind, *words)
    cloud.portal.openstack("network", "create", "--share", *of_type, name, cloud=ADMIN)
    of_subnet = ("--network", name, "--subnet-range", f"{net}.0/24", dhcp)
    cloud.portal.openstack("subnet", "create", *of_subnet, name, cloud=ADMIN)
    return name


@pytest.fixture
def networks(empty_cloud: Cloud, racked: list[str]) -> Iterator[Networks]:
    """One of each kind, and another tunnel."""
    on_rack = ("--provider-physical-network", "rack", "--provider-segment", "101")
    on_office = ("--provider-physical-network", "office")
    made = Networks(
        tunnelled=make(empty_cloud, "vxlan", TUNNELLED),
        tagged=make(empty_cloud, "vlan", TAGGED, *on_rack),
        flat=make(empty_cloud, "flat", FLAT, *on_office, dhcp="--no-dhcp"),
        alien=make(empty_cloud, "vxlan", ALIEN),
    )
    yield made
    for name in (made.tunnelled, made.tagged, made.flat, made.alien):
        empty_cloud.portal.openstack("network", "delete", name, cloud=ADMIN)


@contextlib.contextmanager
def floating(cloud: Cloud, networks: Networks, server: str) -> Iterator[str]:
    """A floating IP of the server's address on the tunnels, which lets pings in from everywhere."""
    portal, name = cloud.portal, f"outside-{uuid.uuid4().hex[:6]}"
    lab = ipaddress.IPv4Network(cloud.lab.subnet)
    with contextlib.ExitStack() as left:

        def do(*words: str, undo: tuple[str, ...], by: str = ADMIN) -> None:
            portal.openstack(*words, cloud=by)
            left.callback(portal.openstack, *undo, cloud=by)

        external = ("--external", "--provider-network-type", "flat")
        rack = ("--provider-physical-network", "rack")
        do("network", "create", *external, *rack, name, undo=("network", "delete", name))
        pool = f"start={lab[200]},end={lab[200]}"
        portal.openstack(
            *("subnet", "create", "--network", name, "--subnet-range", str(lab), "--no-dhcp"),
            *("--gateway", str(lab[1]), "--allocation-pool", pool, name),
            cloud=ADMIN,
        )
        router = ("router", "create", "--external-gateway", name, name)
        do(*router, undo=("router", "delete", name))
        subnet = (name, networks.tunnelled)
        do("router", "add", "subnet", *subnet, undo=("router", "remove", "subnet", *subnet))
        address = str(lab[200])
        words = ("floating", "ip", "create", name)
        port = portal.openstack_json("port", "list", "--server", server, "--network", subnet[1])
        do(*words, "--port", port[0]["ID"], undo=("floating", "ip", "delete", address), by=MEMBER)
        rule = ("security", "group", "rule")
        made = portal.openstack_json(*rule, "create", "--protocol", "icmp", "default")["id"]
        left.callback(portal.openstack, *rule, "delete", made)
        yield address


def answers(address: str) -> bool:
    ping = ["ping", "-c", "1", "-W", "1", address]
    return subprocess.run(ping, capture_output=True, check=False).returncode == 0


def begin(cloud: Cloud, host: str, pairs: dict[str, str], tmp_path, **cards: str) -> str:
    """The id of a server there with these addresses on these networks; it is not waited for."""
    name = f"spans-{uuid.uuid4().hex[:6]}"
    path = tmp_path / f"{name}.sh"
    told = " ".join(f"{key}={address}" for key, address in pairs.items())
    script = REACH.replace("PAIRS", told).replace("TARGET", pairs["tunnel"])
    path.write_text(script.replace("FORGED", f"{TUNNELLED}.251"))
    nics = [
        word
        for network, address in cards.items()
        for word in ("--nic", f"net-id={network},v4-fixed-ip={address}")
    ]
    with hosts.only(cloud, host):
        number: str = cloud.portal.openstack_json(
            *("server", "create", "--image", "tiny", "--flavor", "m1.tiny", *nics),
            *("--user-data", str(path), "--config-drive", "true", name),
        )["id"]
        admin = hosts.admin_of(cloud)
        eventually(
            lambda: admin.compute.get_server(number).compute_host == host,
            within_s=60,
            what=f"{name} is placed",
        )
    return number


def says(cloud: Cloud, name: str, words: str, within_s: float = 240) -> None:
    log = ("console", "log", "show", name)
    eventually(
        lambda: words in cloud.portal.openstack(*log, check=False),
        within_s=within_s,
        what=f"{name} says {words}",
    )


def last_says(cloud: Cloud, name: str, kind: str, word: str) -> None:
    """What it says last of an address."""

    def last() -> str:
        log = cloud.portal.openstack("console", "log", "show", name)
        return next(
            (each for each in reversed(log.split("\n")) if each.startswith(f"{kind}: ")), ""
        )

    eventually(
        lambda: last().strip() == f"{kind}: {word}",
        within_s=60,
        what=f"{name} says {kind}: {word}",
    )


def wires(cloud: Cloud, host: str) -> list[str]:
    """The VLANs, tunnels and tables that the portal has made on a host."""
    links = json.loads(cloud.lab.run("exec", host, "--", "ip", "-json", "link", "show"))
    names = [each["ifname"] for each in links if each["ifname"].startswith("cpw")]
    tables = cloud.lab.run("exec", host, "--", "nft", "list", "tables").splitlines()
    return names + [line for line in tables if "table bridge cloudportal_" in line]


@pytest.mark.long
def test_networks_span_hosts_and_nothing_else(empty_cloud, racked, networks, tmp_path):
    first, second = racked
    with contextlib.ExitStack() as left:

        def server(host: str, pairs: dict[str, str], cards: dict[str, str]) -> str:
            made = begin(empty_cloud, host, pairs, tmp_path, **cards)
            words = ("server", "delete", "--wait", made)
            left.callback(empty_cloud.portal.openstack, *words, check=False)
            return made

        one = server(first, networks.targets(12), networks.cards(11))
        two = server(second, networks.targets(11), networks.cards(12))
        target = {"tunnel": f"{TUNNELLED}.12"}
        alien = server(second, target, {networks.alien: f"{ALIEN}.13"})
        refuse_elsewhere(empty_cloud, networks)
        talk(empty_cloud, networks, one, two, alien)
        obey_groups(empty_cloud, one, two)
        with floating(empty_cloud, networks, one) as address:
            eventually(lambda: answers(address), within_s=60, what="the floating IP answers")
            move(empty_cloud, networks, one, two, racked)
            eventually(lambda: answers(address), within_s=60, what="the same, after the move")
        empty_cloud.portal.openstack("server", "delete", "--wait", one)
        for kind in networks.kinds:
            last_says(empty_cloud, two, kind, "no")
    eventually(
        lambda: not any(wires(empty_cloud, host) for host in racked), what="the hosts let go"
    )


def refuse_elsewhere(cloud: Cloud, networks: Networks) -> None:
    """No host that is not on a physical network gets a server there, and the fault says so."""
    with hosts.only(cloud, cloud.hosts[2]["name"]):
        words = ("--image", "tiny", "--flavor", "m1.tiny", "--network", networks.flat)
        made = cloud.portal.openstack_json("server", "create", *words, "nowhere")["id"]
        admin = hosts.admin_of(cloud)
        eventually(lambda: admin.compute.get_server(made).status == "ERROR", within_s=60)
    assert "physical_network removed 1" in admin.compute.get_server(made).fault["message"]
    cloud.portal.openstack("server", "delete", "--wait", made)


def talk(cloud: Cloud, networks: Networks, one: str, two: str, alien: str) -> None:
    """Guests on two hosts reach each other, and one of another network does not."""
    for name in (one, two):
        for kind in networks.kinds:
            says(cloud, name, f"{kind}: yes")
        says(cloud, name, "forged: no", within_s=60)
    says(cloud, one, "mtu eth0 1450")
    says(cloud, one, "mtu eth1 1500")
    says(cloud, alien, "tunnel: no")
    assert "tunnel: yes" not in cloud.portal.openstack("console", "log", "show", alien)
    shown = cloud.portal.openstack_json("network", "show", networks.tunnelled, cloud=ADMIN)
    assert (shown["provider:network_type"], shown["mtu"]) == ("vxlan", 1450)
    assert shown["provider:segmentation_id"]

    # The host's own DHCP serves a card that comes later.
    cloud.portal.openstack("server", "add", "network", alien, networks.tunnelled)
    says(cloud, alien, f"address eth1 {TUNNELLED}.", within_s=120)


def obey_groups(cloud: Cloud, one: str, two: str) -> None:
    """What no group lets in does not come in from another host either."""
    group = ("security", "group", two, "default")
    cloud.portal.openstack("server", "remove", *group)
    last_says(cloud, one, "tunnel", "no")
    cloud.portal.openstack("server", "add", *group)
    last_says(cloud, one, "tunnel", "yes")


def move(cloud: Cloud, networks: Networks, one: str, two: str, racked: list[str]) -> None:
    """One that moves is reached where it is, and its old host keeps nothing."""
    first, second = racked
    cloud.portal.openstack(
        *("--os-compute-api-version", "2.90", "server", "migrate", "--live-migration"),
        *("--host", second, "--wait", one),
        cloud=ADMIN,
    )
    eventually(lambda: wires(cloud, first) == [], within_s=60, what="the first host let go")
    for kind in networks.kinds:
        last_says(cloud, two, kind, "yes")
