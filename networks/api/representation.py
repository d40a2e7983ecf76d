"""How networks, subnets, ports and security groups look on the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db.models import Model

from identity.actors import Actor
from networks.models import (
    FloatingIP,
    Network,
    NetworkType,
    Port,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
)
from networks.models.sharing import EVERYBODY

ZONE = "nova"
VIF_TYPE = "bridge"


def instant(moment: datetime) -> str:
    """The service's form of a time: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def words_of(row: Model) -> list[str]:
    """A thing's tags, which are to be attached to it as `words`."""
    found: list[str] = getattr(row, "words", [])
    return found


def _common(row: Network | Subnet | Port | SecurityGroup | Router) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "name": row.name,
        "description": row.description,
        "tenant_id": row.project_id,
        "project_id": row.project_id,
        "tags": words_of(row),
        "created_at": instant(row.created_at),
        "updated_at": instant(row.updated_at),
        "revision_number": row.revision,
    }


def network_body(network: Network, actor: Actor) -> dict[str, Any]:
    """A network, with what it lies on only for administrators; its subnets are to be prefetched."""
    body = {
        **_common(network),
        "admin_state_up": network.is_up,
        "status": "ACTIVE" if network.is_up else "DOWN",
        "subnets": [str(subnet.pk) for subnet in network.subnets.all()],
        "shared": _is_shared(network, actor),
        "router:external": network.is_external,
        "mtu": network.mtu,
        "port_security_enabled": True,
        "availability_zone_hints": [],
        "availability_zones": [ZONE],
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "is_default": False,
        "qos_policy_id": None,
    }
    if actor.is_admin:
        body |= {
            "provider:network_type": network_type(network),
            "provider:physical_network": network.physical_network or None,
            "provider:segmentation_id": network.segment,
        }
    return body


def _is_shared(network: Network, actor: Actor) -> bool:
    """Whether it is for all, or lent to the one who looks."""
    targets = {share.target_project_id for share in network.shares.all()}
    return network.is_shared or bool(targets & {EVERYBODY, actor.project_id})


def network_type(network: Network) -> str:
    """In the service's words: what lies beyond the hosts is flat, what each has alone is local."""
    if network.is_external:
        return "flat"
    return "local" if network.type == NetworkType.NAT else network.type


def router_body(router: Router, actor: Actor) -> dict[str, Any]:
    """A router; its way out has no address of its own: it is each host's."""
    gateway = {
        "network_id": str(router.external_network_id),
        "enable_snat": True,
        "external_fixed_ips": [],
    }
    return {
        **_common(router),
        "admin_state_up": True,
        "status": "ACTIVE",
        "external_gateway_info": gateway if router.external_network_id else None,
        "routes": [],
        "distributed": False,
        "ha": False,
        "availability_zone_hints": [],
        "availability_zones": [ZONE],
        "flavor_id": None,
    }


def floating_ip_body(row: FloatingIP, actor: Actor) -> dict[str, Any]:
    """A floating IP; its port is to be fetched with it, and it is to be annotated by `placed`."""
    return {
        "id": str(row.pk),
        "tenant_id": row.project_id,
        "project_id": row.project_id,
        "description": row.description,
        "floating_network_id": str(row.network_id),
        "floating_ip_address": row.address,
        "port_id": str(row.port_id) if row.port_id else None,
        "fixed_ip_address": row.fixed_address,
        "router_id": str(row.router_id) if row.router_id else None,
        "status": "ACTIVE" if getattr(row, "is_placed", False) else "DOWN",
        "port_details": _port_details(row.port) if row.port else None,
        "dns_domain": "",
        "dns_name": "",
        "port_forwardings": [],
        "qos_policy_id": None,
        "tags": words_of(row),
        "created_at": instant(row.created_at),
        "updated_at": instant(row.updated_at),
        "revision_number": row.revision,
    }


def _port_details(port: Port) -> dict[str, Any]:
    return {
        "name": port.name,
        "network_id": str(port.network_id),
        "mac_address": port.mac_address,
        "admin_state_up": port.is_up,
        "status": port.status,
        "device_id": port.device_id,
        "device_owner": port.device_owner,
    }


def subnet_body(subnet: Subnet, actor: Actor) -> dict[str, Any]:
    """A subnet."""
    return {
        **_common(subnet),
        "network_id": str(subnet.network_id),
        "ip_version": subnet.ip_version,
        "cidr": subnet.cidr,
        "gateway_ip": subnet.gateway_ip,
        "enable_dhcp": subnet.has_dhcp,
        "allocation_pools": [
            {"start": first, "end": last} for first, last in subnet.allocation_pools
        ],
        "dns_nameservers": subnet.dns_nameservers,
        "host_routes": [],
        "ipv6_ra_mode": subnet.ipv6_mode or None,
        "ipv6_address_mode": subnet.ipv6_mode or None,
        "subnetpool_id": None,
        "service_types": [],
        "segment_id": None,
    }


def port_body(port: Port, actor: Actor) -> dict[str, Any]:
    """A port, with its host only for administrators; addresses and groups are to be prefetched."""
    body = {
        **_common(port),
        "network_id": str(port.network_id),
        "mac_address": port.mac_address,
        "fixed_ips": [
            {"subnet_id": str(each.subnet_id), "ip_address": each.address}
            for each in port.fixed_ips.all()
        ],
        "device_id": port.device_id,
        "device_owner": port.device_owner,
        "status": port.status,
        "admin_state_up": port.is_up,
        "security_groups": [str(group.pk) for group in port.security_groups.all()],
        "port_security_enabled": port.has_port_security,
        "allowed_address_pairs": [
            {"mac_address": mac, "ip_address": address} for mac, address in port.address_pairs
        ],
        "extra_dhcp_opts": [],
        "qos_policy_id": None,
        "ip_allocation": "immediate",
        "binding:vnic_type": "normal",
    }
    if actor.is_admin:
        body |= {
            "binding:host_id": port.host,
            "binding:vif_type": VIF_TYPE if port.host else "unbound",
            "binding:vif_details": {},
            "binding:profile": {},
        }
    return body


def group_body(group: SecurityGroup, actor: Actor) -> dict[str, Any]:
    """A security group with its rules, which are to be prefetched."""
    return {
        **_common(group),
        "stateful": True,
        "shared": False,
        "security_group_rules": [rule_body(rule, actor) for rule in group.rules.all()],
    }


def rule_body(rule: SecurityGroupRule, actor: Actor) -> dict[str, Any]:
    """A rule; its group is to be fetched with it."""
    return {
        "id": str(rule.pk),
        "security_group_id": str(rule.group_id),
        "tenant_id": rule.group.project_id,
        "project_id": rule.group.project_id,
        "direction": rule.direction,
        "ethertype": rule.ethertype,
        "protocol": rule.protocol or None,
        "port_range_min": rule.port_range_min,
        "port_range_max": rule.port_range_max,
        "remote_ip_prefix": rule.remote_ip_prefix or None,
        "normalized_cidr": rule.remote_ip_prefix or None,
        "remote_group_id": str(rule.remote_group_id) if rule.remote_group_id else None,
        "remote_address_group_id": None,
        "belongs_to_default_sg": rule.group.name == "default",
        "description": rule.description,
        "tags": words_of(rule),
        "created_at": instant(rule.created_at),
        "updated_at": instant(rule.created_at),
        "revision_number": 0,
    }
