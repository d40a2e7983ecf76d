"""What the `openstack` command is asked of the network service."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.cloud.probes.command import names
from tests.cloud.probes.services.absent import absent
from tests.cloud.probes.services.groups import NETWORK, ServiceCommandColumn
from tests.cloud.probes.table import Outcome, Probes

PROBES = Probes(NETWORK)
# Of blocks that documentation uses; no two columns have the same.
RANGE = "198.51.100.0/28"
RANGE_OUTSIDE = "192.0.2.0/28"
RANGE_IPV6 = "2001:db8:a::/64"


@contextlib.contextmanager
def _network(c: ServiceCommandColumn, end: str, *words: str) -> Iterator[str]:
    """A network of the project's for a while."""
    name = f"{c.own}-{end}"
    project = ("--project", c.demo.current_project_id)
    c.root("network", "create", *project, *words, name)
    yield name
    c.root("network", "delete", name)


def _subnet(c: ServiceCommandColumn, network: str, *words: str) -> None:
    project = ("--project", c.demo.current_project_id)
    c.root("subnet", "create", *project, "--network", network, *words, network)


@PROBES.of("extensions")
def _extensions(c: ServiceCommandColumn) -> None:
    rows = c.read("extension", "list", "--network")
    assert {"router", "security-group"} <= {row["Alias"] for row in rows}


@PROBES.of("networks")
def _networks(c: ServiceCommandColumn) -> None:
    with _network(c, "net", "--description", "One.") as name:
        c.root("network", "set", "--description", "Two.", name)
        shown = c.read("network", "show", name)
        assert (shown["description"], shown["status"]) == ("Two.", "ACTIVE")
        assert name in names(c.read("network", "list", "--long"))
    assert name not in names(c.read("network", "list"))


@PROBES.of("subnets")
def _subnets(c: ServiceCommandColumn) -> None:
    with _network(c, "sub") as name:
        _subnet(c, name, "--subnet-range", RANGE, "--dns-nameserver", "192.0.2.1")
        c.root("subnet", "set", "--description", "Two.", name)
        shown = c.read("subnet", "show", name)
        assert (shown["cidr"], shown["description"]) == (RANGE, "Two.")
        assert shown["dns_nameservers"] == ["192.0.2.1"]
        assert names(c.read("subnet", "list", "--network", name)) == {name}
        c.root("subnet", "delete", name)


@PROBES.of("subnets: IPv6")
def _subnets_ipv6(c: ServiceCommandColumn) -> None:
    with _network(c, "six") as name:
        ways = ("--ipv6-ra-mode", "dhcpv6-stateful", "--ipv6-address-mode", "dhcpv6-stateful")
        _subnet(c, name, "--ip-version", "6", "--subnet-range", RANGE_IPV6, *ways)
        port = c.read("port", "create", "--network", name, name)
        assert port["fixed_ips"][0]["ip_address"].startswith("2001:db8:a:")
        c.run_it("port", "delete", name)


@PROBES.of("ports")
def _ports(c: ServiceCommandColumn) -> None:
    name = f"{c.own}-port"
    made = c.read("port", "create", "--network", "default", name)
    c.run_it("port", "set", "--description", "Two.", "--no-security-group", name)
    shown = c.read("port", "show", name)
    assert (shown["description"], shown["security_group_ids"]) == ("Two.", [])
    address = made["fixed_ips"][0]["ip_address"]
    listed = c.read("port", "list", "--fixed-ip", f"ip-address={address}")
    assert {row["ID"] for row in listed} == {made["id"]}
    c.run_it("port", "delete", name)


@PROBES.of("security groups")
def _groups(c: ServiceCommandColumn) -> None:
    c.run_it("security", "group", "create", "--description", "One.", c.own)
    rule = ("--protocol", "tcp", "--dst-port", "22:23", "--remote-ip", "192.0.2.0/24")
    made = c.read("security", "group", "rule", "create", *rule, c.own)
    ranges = {row["Port Range"] for row in c.read("security", "group", "rule", "list", c.own)}
    assert "22:23" in ranges
    c.run_it("security", "group", "rule", "delete", made["id"])
    c.run_it("security", "group", "set", "--description", "Two.", c.own)
    assert c.read("security", "group", "show", c.own)["description"] == "Two."
    c.run_it("security", "group", "delete", c.own)


@contextlib.contextmanager
def _outside(c: ServiceCommandColumn, end: str, block: str) -> Iterator[str]:
    """An external network for a while."""
    name = f"{c.own}-{end}"
    c.root("network", "create", "--external", name)
    c.root("subnet", "create", "--network", name, "--subnet-range", block, "--no-dhcp", name)
    yield name
    c.root("network", "delete", name)


@PROBES.of("routers")
def _routers(c: ServiceCommandColumn) -> None:
    with _outside(c, "edge", RANGE_OUTSIDE) as outside:
        c.run_it("router", "create", "--description", "One.", c.own)
        c.run_it("router", "set", "--external-gateway", outside, c.own)
        shown = c.read("router", "show", c.own)
        assert shown["external_gateway_info"]["enable_snat"] is True
        c.run_it("router", "unset", "--external-gateway", c.own)
        assert c.read("router", "show", c.own)["external_gateway_info"] is None
        assert c.own in names(c.read("router", "list"))
        c.run_it("router", "delete", c.own)


@PROBES.of("floating IPs")
def _floating_ips(c: ServiceCommandColumn) -> None:
    with _outside(c, "float", RANGE_OUTSIDE) as outside:
        made = c.read("floating", "ip", "create", "--description", "One.", outside)
        address = made["floating_ip_address"]
        c.run_it("floating", "ip", "set", "--description", "Two.", address)
        shown = c.read("floating", "ip", "show", address)
        assert (shown["status"], shown["description"]) == ("DOWN", "Two.")
        listed = c.read("floating", "ip", "list", "--network", outside)
        assert {row["Floating IP Address"] for row in listed} == {address}
        c.run_it("floating", "ip", "delete", address)


@PROBES.of("tags")
def _tags(c: ServiceCommandColumn) -> None:
    name = f"{c.own}-tags"
    c.run_it("security", "group", "create", "--tag", "one", "--tag", "two", name)
    c.run_it("security", "group", "unset", "--tag", "one", name)
    assert c.read("security", "group", "show", name)["tags"] == ["two"]
    assert name in names(c.read("security", "group", "list", "--tags", "two"))
    assert name not in names(c.read("security", "group", "list", "--not-tags", "two"))
    c.run_it("security", "group", "delete", name)


@PROBES.of("quotas")
def _quotas(c: ServiceCommandColumn) -> None:
    def shown() -> dict[str, int]:
        rows = c.root_read("quota", "show", "--network", c.own)
        return {row["Resource"]: row["Limit"] for row in rows}

    c.root("project", "create", c.own)
    before = shown()
    c.root("quota", "set", "--ports", "33", c.own)
    assert shown()["ports"] == 33
    c.root("quota", "delete", "--network", c.own)
    assert shown() == before
    c.root("project", "delete", c.own)


@PROBES.of("availability zones")
def _zones(c: ServiceCommandColumn) -> None:
    assert c.read("availability", "zone", "list", "--network")


@PROBES.of("agents")
def _agents(c: ServiceCommandColumn) -> None:
    rows = c.root_read("network", "agent", "list")
    assert rows
    assert c.root_read("network", "agent", "show", rows[0]["ID"])["alive"] is True


@PROBES.of("shared by RBAC")
def _shared(c: ServiceCommandColumn) -> None:
    name = f"{c.own}-rbac"
    c.root("network", "create", name)
    assert name not in names(c.read("network", "list"))
    share = ("--type", "network", "--action", "access_as_shared", "--target-project", "demo")
    made = c.root_read("network", "rbac", "create", *share, name)
    assert name in names(c.read("network", "list"))
    assert made["id"] in {row["ID"] for row in c.root_read("network", "rbac", "list")}
    c.root("network", "rbac", "delete", made["id"])
    assert name not in names(c.read("network", "list"))
    c.root("network", "delete", name)


@PROBES.of("address pairs, port security")
def _pairs(c: ServiceCommandColumn) -> None:
    with _network(c, "pairs") as network:
        _subnet(c, network, "--subnet-range", RANGE)
        c.run_it("port", "create", "--network", network, network)
        c.run_it("port", "set", "--allowed-address", "ip-address=198.51.100.9", network)
        [pair] = c.read("port", "show", network)["allowed_address_pairs"]
        assert pair["ip_address"] == "198.51.100.9"
        c.run_it("port", "set", "--no-allowed-address", network)
        c.run_it("port", "set", "--no-security-group", "--disable-port-security", network)
        assert c.read("port", "show", network)["port_security_enabled"] is False
        c.run_it("port", "delete", network)


@PROBES.of("auto-allocated topology")
def _topology(c: ServiceCommandColumn) -> None:
    assert c.read("network", "auto", "allocated", "topology", "create")["id"]


@PROBES.of("subnet pools")
def _pools(c: ServiceCommandColumn) -> Outcome:
    return absent(c.run_it, "subnet", "pool", "list")


@PROBES.of("address groups")
def _address_groups(c: ServiceCommandColumn) -> Outcome:
    return absent(c.run_it, "address", "group", "list")


@PROBES.of("trunks")
def _trunks(c: ServiceCommandColumn) -> Outcome:
    return absent(c.run_it, "network", "trunk", "list")


@PROBES.of("QoS policies")
def _qos(c: ServiceCommandColumn) -> Outcome:
    return absent(c.run_it, "network", "qos", "policy", "list")
