"""The kinds of things the network API shows, and what can be asked about them."""

from django.db.models import Q

from networks.api.listing import Resource, address, boolean, identifier, number, text
from networks.api.representation import (
    floating_ip_body,
    group_body,
    network_body,
    port_body,
    router_body,
    rule_body,
    subnet_body,
)
from networks.models import NetworkType

_COMMON = {
    "id": ("id", identifier),
    "name": ("name", text),
    "description": ("description", text),
    "project_id": ("project_id", text),
    "tenant_id": ("project_id", text),
    "revision_number": ("revision", number),
}


def _tagged(value: str) -> Q:
    """Nothing has tags."""
    return Q(pk__in=[])


def _untagged(value: str) -> Q:
    return Q()


_TAGS = {"tags": _tagged, "tags-any": _tagged, "not-tags": _untagged, "not-tags-any": _untagged}


def _by_fixed_ip(value: str) -> Q:
    """`ip_address=10.0.0.5` or `subnet_id=…`."""
    name, _, wanted = value.partition("=")
    if name == "ip_address":
        return Q(fixed_ips__address=address(wanted))
    if name == "subnet_id":
        return Q(fixed_ips__subnet=identifier(wanted))
    return Q(pk__in=[])


def _by_group(value: str) -> Q:
    return Q(security_groups=identifier(value))


def _by_type(value: str) -> Q:
    inside = Q(is_external=False)
    found = {
        "flat": Q(is_external=True) | Q(type=NetworkType.FLAT),
        "local": inside & Q(type=NetworkType.NAT),
        "vlan": inside & Q(type=NetworkType.VLAN),
        "vxlan": inside & Q(type=NetworkType.VXLAN),
    }
    return found.get(value, Q(pk__in=[]))


def _by_place(value: str) -> Q:
    found = {"ACTIVE": Q(is_placed=True), "DOWN": Q(is_placed=False)}
    return found.get(value, Q(pk__in=[]))


NETWORK = Resource(
    "network",
    "networks",
    network_body,
    {
        **_COMMON,
        "admin_state_up": ("is_up", boolean),
        "shared": ("is_shared", boolean),
        "router:external": ("is_external", boolean),
        "mtu": ("mtu", number),
    },
    constants={"status": "ACTIVE", "port_security_enabled": "True", "is_default": "False"},
    conditions={**_TAGS, "provider:network_type": _by_type},
)
ROUTER = Resource(
    "router",
    "routers",
    router_body,
    _COMMON,
    constants={
        "status": "ACTIVE",
        "admin_state_up": "True",
        "distributed": "False",
        "ha": "False",
    },
    conditions=_TAGS,
)
FLOATING_IP = Resource(
    "floatingip",
    "floatingips",
    floating_ip_body,
    {
        **{name: each for name, each in _COMMON.items() if name != "name"},
        "floating_network_id": ("network_id", identifier),
        "floating_ip_address": ("address", address),
        "fixed_ip_address": ("fixed_address", address),
        "port_id": ("port_id", identifier),
        "router_id": ("router_id", identifier),
    },
    conditions={**_TAGS, "status": _by_place},
)
SUBNET = Resource(
    "subnet",
    "subnets",
    subnet_body,
    {
        **_COMMON,
        "network_id": ("network_id", identifier),
        "ip_version": ("ip_version", number),
        "cidr": ("cidr", text),
        "gateway_ip": ("gateway_ip", address),
        "enable_dhcp": ("has_dhcp", boolean),
        "ipv6_ra_mode": ("ipv6_mode", text),
        "ipv6_address_mode": ("ipv6_mode", text),
    },
    conditions=_TAGS,
)
PORT = Resource(
    "port",
    "ports",
    port_body,
    {
        **_COMMON,
        "network_id": ("network_id", identifier),
        "mac_address": ("mac_address", str.lower),
        "device_id": ("device_id", text),
        "device_owner": ("device_owner", text),
        "status": ("status", text),
        "port_security_enabled": ("has_port_security", boolean),
        "admin_state_up": ("is_up", boolean),
        "binding:host_id": ("host", text),
    },
    constants={"binding:vnic_type": "normal"},
    conditions={**_TAGS, "fixed_ips": _by_fixed_ip, "security_groups": _by_group},
)
GROUP = Resource("security_group", "security_groups", group_body, _COMMON, conditions=_TAGS)
RULE = Resource(
    "security_group_rule",
    "security_group_rules",
    rule_body,
    {
        "id": ("id", identifier),
        "security_group_id": ("group_id", identifier),
        "remote_group_id": ("remote_group_id", identifier),
        "remote_ip_prefix": ("remote_ip_prefix", text),
        "port_range_min": ("port_range_min", number),
        "port_range_max": ("port_range_max", number),
        "direction": ("direction", text),
        "ethertype": ("ethertype", text),
        "protocol": ("protocol", text),
        "description": ("description", text),
        "project_id": ("group__project_id", text),
        "tenant_id": ("group__project_id", text),
    },
)
