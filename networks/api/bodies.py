"""Reads request bodies of the network API; a field that would have no effect is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudportal.api.validation import BOOLEAN, BodySchema, closed, is_true
from cloudportal.errors import Invalid
from hypervisors.models import INTERFACE
from networks.create import NewNetwork, NewPort, NewSubnet, WantedAddress
from networks.errors import InvalidInput
from networks.models import Ipv6Mode, NetworkType
from networks.provider import Provider
from networks.security_groups import NewRule

TEXT: dict[str, Any] = {"type": "string", "maxLength": 255}
_PROJECT: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 64}
ID: dict[str, Any] = {"type": "string", "maxLength": 64}
_ADDRESS: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 64}
EMPTY: dict[str, Any] = {"type": "array", "maxItems": 0}
ON: dict[str, Any] = {"enum": [True, "true", "True", "1"]}
OFF: dict[str, Any] = {"enum": [False, "false", "False", "0"]}
_GROUPS: dict[str, Any] = {
    "type": ["array", "null"],
    "maxItems": 16,
    "items": {"type": "string", "maxLength": 255},
}
OWN: dict[str, Any] = {"project_id": _PROJECT, "tenant_id": _PROJECT}
_POOLS: dict[str, Any] = {
    "type": "array",
    "maxItems": 64,
    "items": closed({"start": _ADDRESS, "end": _ADDRESS}, ["start", "end"]),
}
# By the service's words; a network that each host has for itself is a local one.
_TYPES = {
    "local": NetworkType.NAT,
    "flat": NetworkType.FLAT,
    "vlan": NetworkType.VLAN,
    "vxlan": NetworkType.VXLAN,
}

_PAIRS: dict[str, Any] = {
    "type": ["array", "null"],
    "maxItems": 64,
    "items": closed({"ip_address": _ADDRESS, "mac_address": _ADDRESS}, ["ip_address"]),
}
_IPV6_MODE: dict[str, Any] = {"enum": [*Ipv6Mode.values, None]}

CREATE_NETWORK = closed(
    {
        **OWN,
        "name": TEXT,
        "description": TEXT,
        "admin_state_up": ON,
        "shared": BOOLEAN,
        "router:external": BOOLEAN,
        "provider:network_type": {"enum": ["flat", "local", "vlan", "vxlan"]},
        "provider:physical_network": {"type": "string", "pattern": INTERFACE},
        "provider:segmentation_id": {
            "type": ["integer", "string"],
            "minimum": 0,
            "maximum": 2**31 - 1,
            "pattern": r"\A[0-9]{1,9}\Z",
        },
        "port_security_enabled": ON,
        "availability_zone_hints": EMPTY,
        "mtu": {"type": "integer", "minimum": 576, "maximum": 9000},
    }
)
UPDATE_NETWORK = closed(
    {"name": TEXT, "description": TEXT, "shared": BOOLEAN, "admin_state_up": ON}
)
CREATE_SUBNET = closed(
    {
        **OWN,
        "network_id": ID,
        "name": TEXT,
        "description": TEXT,
        "cidr": _ADDRESS,
        "ip_version": {"enum": [4, "4", 6, "6"]},
        "gateway_ip": _ADDRESS,
        "enable_dhcp": BOOLEAN,
        "allocation_pools": _POOLS,
        "dns_nameservers": {"type": "array", "maxItems": 5, "items": _ADDRESS},
        "host_routes": EMPTY,
        "service_types": EMPTY,
        "ipv6_ra_mode": _IPV6_MODE,
        "ipv6_address_mode": _IPV6_MODE,
    },
    ["network_id", "cidr"],
)
UPDATE_SUBNET = closed({"name": TEXT, "description": TEXT, "allocation_pools": _POOLS})
CREATE_PORT = closed(
    {
        **OWN,
        "network_id": ID,
        "name": TEXT,
        "description": TEXT,
        "mac_address": _ADDRESS,
        "fixed_ips": {
            "type": "array",
            "maxItems": 16,
            "items": closed({"subnet_id": ID, "ip_address": _ADDRESS}, minProperties=1),
        },
        "security_groups": _GROUPS,
        "admin_state_up": ON,
        "port_security_enabled": BOOLEAN,
        "allowed_address_pairs": _PAIRS,
        "extra_dhcp_opts": EMPTY,
        "binding:vnic_type": {"enum": ["normal"]},
        "device_id": {"enum": [""]},
        "device_owner": {"enum": [""]},
    },
    ["network_id"],
)
UPDATE_PORT = closed(
    {
        "name": TEXT,
        "description": TEXT,
        "admin_state_up": ON,
        "port_security_enabled": BOOLEAN,
        "security_groups": _GROUPS,
        "allowed_address_pairs": _PAIRS,
    }
)
CREATE_GROUP = closed(
    {**OWN, "name": TEXT, "description": TEXT, "stateful": ON},
    ["name"],
)
UPDATE_GROUP = closed({"name": TEXT, "description": TEXT, "stateful": ON})
_PORT_NUMBER: dict[str, Any] = {"type": ["integer", "string", "null"], "pattern": r"\A\d{1,5}\Z"}
_ABSENT: dict[str, Any] = {"type": "null"}
CREATE_RULE = closed(
    {
        **OWN,
        "security_group_id": ID,
        "direction": {"enum": ["ingress", "egress"]},
        "ethertype": {"enum": ["IPv4", "IPv6"]},
        "protocol": {"type": ["string", "integer", "null"], "maxLength": 40},
        "port_range_min": _PORT_NUMBER,
        "port_range_max": _PORT_NUMBER,
        "remote_ip_prefix": {"type": ["string", "null"], "maxLength": 64},
        "remote_group_id": {"type": ["string", "null"], "maxLength": 64},
        "remote_address_group_id": _ABSENT,
        "description": {"type": ["string", "null"], "maxLength": 255},
    },
    ["security_group_id", "direction"],
)

_COLUMNS = {"name": "name", "description": "description", "shared": "is_shared"}


class Body:
    """The schema of one resource's body, checked with the service's own words for strange keys."""

    def __init__(self, name: str, plural: str, schema: dict[str, Any]) -> None:
        self._name = name
        self._plural = plural
        self._known = set(schema["properties"])
        self._schema = BodySchema(schema)

    @property
    def one(self) -> dict[str, Any]:
        """The schema of the body with one resource."""
        return closed({self._name: self._schema.schema}, [self._name])

    @property
    def one_or_more(self) -> dict[str, Any]:
        """The schema of the body with one resource, or several."""
        several = {"type": "array", "minItems": 1, "maxItems": 100, "items": self._schema.schema}
        return {"anyOf": [self.one, closed({self._plural: several}, [self._plural])]}

    def is_bulk(self, body: Any) -> bool:
        """Whether several are asked for at once."""
        return isinstance(body, dict) and self._plural in body

    def read(self, body: Any) -> dict[str, Any]:
        """The one resource in its envelope.

        Raises:
            Invalid: no such envelope, or a value or key that is not accepted.
        """
        if not isinstance(body, dict) or set(body) != {self._name}:
            raise Invalid(f"Unable to find '{self._name}' in request body")
        return self._checked(body[self._name])

    def read_bulk(self, body: Any) -> list[dict[str, Any]]:
        """Several, in theirs."""
        items = body[self._plural]
        if set(body) != {self._plural} or not isinstance(items, list) or not 0 < len(items) <= 100:
            raise Invalid(f"Resources required: 1 to 100 of '{self._plural}'")
        return [self._checked(item) for item in items]

    def _checked(self, fields: Any) -> dict[str, Any]:
        if isinstance(fields, dict) and (strange := sorted(set(fields) - self._known)):
            raise InvalidInput(f"Unrecognized or unsupported attribute(s) '{', '.join(strange)}'")
        checked: dict[str, Any] = self._schema.check(fields)
        return checked


def _project(fields: Mapping[str, Any]) -> str | None:
    given = {fields[name] for name in ("project_id", "tenant_id") if name in fields}
    if len(given) > 1:
        raise Invalid("'project_id' and 'tenant_id' do not match")
    return given.pop() if given else None


def new_network(fields: Mapping[str, Any]) -> NewNetwork:
    """From a checked body."""
    return NewNetwork(
        name=fields.get("name", ""),
        description=fields.get("description", ""),
        project_id=_project(fields),
        is_shared=is_true(fields.get("shared", False)),
        mtu=fields.get("mtu"),
        is_external=is_true(fields.get("router:external", False)),
        provider=_provider(fields),
    )


def _provider(fields: Mapping[str, Any]) -> Provider:
    kind = fields.get("provider:network_type")
    return Provider(
        type=None if kind is None else _TYPES[kind],
        physical_network=fields.get("provider:physical_network", ""),
        segment=_number(fields.get("provider:segmentation_id")),
    )


def new_subnet(fields: Mapping[str, Any]) -> NewSubnet:
    """From a checked body; a subnet belongs to its network's project."""
    return NewSubnet(
        network_id=fields["network_id"],
        cidr=fields["cidr"],
        name=fields.get("name", ""),
        description=fields.get("description", ""),
        gateway_ip=fields.get("gateway_ip", ""),
        has_dhcp=is_true(fields.get("enable_dhcp", True)),
        allocation_pools=_pools(fields),
        dns_nameservers=fields.get("dns_nameservers", ()),
        project_id=_project(fields),
        ip_version=int(fields.get("ip_version", 4)),
        ipv6_ra_mode=fields.get("ipv6_ra_mode"),
        ipv6_address_mode=fields.get("ipv6_address_mode"),
    )


def new_port(fields: Mapping[str, Any]) -> NewPort:
    """From a checked body."""
    wanted = fields.get("fixed_ips")
    return NewPort(
        network_id=fields["network_id"],
        name=fields.get("name", ""),
        description=fields.get("description", ""),
        project_id=_project(fields),
        mac_address=fields.get("mac_address"),
        fixed_ips=None
        if wanted is None
        else [WantedAddress(each.get("subnet_id"), each.get("ip_address")) for each in wanted],
        security_groups=fields.get("security_groups"),
        has_port_security=is_true(fields.get("port_security_enabled", True)),
        address_pairs=fields.get("allowed_address_pairs") or (),
    )


def new_rule(fields: Mapping[str, Any]) -> NewRule:
    """From a checked body; its project is its group's."""
    protocol = fields.get("protocol")
    return NewRule(
        group_id=fields["security_group_id"],
        direction=fields["direction"],
        ethertype=fields.get("ethertype", "IPv4"),
        protocol="" if protocol is None else str(protocol),
        port_range_min=_number(fields.get("port_range_min")),
        port_range_max=_number(fields.get("port_range_max")),
        remote_ip_prefix=fields.get("remote_ip_prefix") or "",
        remote_group_id=fields.get("remote_group_id") or "",
        description=fields.get("description") or "",
    )


def _number(value: int | str | None) -> int | None:
    return None if value is None else int(value)


def project_of(fields: Mapping[str, Any]) -> str | None:
    """The project that a body names; None when it names none.

    Raises:
        Invalid: it names two.
    """
    return _project(fields)


def changes(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Columns and values of a checked body of an update."""
    found: dict[str, Any] = {
        column: fields[name] for name, column in _COLUMNS.items() if name in fields
    }
    if "port_security_enabled" in fields:
        found["has_port_security"] = is_true(fields["port_security_enabled"])
    if "allowed_address_pairs" in fields:
        found["address_pairs"] = fields["allowed_address_pairs"] or []
    if "is_shared" in found:
        found["is_shared"] = is_true(found["is_shared"])
    if "allocation_pools" in fields:
        found["allocation_pools"] = _pools(fields)
    return found


def _pools(fields: Mapping[str, Any]) -> list[list[str]] | None:
    pools = fields.get("allocation_pools")
    return None if pools is None else [[pool["start"], pool["end"]] for pool in pools]
