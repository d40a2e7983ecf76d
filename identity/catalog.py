"""The catalogue: which services there are and where."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

REGION = "RegionOne"
INTERFACES = ("public", "internal", "admin")
# Type, name, path below the portal's address.
_OFFERED = (
    ("identity", "keystone", "/identity/v3"),
    ("compute", "nova", "/compute/v2.1"),
    ("image", "glance", "/image"),
    ("network", "neutron", "/network"),
    # The volume service by its present name and by the one that older clients ask for.
    ("block-storage", "cinder", "/volume/v3"),
    ("volumev3", "cinderv3", "/volume/v3"),
)


@dataclass(frozen=True)
class Endpoint:
    """One address of a service."""

    id: str
    interface: str
    url: str
    service_id: str
    region: str = REGION


@dataclass(frozen=True)
class Service:
    """A service with its addresses."""

    id: str
    type: str
    name: str
    endpoints: tuple[Endpoint, ...]


def services(base_url: str) -> list[Service]:
    """Every service offered at the portal's public address; ids are the same at every call."""
    return [_service(kind, name, base_url + path) for kind, name, path in _OFFERED]


def _service(kind: str, name: str, url: str) -> Service:
    identifier = _id(kind)
    endpoints = tuple(
        Endpoint(_id(f"{kind}/{interface}"), interface, url, identifier) for interface in INTERFACES
    )
    return Service(identifier, kind, name, endpoints)


def _id(name: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_URL, f"cloudportal:{name}").hex
