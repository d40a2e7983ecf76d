"""Floating IPs on a host: what is written there, and that nothing else is touched."""

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hypervisors.libvirt import floating, shell
from hypervisors.libvirt.errors import HostUnreachable, Unsupported
from hypervisors.libvirt.filters import FilterRule
from hypervisors.libvirt.floating import (
    CHAIN,
    TABLE,
    FloatingAddress,
    apply_floating,
    differences,
    read_interfaces,
    restored_chain,
    ruleset,
)

DATA = Path(__file__).parent / "data"
RULES = (
    FilterRule("in", "tcp", (22, 22)),
    FilterRule("in", "tcp", (80, 90), "10.0.0.0/8"),
    FilterRule("in", "udp", (53, None)),
    FilterRule("in", "icmp", (8, 0)),
    FilterRule("in", "icmp", (3, None)),
    FilterRule("in", "esp"),
    FilterRule("in", None, None, "192.0.2.0/24"),
    FilterRule("in", "tcp", (22, 22), None, "ipv6"),
    FilterRule("out", "tcp", (25, 25)),
)
ONE = FloatingAddress("203.0.113.5", "10.0.0.5", "10.0.0.0/24", "203.0.113.1", rules=RULES)
OPEN = FloatingAddress("203.0.113.6", "10.0.1.6", "10.0.1.0/24", "203.0.113.1")
ALSO = FloatingAddress("198.51.100.6", "10.0.1.6", "10.0.1.0/24", "198.51.100.1", uplink="br-ex")
UPLINKS = {ONE.address: "eth0", OPEN.address: "eth0", ALSO.address: "br-ex"}


def connection_to(uri: str) -> Any:
    """As much of a connection as commands need."""
    return SimpleNamespace(uri=uri)


def test_the_table_is_the_one_in_the_file():
    assert ruleset([ONE, OPEN, ALSO], UPLINKS) == (DATA / "floating.nft").read_text()


def test_without_addresses_there_is_no_table():
    assert ruleset([], {}) == f"table ip {TABLE}\ndelete table ip {TABLE}\n"


@pytest.mark.parametrize(
    ("wrong", "uplink"),
    [
        ({"address": "203.0.113.5; flush ruleset"}, "eth0"),
        ({"fixed_address": "}"}, "eth0"),
        ({"cidr": "10.0.0.0/24 accept"}, "eth0"),
        ({"rules": (FilterRule("in", "tcp", None, "0.0.0.0/0 accept"),)}, "eth0"),
        ({}, 'eth0" accept'),
        ({}, "a-name-that-is-too-long"),
        ({}, ""),
    ],
)
def test_what_is_no_address_and_no_name_is_written_nowhere(wrong, uplink):
    given = {
        **{"address": "203.0.113.5", "fixed_address": "10.0.0.5"},
        **{"cidr": "10.0.0.0/24", "gateway": "203.0.113.1"},
        **wrong,
    }

    with pytest.raises(ValueError, match=r".+"):
        ruleset([FloatingAddress(**given)], {given["address"]: uplink})


def test_a_table_is_read_back():
    assert set(floating.read_table(ruleset([ONE, OPEN, ALSO], UPLINKS))) == set(UPLINKS)
    assert floating.read_table("") == []


def test_the_chain_lets_in_what_was_translated():
    assert restored_chain(["10.0.0.5", "10.0.0.5"]).splitlines() == [
        "*filter",
        f":{CHAIN} - [0:0]",
        f"-A {CHAIN} -d 10.0.0.5/32 -m conntrack --ctstate DNAT -j ACCEPT",
        "COMMIT",
    ]


def test_addresses_come_and_go_where_they_differ():
    has = {"eth0": {"203.0.113.5", "203.0.113.7", "192.0.2.1"}, "old": {"203.0.113.6"}}
    wanted = {"203.0.113.5": "eth0", "203.0.113.6": "eth0"}

    wrong, lacking = differences(wanted, ["203.0.113.7", "203.0.113.8"], has)

    assert wrong == [("203.0.113.6", "old"), ("203.0.113.7", "eth0")]
    assert lacking == [("203.0.113.6", "eth0")]


def test_only_addresses_of_a_single_host_are_read():
    said = [
        {
            "ifname": "eth0",
            "altnames": ["public"],
            "addr_info": [
                {"family": "inet", "local": "192.0.2.11", "prefixlen": 24},
                {"family": "inet", "local": "203.0.113.5", "prefixlen": 32},
                {"family": "inet6", "local": "fe80::1", "prefixlen": 32},
            ],
        },
        {},
    ]

    [found] = read_interfaces(json.dumps(said))

    assert (found.name, set(found.also)) == ("eth0", {"public"})
    assert found.addresses == {"203.0.113.5"}


def test_words_reach_a_host_as_they_are_and_its_status_comes_back(tmp_path):
    ssh = tmp_path / "ssh"
    # What stands for ssh: it hands its last word to a shell, and keeps the status to itself.
    ssh.write_text('#!/bin/sh\nfor last; do :; done\nsh -c "$last"; exit 0\n')
    ssh.chmod(0o755)
    connection = connection_to(f"qemu+ssh://root@host/system?command={ssh}")

    said = shell.run_on_host(connection, ["echo", "a'b; $HOME *"])
    failed = shell.run_on_host(connection, ["sh", "-c", "cat; echo no >&2; exit 3"], given="in")
    missing = shell.run_on_host(connection, ["no-such-program"])

    assert (said.output, said.status) == ("a'b; $HOME *\n", 0)
    assert (failed.output, failed.errors, failed.status) == ("in", "no", 3)
    assert missing.is_missing


def test_a_connection_that_breaks_off_is_no_answer(tmp_path):
    ssh = tmp_path / "ssh"
    ssh.write_text("#!/bin/sh\necho half; echo lost >&2\n")
    ssh.chmod(0o755)
    connection = connection_to(f"qemu+ssh://root@host/system?command={ssh}")

    with pytest.raises(HostUnreachable, match="lost"):
        shell.run_on_host(connection, ["true"])


def test_who_is_not_root_asks_for_it():
    uri = "qemu+ssh://cloud@host:2222/system?command=/ssh"

    words = shell._command(uri, ["nft", "-f", "-"])

    assert words[:6] == ["/ssh", "-l", "cloud", "-p", "2222", "--"]
    assert "sudo -n env" in words[-1]


def test_nothing_runs_on_a_host_that_is_none():
    with pytest.raises(Unsupported):
        shell.run_on_host(connection_to("test:///default"), ["true"])


@pytest.fixture
def machine(monkeypatch) -> Iterator[str]:
    """A network namespace in the place of a host, with an uplink and a chain of libvirt's."""
    name = f"cpf{uuid.uuid4().hex[:8]}"
    inside = ["ip", "netns", "exec", name]
    monkeypatch.setattr(
        shell, "_command", lambda _uri, words: [*inside, *shell._WITH_STATUS, *words]
    )
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        for words in (
            "ip link add up0 type bridge",
            "ip link property add dev up0 altname public",
            "ip address add 203.0.113.250/24 dev up0",
            "ip link set up0 up",
            "iptables -N LIBVIRT_FWI",
            "iptables -N libvirt-in",
            "iptables -A FORWARD -j libvirt-in",
            "iptables -A FORWARD -j LIBVIRT_FWI",
        ):
            subprocess.run([*inside, *words.split()], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def look(name: str, *words: str) -> str:
    done = subprocess.run(
        ["ip", "netns", "exec", name, *words], check=True, capture_output=True, text=True
    )
    return done.stdout


def singles(name: str) -> set[str]:
    found = floating.interfaces_of(read_interfaces(look(name, "ip", "-json", "address", "show")))
    return set(found["up0"])


ANY: Any = connection_to("qemu:///system")


@pytest.mark.lab
def test_a_host_has_what_is_asked_and_nothing_afterwards(machine):
    before = look(machine, "iptables", "-S"), look(machine, "nft", "list", "tables")
    by_name = FloatingAddress(
        *("198.51.100.6", "10.0.1.6", "10.0.1.0/24", "198.51.100.1"), "public"
    )

    assert apply_floating(ANY, [ONE, OPEN, by_name], []) == {}
    made = look(machine, "nft", "list", "ruleset")
    apply_floating(ANY, [ONE, OPEN, by_name], ["203.0.113.99"])

    assert look(machine, "nft", "list", "ruleset") == made
    assert singles(machine) == {ONE.address, OPEN.address, "198.51.100.6"}
    jumps = [
        line for line in look(machine, "iptables", "-S", "FORWARD").splitlines() if "-A" in line
    ]
    assert [line.split()[-1] for line in jumps] == ["libvirt-in", CHAIN, "LIBVIRT_FWI"]
    apply_floating(ANY, [OPEN], [ONE.address, "198.51.100.6"])
    assert singles(machine) == {OPEN.address}
    assert "10.0.0.5" not in look(machine, "nft", "list", "ruleset")
    apply_floating(ANY, [], [OPEN.address])
    apply_floating(ANY, [], [OPEN.address])
    assert singles(machine) == set()
    assert (look(machine, "iptables", "-S"), look(machine, "nft", "list", "tables")) == before


@pytest.mark.lab
def test_what_somebody_moved_is_put_right(machine):
    apply_floating(ANY, [ONE], [])
    look(machine, "iptables", "-D", "FORWARD", "-j", CHAIN)
    look(machine, "iptables", "-A", "FORWARD", "-j", CHAIN)
    look(machine, "nft", "delete", "table", "ip", TABLE)
    look(machine, "ip", "address", "del", f"{ONE.address}/32", "dev", "up0")

    apply_floating(ANY, [ONE], [])

    jumps = [
        line for line in look(machine, "iptables", "-S", "FORWARD").splitlines() if "-A" in line
    ]
    assert [line.split()[-1] for line in jumps] == ["libvirt-in", CHAIN, "LIBVIRT_FWI"]
    assert TABLE in look(machine, "nft", "list", "tables")
    assert singles(machine) == {ONE.address}


@pytest.mark.lab
def test_what_nobody_remembers_goes_too(machine):
    apply_floating(ANY, [ONE, OPEN], [])

    apply_floating(ANY, [OPEN], [])
    kept = singles(machine)
    apply_floating(ANY, [], [])

    assert kept == {OPEN.address}
    assert singles(machine) == set()
    assert apply_floating(ANY, [], []) == {}


@pytest.mark.lab
def test_an_address_without_an_interface_holds_up_no_other(machine):
    nowhere = FloatingAddress(*("192.0.2.6", "10.0.1.6", "10.0.1.0/24", "192.0.2.1"), "br-none")
    far = FloatingAddress(*("192.0.2.7", "10.0.1.7", "10.0.1.0/24", "192.0.2.1"))

    refused = apply_floating(ANY, [ONE, nowhere, far], [])

    assert set(refused) == {"192.0.2.6", "192.0.2.7"}
    assert singles(machine) == {ONE.address}


@pytest.mark.lab
def test_networks_that_libvirt_filters_by_nftables_are_refused(machine):
    look(machine, "nft", "add", "table", "ip", "libvirt_network")

    with pytest.raises(Unsupported, match="firewall_backend"):
        apply_floating(ANY, [ONE], [])

    assert singles(machine) == set()
