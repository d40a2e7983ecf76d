"""What openstacksdk is asked of the network service."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from tests.cloud.probes.services.absent import absent
from tests.cloud.probes.services.groups import NETWORK, ServiceColumn
from tests.cloud.probes.table import Outcome, Probes

PROBES = Probes(NETWORK)
RANGE = "198.51.100.16/28"
RANGE_OUTSIDE = "192.0.2.16/28"
RANGE_IPV6 = "2001:db8:b::/64"


@contextlib.contextmanager
def _network(s: ServiceColumn, end: str, **fields: Any) -> Iterator[Any]:
    """A network of the project's for a while."""
    project = {"project_id": s.demo.current_project_id}
    made = s.admin.network.create_network(name=f"{s.own}-{end}", **{**project, **fields})
    yield made
    s.admin.network.delete_network(made)


def _subnet(s: ServiceColumn, network: Any, cidr: str, **fields: Any) -> Any:
    return s.admin.network.create_subnet(
        network_id=network.id,
        project_id=s.demo.current_project_id,
        **{"cidr": cidr, "ip_version": 4, **fields},
    )


@PROBES.of("extensions")
def _extensions(s: ServiceColumn) -> None:
    assert {"router", "security-group"} <= {each.alias for each in s.demo.network.extensions()}
    assert s.demo.network.find_extension("router").name


@PROBES.of("networks")
def _networks(s: ServiceColumn) -> None:
    network = s.demo.network
    with _network(s, "net", description="One.") as made:
        assert s.admin.network.update_network(made, description="Two.").description == "Two."
        assert network.find_network(made.name).status == "ACTIVE"
        assert made.id in {each.id for each in network.networks(is_admin_state_up=True)}
    assert network.find_network(made.name) is None


@PROBES.of("subnets")
def _subnets(s: ServiceColumn) -> None:
    network = s.demo.network
    with _network(s, "sub") as parent:
        made = _subnet(s, parent, RANGE, name=s.own, dns_nameservers=["192.0.2.1"])
        changed = s.admin.network.update_subnet(made, description="Two.")
        assert (changed.cidr, changed.description) == (RANGE, "Two.")
        assert [each.id for each in network.subnets(network_id=parent.id)] == [made.id]
        assert network.find_subnet(s.own).dns_nameservers == ["192.0.2.1"]
        s.admin.network.delete_subnet(made)


@PROBES.of("subnets: IPv6")
def _subnets_ipv6(s: ServiceColumn) -> None:
    with _network(s, "six") as parent:
        way = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
        _subnet(s, parent, RANGE_IPV6, ip_version=6, **way)
        port = s.demo.network.create_port(network_id=parent.id)
        assert port.fixed_ips[0]["ip_address"].startswith("2001:db8:b:")
        s.demo.network.delete_port(port)


@PROBES.of("ports")
def _ports(s: ServiceColumn) -> None:
    network = s.demo.network
    parent = network.find_network("default")
    made = network.create_port(network_id=parent.id, name=s.own)
    changed = network.update_port(made, description="Two.", security_groups=[])
    assert (changed.description, changed.security_group_ids) == ("Two.", [])
    address = made.fixed_ips[0]["ip_address"]
    assert [each.id for each in network.ports(fixed_ips=f"ip_address={address}")] == [made.id]
    network.delete_port(made)
    assert network.find_port(s.own) is None


@PROBES.of("security groups")
def _groups(s: ServiceColumn) -> None:
    network = s.demo.network
    made = network.create_security_group(name=s.own)
    rule = network.create_security_group_rule(
        security_group_id=made.id,
        direction="ingress",
        protocol="udp",
        port_range_min=53,
        port_range_max=53,
        ether_type="IPv4",
        remote_group_id=made.id,
    )
    rules = network.security_group_rules(security_group_id=made.id)
    assert rule.id in {each.id for each in rules}
    network.delete_security_group_rule(rule)
    assert network.update_security_group(made, description="Two.").description == "Two."
    network.delete_security_group(made)


@contextlib.contextmanager
def _outside(s: ServiceColumn, end: str) -> Iterator[Any]:
    """An external network for a while."""
    made = s.admin.network.create_network(name=f"{s.own}-{end}", is_router_external=True)
    s.admin.network.create_subnet(
        network_id=made.id, cidr=RANGE_OUTSIDE, ip_version=4, is_dhcp_enabled=False
    )
    yield made
    s.admin.network.delete_network(made)


@PROBES.of("routers")
def _routers(s: ServiceColumn) -> None:
    network = s.demo.network
    with _outside(s, "edge") as outside, _network(s, "inside") as inside:
        subnet = _subnet(s, inside, RANGE)
        made = network.create_router(name=s.own, external_gateway_info={"network_id": outside.id})
        network.add_interface_to_router(made, subnet_id=subnet.id)
        ports = list(network.ports(device_id=made.id, network_id=inside.id))
        assert [each.fixed_ips[0]["subnet_id"] for each in ports] == [subnet.id]
        network.remove_interface_from_router(made, subnet_id=subnet.id)
        network.delete_router(made)


@PROBES.of("floating IPs")
def _floating_ips(s: ServiceColumn) -> None:
    network = s.demo.network
    with _outside(s, "float") as outside:
        made = network.create_ip(floating_network_id=outside.id)
        assert network.find_ip(made.floating_ip_address).id == made.id
        assert network.update_ip(made, description="Two.").description == "Two."
        network.delete_ip(made)


@PROBES.of("tags")
def _tags(s: ServiceColumn) -> None:
    network = s.demo.network
    made = network.create_security_group(name=f"{s.own}-tags")
    network.set_tags(made, ["one", "two"])
    assert [each.id for each in network.security_groups(tags="one,two")] == [made.id]
    assert made.id not in {each.id for each in network.security_groups(not_any_tags="one")}
    network.delete_security_group(made)


@PROBES.of("quotas")
def _quotas(s: ServiceColumn) -> None:
    network = s.admin.network
    project = s.admin.identity.create_project(name=s.own)
    before = network.get_quota(project.id).ports
    assert network.update_quota(project.id, ports=33).ports == 33
    assert network.get_quota(project.id, details=True).ports["limit"] == 33
    network.delete_quota(project.id)
    assert network.get_quota(project.id).ports == before
    s.admin.identity.delete_project(project)


@PROBES.of("availability zones")
def _zones(s: ServiceColumn) -> None:
    assert {each.state for each in s.demo.network.availability_zones()} == {"available"}


@PROBES.of("agents")
def _agents(s: ServiceColumn) -> None:
    first = next(s.admin.network.agents())
    assert s.admin.network.get_agent(first.id).is_alive


@PROBES.of("shared by RBAC")
def _shared(s: ServiceColumn) -> None:
    made = s.admin.network.create_network(name=f"{s.own}-rbac")
    share = s.admin.network.create_rbac_policy(
        object_type="network",
        object_id=made.id,
        action="access_as_shared",
        target_project_id=s.demo.current_project_id,
    )
    assert s.demo.network.find_network(made.name).is_shared
    s.admin.network.delete_rbac_policy(share)
    assert s.demo.network.find_network(made.name) is None
    s.admin.network.delete_network(made)


@PROBES.of("address pairs, port security")
def _pairs(s: ServiceColumn) -> None:
    network = s.demo.network
    with _network(s, "pairs") as parent:
        _subnet(s, parent, RANGE)
        pairs = [{"ip_address": "198.51.100.25"}]
        port = network.create_port(network_id=parent.id, allowed_address_pairs=pairs)
        assert port.allowed_address_pairs[0]["ip_address"] == "198.51.100.25"
        off = {"allowed_address_pairs": [], "security_groups": [], "port_security_enabled": False}
        assert network.update_port(port, **off).is_port_security_enabled is False
        network.delete_port(port)


@PROBES.of("auto-allocated topology")
def _topology(s: ServiceColumn) -> None:
    assert s.demo.network.get_auto_allocated_topology(s.demo.current_project_id).id


@PROBES.of("subnet pools")
def _pools(s: ServiceColumn) -> Outcome:
    return absent(s.demo.network.subnet_pools)


@PROBES.of("address groups")
def _address_groups(s: ServiceColumn) -> Outcome:
    return absent(s.demo.network.address_groups)


@PROBES.of("trunks")
def _trunks(s: ServiceColumn) -> Outcome:
    return absent(s.demo.network.trunks)


@PROBES.of("QoS policies")
def _qos(s: ServiceColumn) -> Outcome:
    return absent(s.demo.network.qos_policies)


@PROBES.of("load balancers")
def _balancers(s: ServiceColumn) -> Outcome:
    return absent(s.demo.network.load_balancers)
