"""VLANs and tunnels: the commands that make them, whatever the host has already."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hypervisors.libvirt import segments, shell
from hypervisors.libvirt.connection import Connection
from hypervisors.libvirt.errors import AlreadyThere, Busy, DriverError, Unsupported
from hypervisors.libvirt.segments import (
    Link,
    SegmentSpec,
    flood_commands,
    guard_rules,
    link_commands,
    read_flood,
    read_links,
    wire_name,
)
from hypervisors.libvirt.shell import Ran

NETWORK = UUID("0c7b9d0e-4d3b-4e0a-8a53-7e7a1f1f0a01")
WIRE = "cpw0c7b9d0e"
TUNNEL = SegmentSpec(
    NETWORK, "cpb0c7b9d0e", "vxlan", 42, 1450, local="10.0.0.1", peers=("10.0.0.2",),
    own_address="10.5.0.1",
)  # fmt: skip
VLAN = SegmentSpec(NETWORK, "cpb0c7b9d0e", "vlan", 101, 1500, parent="rack")
UPLINK = Link("eno1", frozenset({"rack"}), "", 1500, "", "", is_up=True, facts={})
SETTING = [f"link set dev {WIRE} addrgenmode none", f"link set dev {WIRE} mtu 1450 master "
           "cpb0c7b9d0e up"]  # fmt: skip
# Commands need no more of it.
ANY = cast(Connection, SimpleNamespace(uri="qemu:///system"))
addresses = st.ip_addresses(v=4).map(str)


def has_tunnel(**changes) -> Link:
    facts = {"id": 42, "port": 4789, "local": "10.0.0.1"}
    link = Link(WIRE, frozenset(), "vxlan", 1450, "cpb0c7b9d0e", "", is_up=True, facts=facts)
    return dataclasses.replace(link, **changes)


def test_a_tunnel_is_made_and_joined_to_the_bridge():
    assert link_commands(TUNNEL, [UPLINK]) == [
        f"link add name {WIRE} type vxlan id 42 dstport 4789 local 10.0.0.1",
        *SETTING,
    ]


def test_a_vlan_is_made_on_the_interface_of_any_of_its_names():
    made, *_ = link_commands(VLAN, [UPLINK])

    assert made == f"link add link eno1 name {WIRE} type vlan id 101"


def test_what_is_so_needs_no_command():
    facts = {"protocol": "802.1Q", "id": 101}
    vlan = Link(WIRE, frozenset(), "vlan", 1500, "cpb0c7b9d0e", "eno1", is_up=True, facts=facts)

    assert link_commands(TUNNEL, [UPLINK, has_tunnel()]) == []
    assert link_commands(VLAN, [UPLINK, vlan]) == []


@pytest.mark.parametrize("changes", [{"mtu": 1500}, {"master": ""}, {"is_up": False}])
def test_one_that_is_not_as_it_should_be_is_set_right(changes):
    assert link_commands(TUNNEL, [has_tunnel(**changes)]) == SETTING


@pytest.mark.parametrize(
    "facts",
    [
        {"id": 43, "port": 4789, "local": "10.0.0.1"},
        {"id": 42, "port": 8472, "local": "10.0.0.1"},
        {"id": 42, "port": 4789, "local": "10.0.0.9"},
    ],
)
def test_another_tunnel_of_the_name_makes_way(facts):
    lines = link_commands(TUNNEL, [has_tunnel(facts=facts)])

    assert lines[:2] == [
        f"link delete {WIRE}",
        f"link add name {WIRE} type vxlan id 42 dstport 4789 local 10.0.0.1",
    ]


def test_somebody_elses_vlan_is_left_alone():
    other = Link("eno1.101", frozenset(), "vlan", 1500, "", "eno1", is_up=True, facts={"id": 101})

    with pytest.raises(AlreadyThere, match=r"eno1\.101 has the vlan 101"):
        link_commands(VLAN, [UPLINK, other])


def test_the_same_vlan_of_another_interface_is_another_one():
    other = Link("eno2.101", frozenset(), "vlan", 1500, "", "eno2", is_up=True, facts={"id": 101})

    assert link_commands(VLAN, [UPLINK, other])


def test_somebody_elses_tunnel_is_left_alone():
    other = has_tunnel(name="vxlan42", facts={"id": 42, "port": 4789, "local": "10.0.0.7"})

    with pytest.raises(AlreadyThere, match="vxlan42"):
        link_commands(TUNNEL, [other])


def test_a_host_without_the_interface_says_so():
    with pytest.raises(Unsupported, match="no interface rack"):
        link_commands(VLAN, [])


@pytest.mark.parametrize(
    "changes",
    [{"number": 0}, {"number": 1 << 24}, {"local": "x; reboot"}, {"bridge": "a b"}, {"bridge": ""}],
)
def test_what_is_no_tunnel_is_refused(changes):
    with pytest.raises(ValueError, match=r"no number|no name|not appear"):
        link_commands(dataclasses.replace(TUNNEL, **changes), [])


@given(st.text(min_size=1))
def test_no_name_of_an_interface_becomes_another_word(name):
    link = Link(name, frozenset(), "", 1500, "", "", is_up=True, facts={})
    try:
        lines = link_commands(dataclasses.replace(VLAN, parent=name), [link])
    except ValueError:
        return
    assert lines[0].split(" ") == ["link", "add", "link", name, "name", WIRE,
                                   "type", "vlan", "id", "101"]  # fmt: skip
    assert "\n" not in lines[0]


@given(st.sets(addresses), st.sets(addresses))
def test_exactly_the_peers_are_flooded(there, peers):
    spec = dataclasses.replace(TUNNEL, peers=tuple(peers))

    for line in flood_commands(spec, there, is_exact=True):
        _, verb, everybody, _, device, _, address = line.split()
        assert (everybody, device) == ("00:00:00:00:00:00", WIRE)
        there = there | {address} if verb == "append" else there - {address}

    assert there == peers


@given(st.sets(addresses), st.sets(addresses))
def test_who_may_not_know_all_takes_no_peer_away(there, peers):
    spec = dataclasses.replace(TUNNEL, peers=tuple(peers))

    assert all(" append " in line for line in flood_commands(spec, there, is_exact=False))


def test_a_peer_that_is_none_is_refused():
    with pytest.raises(ValueError, match="not appear"):
        flood_commands(dataclasses.replace(TUNNEL, peers=("x",)), set(), is_exact=True)


def test_the_guard_keeps_the_hosts_own_off_the_wire():
    rules = guard_rules(TUNNEL)

    assert rules.startswith("table bridge cloudportal_0c7b9d0e\ndelete table bridge ")
    assert rules.count(f'ifname != "{WIRE}" accept') == 2
    assert rules.count("udp dport { 67, 68 } drop") == 2
    assert rules.count("arp daddr ip 10.5.0.1 drop") == 2


def test_without_an_address_of_its_own_a_host_guards_only_its_bridge():
    rules = guard_rules(VLAN)

    assert "arp" not in rules
    assert "udp dport" not in rules
    assert "ether saddr 52:54:00:" in rules


def test_links_are_read_as_the_host_tells_them():
    text = json.dumps(
        [
            {"ifname": "eno1", "altnames": ["rack"], "mtu": 1500, "flags": ["UP"]},
            {
                "ifname": WIRE, "mtu": 1450, "master": "cpb0c7b9d0e", "flags": ["BROADCAST", "UP"],
                "link": None,
                "linkinfo": {"info_kind": "vxlan",
                             "info_data": {"id": 42, "port": 4789, "local": "10.0.0.1"}},
            },
            {},
        ]
    )  # fmt: skip

    assert read_links(text) == [UPLINK, has_tunnel()]
    assert read_links("") == []


def test_other_ends_are_those_of_frames_to_everybody():
    entries = [
        {"mac": "00:00:00:00:00:00", "dst": "10.0.0.2"},
        {"mac": "fa:16:3e:00:00:01", "dst": "10.0.0.3"},
        {"mac": "00:00:00:00:00:00"},
    ]

    assert read_flood(json.dumps(entries)) == {"10.0.0.2"}


class Shell:
    """A host's answers by the first words of commands; what was given to them."""

    def __init__(self, monkeypatch, links="[]", table=0):
        self.given = {}
        self.refuses = ""
        self.ran = []
        self._links, self._table = links, table
        monkeypatch.setattr(segments, "succeed_on_host", self.succeed)
        monkeypatch.setattr(segments, "run_on_host", self.run)

    def succeed(self, connection, words, *, given=""):
        self.ran.append(words)
        self.given[words[0]] = given
        return self._links if "link" in words else "[]"

    def run(self, connection, words, *, given=""):
        self.ran.append(words)
        if words[0] == "ip":
            return Ran("", self.refuses, 1 if self.refuses else 0)
        return Ran("", "", self._table)


def test_the_guard_is_there_before_the_wire(monkeypatch):
    shell = Shell(monkeypatch)

    segments.ensure_segment(ANY, TUNNEL, is_exact=True)

    programs = [" ".join(words[:2]) for words in shell.ran]
    assert programs == ["ip -json", "nft -f", "ip -batch", "bridge -json", "bridge -batch"]
    assert shell.given["bridge"] == f"fdb append 00:00:00:00:00:00 dev {WIRE} dst 10.0.0.2\n"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("Error: Unknown device type.", Unsupported),
        ("RTNETLINK answers: No", DriverError),
        ("RTNETLINK answers: File exists", Busy),
    ],
)
def test_a_kernel_that_cannot_says_so(monkeypatch, words, error):
    Shell(monkeypatch).refuses = words

    with pytest.raises(error, match=r"kernel has no VXLAN|failed with 1|keep changing"):
        segments.ensure_segment(ANY, TUNNEL, is_exact=True)


def test_what_is_to_go_goes_and_what_is_gone_is_fine(monkeypatch):
    there = Shell(monkeypatch, json.dumps([{"ifname": WIRE, "linkinfo": {"info_kind": "vxlan"}}]))
    assert segments.list_segments(ANY) == [wire_name(NETWORK)]
    segments.remove_segment(ANY, NETWORK)
    absent = Shell(monkeypatch, table=1)
    segments.remove_segment(ANY, NETWORK)

    assert ["ip", "link", "delete", WIRE] in there.ran
    assert there.given["nft"].startswith("table bridge")
    assert [words[0] for words in absent.ran] == ["ip", "nft"]


def test_a_bridge_is_found_by_any_of_its_names(monkeypatch):
    bridge = {"ifname": "br0", "altnames": ["office"], "linkinfo": {"info_kind": "bridge"}}
    Shell(monkeypatch, json.dumps([bridge, {"ifname": "eno1"}]))

    assert segments.find_bridge(ANY, "office") == "br0"
    with pytest.raises(Unsupported, match="no bridge eno1"):
        segments.find_bridge(ANY, "eno1")


def look(machine, *words):
    inside = ["ip", "netns", "exec", machine, *words]
    return subprocess.run(inside, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def machine(monkeypatch):
    """A network namespace with an uplink and the bridge that libvirt would have made."""
    name = f"segments-{uuid4().hex[:6]}"
    inside = ["ip", "netns", "exec", name]
    monkeypatch.setattr(
        shell, "_command", lambda _uri, words: [*inside, *shell._WITH_STATUS, *words]
    )
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        for words in (
            "ip link add eno1 type bridge",
            "ip link property add dev eno1 altname rack",
            "ip address add 10.0.0.1/24 dev eno1",
            "ip link set eno1 up",
            "ip link add cpb0c7b9d0e type bridge",
        ):
            subprocess.run([*inside, *words.split()], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def flooded(machine):
    return read_flood(look(machine, "bridge", "-json", "fdb", "show", "dev", WIRE))


@pytest.mark.lab
def test_a_kernel_has_the_tunnel_and_nothing_afterwards(machine):
    empty = look(machine, "nft", "list", "ruleset")
    segments.ensure_segment(ANY, TUNNEL, is_exact=False)
    made = look(machine, "nft", "list", "ruleset")
    number = look(machine, "cat", f"/sys/class/net/{WIRE}/ifindex")
    segments.ensure_segment(ANY, TUNNEL, is_exact=True)

    assert look(machine, "cat", f"/sys/class/net/{WIRE}/ifindex") == number
    assert look(machine, "nft", "list", "ruleset") == made != empty
    [wire] = [
        each
        for each in read_links(look(machine, "ip", "-json", "-details", "link", "show"))
        if each.name == WIRE
    ]
    assert (wire.kind, wire.mtu, wire.master, wire.is_up) == ("vxlan", 1450, TUNNEL.bridge, True)
    assert segments.list_segments(ANY) == [WIRE]

    assert flooded(machine) == {"10.0.0.2"}
    more = dataclasses.replace(TUNNEL, peers=("10.0.0.3",))
    segments.ensure_segment(ANY, more, is_exact=False)
    assert flooded(machine) == {"10.0.0.2", "10.0.0.3"}
    segments.ensure_segment(ANY, more, is_exact=True)
    assert flooded(machine) == {"10.0.0.3"}

    for _ in range(2):
        segments.remove_segment(ANY, NETWORK)
    assert segments.list_segments(ANY) == []
    assert look(machine, "nft", "list", "ruleset") == empty


@pytest.mark.lab
@pytest.mark.skipif(not Path("/proc/net/vlan").exists(), reason="this kernel has no VLANs")
def test_a_kernel_has_the_vlan_of_the_number_that_is_wanted_now(machine):
    for number in (101, 102, 102):
        segments.ensure_segment(ANY, dataclasses.replace(VLAN, number=number), is_exact=True)

    links = read_links(look(machine, "ip", "-json", "-details", "link", "show"))
    [wire] = [each for each in links if each.name == WIRE]
    assert (wire.kind, wire.parent, wire.facts["id"]) == ("vlan", "eno1", 102)
    assert segments.find_bridge(ANY, "rack") == "eno1"
