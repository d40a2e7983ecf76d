"""Reads request bodies of routers and floating IPs; what would have no effect is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudportal.api.validation import BodySchema, closed
from networks.api.bodies import EMPTY, ID, OFF, ON, OWN, TEXT, project_of
from networks.errors import BadRequest
from networks.floating_ips import NewFloatingIP, Target
from networks.routers import NewRouter

_NULL_ID: dict[str, Any] = {"type": ["string", "null"], "maxLength": 64}
_NULL_ADDRESS: dict[str, Any] = {"type": ["string", "null"], "minLength": 1, "maxLength": 64}
# The way out has no address of its own and is always behind NAT.
_GATEWAY: dict[str, Any] = {
    **closed({"network_id": ID, "enable_snat": ON, "external_fixed_ips": EMPTY}),
    "type": ["object", "null"],
}
_ROUTER: dict[str, Any] = {
    "name": TEXT,
    "description": TEXT,
    "admin_state_up": ON,
    "external_gateway_info": _GATEWAY,
}
CREATE_ROUTER = closed(
    {
        **OWN,
        **_ROUTER,
        "distributed": OFF,
        "ha": OFF,
        "availability_zone_hints": EMPTY,
    }
)
UPDATE_ROUTER = closed({**_ROUTER, "routes": EMPTY, "distributed": OFF, "ha": OFF})
INTERFACE = BodySchema(closed({"subnet_id": ID, "port_id": ID}))
CREATE_FLOATING_IP = closed(
    {
        **OWN,
        "floating_network_id": ID,
        "subnet_id": _NULL_ID,
        "floating_ip_address": _NULL_ADDRESS,
        "port_id": _NULL_ID,
        "fixed_ip_address": _NULL_ADDRESS,
        "description": TEXT,
    },
    ["floating_network_id"],
)
UPDATE_FLOATING_IP = closed(
    {"port_id": _NULL_ID, "fixed_ip_address": _NULL_ADDRESS, "description": TEXT}
)


def new_router(fields: Mapping[str, Any]) -> NewRouter:
    """From a checked body."""
    return NewRouter(
        name=fields.get("name", ""),
        description=fields.get("description", ""),
        project_id=project_of(fields),
        external_network_id=_way_out(fields),
    )


def router_changes(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What a checked body changes."""
    found = {name: fields[name] for name in ("name", "description") if name in fields}
    if "external_gateway_info" in fields:
        found["external_network_id"] = _way_out(fields)
    return found


def _way_out(fields: Mapping[str, Any]) -> str | None:
    """None and nothing inside both close it."""
    network_id: str | None = (fields.get("external_gateway_info") or {}).get("network_id")
    return network_id


def new_floating_ip(fields: Mapping[str, Any]) -> NewFloatingIP:
    """From a checked body.

    Raises:
        BadRequest: an address of a port is named without the port.
    """
    return NewFloatingIP(
        network_id=fields["floating_network_id"],
        subnet_id=fields.get("subnet_id"),
        address=fields.get("floating_ip_address"),
        description=fields.get("description", ""),
        project_id=project_of(fields),
        target=target_of(fields),
    )


def target_of(fields: Mapping[str, Any]) -> Target | None:
    """Where a floating IP is to lead; None: nowhere.

    Raises:
        BadRequest: an address of a port is named without the port.
    """
    port_id, address = fields.get("port_id"), fields.get("fixed_ip_address")
    if port_id:
        return Target(port_id, address)
    if address:
        raise BadRequest(
            "Bad floatingip request: fixed_ip_address cannot be specified without a port_id."
        )
    return None
