"""What the network API answers: each body once, every key named, closed.

What is shown to administrators alone is optional; `fields=` makes every key so.
"""

from __future__ import annotations

from typing import Any

from cloudportal.api.representation import (
    BOOLEAN,
    INTEGER,
    LINKS,
    NULL,
    STRING,
    array,
    nullable,
    record,
)

Shape = dict[str, Any]

_TEXT = nullable(STRING)
_NUMBER = nullable(INTEGER)
_NOTHING = {"type": "array", "maxItems": 0}
_TRUE = {"const": True}
_FALSE = {"const": False}
_OWNED = {"tenant_id": STRING, "project_id": STRING}
_DATED = {
    "description": STRING,
    "tags": array(STRING),
    "created_at": STRING,
    "updated_at": STRING,
    "revision_number": INTEGER,
}
_COMMON = {"id": STRING, "name": STRING, **_OWNED, **_DATED}
_IN_ZONES = {"availability_zone_hints": _NOTHING, "availability_zones": array(STRING)}
NETWORK_SHAPE = record(
    {
        **_COMMON,
        "admin_state_up": BOOLEAN,
        "status": {"enum": ["ACTIVE", "DOWN"]},
        "subnets": array(STRING),
        "shared": BOOLEAN,
        "router:external": BOOLEAN,
        "mtu": INTEGER,
        "port_security_enabled": _TRUE,
        **_IN_ZONES,
        "ipv4_address_scope": NULL,
        "ipv6_address_scope": NULL,
        "is_default": _FALSE,
        "qos_policy_id": NULL,
    },
    {
        "provider:network_type": {"enum": ["flat", "local", "vlan", "vxlan"]},
        "provider:physical_network": _TEXT,
        "provider:segmentation_id": _NUMBER,
    },
)
_GATEWAY = record({"network_id": STRING, "enable_snat": _TRUE, "external_fixed_ips": _NOTHING})
ROUTER_SHAPE = record(
    {
        **_COMMON,
        "admin_state_up": _TRUE,
        "status": {"const": "ACTIVE"},
        "external_gateway_info": nullable(_GATEWAY),
        "routes": _NOTHING,
        "distributed": _FALSE,
        "ha": _FALSE,
        **_IN_ZONES,
        "flavor_id": NULL,
    }
)
INTERFACE_SHAPE = record(
    {
        "id": STRING,
        **_OWNED,
        "port_id": STRING,
        "network_id": STRING,
        "subnet_id": STRING,
        "subnet_ids": array(STRING),
        "tags": _NOTHING,
    }
)
_DEVICE = {
    "network_id": STRING,
    "mac_address": STRING,
    "admin_state_up": BOOLEAN,
    "status": STRING,
    "device_id": STRING,
    "device_owner": STRING,
}
FLOATING_IP_SHAPE = record(
    {
        "id": STRING,
        **_OWNED,
        **_DATED,
        "floating_network_id": STRING,
        "floating_ip_address": STRING,
        "port_id": _TEXT,
        "fixed_ip_address": _TEXT,
        "router_id": _TEXT,
        "status": {"enum": ["ACTIVE", "DOWN"]},
        "port_details": nullable(record({"name": STRING, **_DEVICE})),
        "dns_domain": STRING,
        "dns_name": STRING,
        "port_forwardings": _NOTHING,
        "qos_policy_id": NULL,
    }
)
SUBNET_SHAPE = record(
    {
        **_COMMON,
        "network_id": STRING,
        "ip_version": {"enum": [4, 6]},
        "cidr": STRING,
        "gateway_ip": _TEXT,
        "enable_dhcp": BOOLEAN,
        "allocation_pools": array(record({"start": STRING, "end": STRING})),
        "dns_nameservers": array(STRING),
        "host_routes": _NOTHING,
        "ipv6_ra_mode": _TEXT,
        "ipv6_address_mode": _TEXT,
        "subnetpool_id": NULL,
        "service_types": _NOTHING,
        "segment_id": NULL,
    }
)
_EMPTY = {"type": "object", "maxProperties": 0}
PORT_SHAPE = record(
    {
        **_COMMON,
        **_DEVICE,
        "fixed_ips": array(record({"subnet_id": STRING, "ip_address": STRING})),
        "security_groups": array(STRING),
        "port_security_enabled": BOOLEAN,
        "allowed_address_pairs": array(record({"mac_address": STRING, "ip_address": STRING})),
        "extra_dhcp_opts": _NOTHING,
        "qos_policy_id": NULL,
        "ip_allocation": {"const": "immediate"},
        "binding:vnic_type": {"const": "normal"},
    },
    {
        "binding:host_id": STRING,
        "binding:vif_type": STRING,
        "binding:vif_details": _EMPTY,
        "binding:profile": _EMPTY,
    },
)
RULE_SHAPE = record(
    {
        "id": STRING,
        **_OWNED,
        **_DATED,
        "security_group_id": STRING,
        "direction": {"enum": ["ingress", "egress"]},
        "ethertype": {"enum": ["IPv4", "IPv6"]},
        "protocol": _TEXT,
        "port_range_min": _NUMBER,
        "port_range_max": _NUMBER,
        "remote_ip_prefix": _TEXT,
        "normalized_cidr": _TEXT,
        "remote_group_id": _TEXT,
        "remote_address_group_id": NULL,
        "belongs_to_default_sg": BOOLEAN,
    }
)
GROUP_SHAPE = record(
    {
        **_COMMON,
        "stateful": _TRUE,
        "shared": _FALSE,
        "security_group_rules": array(RULE_SHAPE),
    }
)
SHARE_SHAPE = record(
    {
        "id": STRING,
        **_OWNED,
        "object_type": {"const": "network"},
        "object_id": STRING,
        "action": {"const": "access_as_shared"},
        "target_tenant": STRING,
        "target_project_id": STRING,
    }
)
AGENT_SHAPE = record(
    {
        "id": STRING,
        "agent_type": STRING,
        "binary": STRING,
        "topic": STRING,
        "host": STRING,
        "availability_zone": STRING,
        "alive": BOOLEAN,
        "admin_state_up": BOOLEAN,
        "description": STRING,
        "configurations": record({"libvirt_version": INTEGER}),
        "created_at": STRING,
        "started_at": STRING,
        "heartbeat_timestamp": STRING,
        "resources_synced": NULL,
    }
)
TAGS_SHAPE = record({"tags": array(STRING)})
_VERSION = record({"id": STRING, "status": STRING, "links": LINKS})
VERSIONS_SHAPE = record({"versions": array(_VERSION)})
_RESOURCE = record({"name": STRING, "collection": STRING, "links": LINKS})
RESOURCES_SHAPE = record({"resources": array(_RESOURCE)})
_EXTENSION = record(
    {"alias": STRING, "name": STRING, "description": STRING, "updated": STRING, "links": _NOTHING}
)
EXTENSIONS_SHAPE = record({"extensions": array(_EXTENSION)})
EXTENSION_SHAPE = record({"extension": _EXTENSION})
_ZONE = record({"name": STRING, "resource": STRING, "state": STRING})
ZONES_SHAPE = record({"availability_zones": array(_ZONE)})
TOPOLOGY_SHAPE = record({"auto_allocated_topology": record({"id": STRING, **_OWNED})})


def limits_shape(names: list[str]) -> Shape:
    """The limits of a project, by these names."""
    return record({"quota": record(dict.fromkeys(names, INTEGER))})


def all_limits_shape(names: list[str]) -> Shape:
    """Those of several projects."""
    return record({"quotas": array(record({**dict.fromkeys(names, INTEGER), **_OWNED}))})


def details_shape(names: list[str]) -> Shape:
    """The limits of a project beside what it uses."""
    detail = record({"limit": INTEGER, "used": INTEGER, "reserved": INTEGER})
    return record({"quota": record(dict.fromkeys(names, detail))})
