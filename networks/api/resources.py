"""The kinds of things the network API shows, and what can be asked about them."""

from collections.abc import Callable
from datetime import UTC, timedelta

from django.db.models import CharField, Model, Q
from django.db.models.functions import Cast
from django.utils.dateparse import parse_datetime

from networks.api.listing import Resource, address, boolean, identifier, number, text
from networks.api.representation import (
    ZONE,
    floating_ip_body,
    group_body,
    network_body,
    port_body,
    router_body,
    rule_body,
    subnet_body,
)
from networks.api.shapes import (
    FLOATING_IP_SHAPE,
    GROUP_SHAPE,
    NETWORK_SHAPE,
    PORT_SHAPE,
    ROUTER_SHAPE,
    RULE_SHAPE,
    SUBNET_SHAPE,
)
from networks.groups import DEFAULT_GROUP
from networks.models import (
    FixedIP,
    FloatingIP,
    Network,
    NetworkShare,
    NetworkType,
    Port,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
)
from networks.models.sharing import EVERYBODY
from networks.tags import bears_all, bears_any

_COMMON = {
    "id": ("id", identifier),
    "name": ("name", text),
    "description": ("description", text),
    "project_id": ("project_id", text),
    "tenant_id": ("project_id", text),
    "revision_number": ("revision", number),
}


def _moment(column: str) -> Callable[[str], Q]:
    """The second that is shown of an instant."""

    def condition(value: str) -> Q:
        try:
            start = parse_datetime(value)
        except ValueError:
            start = None
        if start is None:
            return Q(pk__in=[])
        start = start if start.tzinfo else start.replace(tzinfo=UTC)
        return Q(**{f"{column}__gte": start, f"{column}__lt": start + timedelta(seconds=1)})

    return condition


def _tags_and_times(model: type[Model]) -> dict[str, Callable[[str], Q]]:
    """Several tags are separated by commas."""
    return {
        "tags": lambda value: bears_all(model, value.split(",")),
        "tags-any": lambda value: bears_any(model, value.split(",")),
        "not-tags": lambda value: ~bears_all(model, value.split(",")),
        "not-tags-any": lambda value: ~bears_any(model, value.split(",")),
        "created_at": _moment("created_at"),
        "updated_at": _moment("updated_at"),
    }


_TIMES = {"created_at": "created_at", "updated_at": "updated_at"}


def _by_subnet(value: str) -> Q:
    return Q(pk__in=Subnet.objects.filter(pk=identifier(value)).values("network_id"))


def _shared(value: str) -> Q:
    lent = NetworkShare.objects.filter(target_project_id=EVERYBODY).values("network_id")
    shared = Q(is_shared=True) | Q(pk__in=lent)
    return shared if boolean(value) else ~shared


def _of_default_group(value: str) -> Q:
    default = Q(group__name=DEFAULT_GROUP)
    return default if boolean(value) else ~default


def _by_fixed_ip(value: str) -> Q:
    """`ip_address=10.0.0.5`, or some of it by `ip_address_substr=`, or `subnet_id=…`."""
    name, _, wanted = value.partition("=")
    if name == "ip_address":
        return Q(fixed_ips__address=address(wanted))
    if name == "ip_address_substr":
        there = FixedIP.objects.annotate(text=Cast("address", CharField()))
        return Q(pk__in=there.filter(text__contains=text(wanted)).values("port_id"))
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
    NETWORK_SHAPE,
    {
        **_COMMON,
        "admin_state_up": ("is_up", boolean),
        "router:external": ("is_external", boolean),
        "mtu": ("mtu", number),
        "provider:physical_network": ("physical_network", text),
        "provider:segmentation_id": ("segment", number),
    },
    constants={
        "status": "ACTIVE",
        "port_security_enabled": "True",
        "is_default": "False",
        "availability_zones": ZONE,
    },
    conditions={
        **_tags_and_times(Network),
        "provider:network_type": _by_type,
        "subnets": _by_subnet,
        "shared": _shared,
    },
    sorts={**_TIMES, "shared": "is_shared"},
    for_admins=frozenset(
        {"provider:network_type", "provider:physical_network", "provider:segmentation_id"}
    ),
)
ROUTER = Resource(
    "router",
    "routers",
    router_body,
    ROUTER_SHAPE,
    _COMMON,
    constants={
        "status": "ACTIVE",
        "admin_state_up": "True",
        "distributed": "False",
        "ha": "False",
        "availability_zones": ZONE,
    },
    conditions=_tags_and_times(Router),
    sorts=_TIMES,
)
FLOATING_IP = Resource(
    "floatingip",
    "floatingips",
    floating_ip_body,
    FLOATING_IP_SHAPE,
    {
        **{name: each for name, each in _COMMON.items() if name != "name"},
        "floating_network_id": ("network_id", identifier),
        "floating_ip_address": ("address", address),
        "fixed_ip_address": ("fixed_address", address),
        "port_id": ("port_id", identifier),
        "router_id": ("router_id", identifier),
    },
    conditions={**_tags_and_times(FloatingIP), "status": _by_place},
    sorts=_TIMES,
)
SUBNET = Resource(
    "subnet",
    "subnets",
    subnet_body,
    SUBNET_SHAPE,
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
    conditions=_tags_and_times(Subnet),
    sorts=_TIMES,
)
PORT = Resource(
    "port",
    "ports",
    port_body,
    PORT_SHAPE,
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
    constants={"binding:vnic_type": "normal", "ip_allocation": "immediate"},
    conditions={
        **_tags_and_times(Port),
        "fixed_ips": _by_fixed_ip,
        "security_groups": _by_group,
    },
    sorts=_TIMES,
)
GROUP = Resource(
    "security_group",
    "security_groups",
    group_body,
    GROUP_SHAPE,
    _COMMON,
    constants={"stateful": "True", "shared": "False"},
    conditions=_tags_and_times(SecurityGroup),
    sorts=_TIMES,
)
RULE = Resource(
    "security_group_rule",
    "security_group_rules",
    rule_body,
    RULE_SHAPE,
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
        "normalized_cidr": ("remote_ip_prefix", text),
    },
    constants={"revision_number": "0"},
    conditions={
        **_tags_and_times(SecurityGroupRule),
        "updated_at": _moment("created_at"),
        "belongs_to_default_sg": _of_default_group,
    },
    sorts={"created_at": "created_at", "updated_at": "created_at"},
)
