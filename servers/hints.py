"""Scheduler hints: which of them this cloud heeds, and what they ask.

`group`, `same_host`, `different_host`, `query`, and `build_near_host_ip` with `cidr` are heeded.
Hints about cells are refused, for there are none here. Any other hint is kept and shown, and no
host is chosen by it: clients may hold notes there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from identity.actors import Actor
from scheduling.filters.json_query import MalformedQuery, parse_query
from servers.errors import InvalidServerRequest, ServerGroupNotFound
from servers.groups import find_group

INTERNAL = "_nova"
REFUSED = ("target_cell", "different_cell")
DEFAULT_PREFIX = "/24"


@dataclass(frozen=True)
class Hints:
    """What the hints ask: of other servers, of a group, of the hosts themselves."""

    same_host: list[str] = field(default_factory=list)
    different_host: list[str] = field(default_factory=list)
    group_id: UUID | None = None
    query: list[Any] = field(default_factory=list)
    near: str = ""


def read_hints(hints: Mapping[str, Any]) -> Hints:
    """Take the hints apart.

    Raises:
        InvalidServerRequest: one cannot be heeded, or is malformed.
    """
    for name in REFUSED:
        if name in hints:
            raise InvalidServerRequest(f"The scheduler hint '{name}' is not offered by this cloud.")
    return Hints(
        same_host=_listed(hints.get("same_host")),
        different_host=_listed(hints.get("different_host")),
        group_id=_group(_listed(hints.get("group"))),
        query=_query(hints.get("query")),
        near=_network(hints),
    )


def kept_hints(hints: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept and shown of them: all but those that the compute service keeps to itself."""
    return {name: value for name, value in hints.items() if not name.startswith(INTERNAL)}


def check_group(hints: Hints, actor: Actor) -> None:
    """Refuse a group that the actor does not see.

    Raises:
        InvalidServerRequest: there is no such group.
        Forbidden: the actor may not read groups.
    """
    if hints.group_id is None:
        return
    try:
        rule = "os_compute_api:os-server-groups:show"
        group = find_group(actor=actor, group_id=hints.group_id, rule=rule)
    except ServerGroupNotFound as error:
        raise InvalidServerRequest(str(error)) from error
    if group.project_id != actor.project_id:
        # An administrator sees it, but its members would be of two projects.
        raise InvalidServerRequest(f"Instance group {group.pk} belongs to another project.")


def _listed(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return list(value or ())


def _group(groups: list[str]) -> UUID | None:
    if len(groups) > 1:
        raise InvalidServerRequest("A server can be in one server group only.")
    return UUID(groups[0]) if groups else None


def _query(value: Any) -> list[Any]:
    if not value:
        return []
    if not isinstance(value, str):
        raise InvalidServerRequest("The scheduler hint 'query' must be a list, written as JSON.")
    try:
        return parse_query(value)
    except MalformedQuery as error:
        raise InvalidServerRequest(f"The scheduler hint 'query' is malformed: {error}") from error


def _network(hints: Mapping[str, Any]) -> str:
    address = hints.get("build_near_host_ip")
    if address is None:
        if "cidr" in hints:
            raise InvalidServerRequest(
                "The scheduler hint 'cidr' has a meaning together with 'build_near_host_ip' only."
            )
        return ""
    prefix = hints.get("cidr", DEFAULT_PREFIX)
    try:
        # With a scope, which only its own host knows, it is in no network.
        ipaddress.ip_address(address.replace("%", " "))
        return str(ipaddress.ip_network(f"{address}{prefix}", strict=False))
    except ValueError as error:
        raise InvalidServerRequest(
            f"The scheduler hints name no network: {address}{prefix}"
        ) from error
