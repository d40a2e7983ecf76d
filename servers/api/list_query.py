"""Reads the query string of a server list: scope, filters, order and page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import DataError
from django.db.models import Case, QuerySet, Value, When
from django.db.models.functions import Coalesce
from django.http import QueryDict

from cloudportal.api.microversions import Microversion, Versioned
from cloudportal.api.paging import SortKey, after, parse_limit
from cloudportal.api.query import ANY, QuerySchema
from cloudportal.api.validation import is_true
from cloudportal.api.views import WireRequest
from cloudportal.errors import Forbidden, Invalid
from cloudportal.loading import load
from identity import policy
from identity.actors import Actor
from servers.find import visible_servers
from servers.listing import ServerFilter, as_uuid, narrow, parse_instant
from servers.models import Server, ServerQuerySet
from servers.states import states_of

STRICT = Microversion(2, 75)
STRICT_STATUS = Microversion(2, 38)
LONG_AGO = datetime(1, 1, 2, tzinfo=UTC)

# Query keys that anyone may use, and since when.
FOR_EVERYONE = {
    **dict.fromkeys(("reservation_id", "name", "status", "image", "flavor", "ip"), "2.1"),
    **dict.fromkeys(("changes-since", "limit", "marker", "sort_key", "sort_dir"), "2.1"),
    "ip6": "2.5",
    **dict.fromkeys(("tags", "tags-any", "not-tags", "not-tags-any"), "2.26"),
    "changes-before": "2.66",
    "locked": "2.73",
    **dict.fromkeys(
        (
            *("availability_zone", "config_drive", "key_name", "created_at", "launched_at"),
            *("terminated_at", "power_state", "task_state", "vm_state", "progress", "user_id"),
        ),
        "2.83",
    ),
    "hostname": "2.90",
}
FOR_ADMIN = {
    *("all_tenants", "tenant_id", "project_id", "host", "node", "deleted", "soft_deleted", "uuid"),
    *("kernel_id", "ramdisk_id", "image_ref", "display_name", "description", "locked_by"),
    *("display_description", "root_device_name", "access_ip_v4", "access_ip_v6", "ip6"),
    *("auto_disk_config", "launch_index", "availability_zone", "config_drive", "key_name"),
    *("created_at", "launched_at", "terminated_at", "power_state", "task_state", "vm_state"),
    *("progress", "user_id", "hostname", "instance_type_id", "cleaned"),
}
_KEYS = dict.fromkeys(sorted({*FOR_EVERYONE, *FOR_ADMIN}), ANY)
# A key that is known but not yet for this caller is dropped, never refused.
LIST = Versioned({"2.1": QuerySchema(_KEYS), "2.75": QuerySchema(_KEYS, closed=True)})
# Columns of other tables, which an old filter could reach.
_JOINED = {
    *("metadata", "services", "system_metadata", "info_cache", "security_groups"),
    *("block_device_mapping", "pci_devices"),
}
_SPECIAL = {
    *("status", "ip", "ip6", "tags", "tags-any", "not-tags", "not-tags-any", "changes-since"),
    *(
        "changes-before",
        "all_tenants",
        "deleted",
        "soft_deleted",
        "config_drive",
        "limit",
        "marker",
    ),
    *("sort_key", "sort_dir", "locked", "auto_disk_config"),
    # What these name never exists here: no kernel images or soft deletion.
    *("kernel_id", "ramdisk_id", "instance_type_id", "cleaned"),
}
_TRUE = frozenset({"true", "t", "1", "on", "yes", "y"})
_FALSE = frozenset({"false", "f", "0", "off", "no", "n"})
_NOWHERE = {"kernel_id", "ramdisk_id"}


@dataclass(frozen=True)
class _Column:
    """A column to sort by, or an expression; a null sorts as `empty`."""

    name: str
    empty: Any = None
    admin_only: bool = False
    since: str = "2.1"
    expression: Any = None


_IS_LOCKED = Case(When(locked_by="", then=0), default=1)
SORT_KEYS = {
    "access_ip_v4": _Column("access_ip_v4", "0.0.0.0"),  # noqa: S104 - sorts first, is not bound
    "access_ip_v6": _Column("access_ip_v6", "::"),
    "auto_disk_config": _Column("disk_config"),
    "availability_zone": _Column("availability_zone"),
    "config_drive": _Column("has_config_drive"),
    "created_at": _Column("created_at"),
    "display_description": _Column("description", ""),
    "display_name": _Column("name"),
    "host": _Column("hypervisor__name", "", admin_only=True),
    "hostname": _Column("hostname"),
    "image_ref": _Column("image_id"),
    "instance_type_id": _Column("flavor__flavorid"),
    "kernel_id": _Column("id"),
    "key_name": _Column("key_name", ""),
    "launch_index": _Column("launch_index"),
    "launched_at": _Column("launched_at", LONG_AGO),
    "locked": _Column("locked", since="2.73", expression=_IS_LOCKED),
    "locked_by": _Column("locked_by"),
    "node": _Column("hypervisor__hostname", "", admin_only=True),
    "power_state": _Column("power_state"),
    "progress": _Column("progress"),
    "project_id": _Column("project_id"),
    "ramdisk_id": _Column("id"),
    "root_device_name": _Column("root_device_name"),
    "task_state": _Column("task_state", ""),
    "terminated_at": _Column("terminated_at", LONG_AGO),
    "updated_at": _Column("updated_at"),
    "user_id": _Column("user_id"),
    "uuid": _Column("id"),
    "vm_state": _Column("vm_state"),
}
# Known to older clients; nothing was ever sorted by them.
IGNORED_SORT_KEYS = {
    *("architecture", "cell_name", "cleaned", "default_ephemeral_device", "default_swap_device"),
    *("deleted", "deleted_at", "disable_terminate", "ephemeral_gb", "ephemeral_key_uuid", "id"),
    *("key_data", "launched_on", "memory_mb", "os_type", "reservation_id", "root_gb"),
    *("shutdown_terminate", "user_data", "vcpus", "vm_mode"),
}


@dataclass(frozen=True)
class Page:
    """A page of servers; `marker` is where the next one begins, "" when this one is not full."""

    servers: list[Server]
    marker: str


def read_page(request: WireRequest, columns: list[str], *, rule: str) -> Page:
    """The servers that a list answers with, read with these columns, for who passes the rule.

    Raises:
        Invalid: a parameter is wrong.
        Forbidden: the actor may not list so much, or sort by that.
    """
    query, version, actor = request.GET, request.microversion, request.actor
    servers = _visible(query, actor, rule)
    wanted = read_filter(query, version, actor)
    order = _order(query, version, actor)
    limit = parse_limit(query)
    marker = _marker(query, _sortable(servers, order))
    rows = _sortable(narrow(servers, wanted), order)
    try:
        found = after(
            rows, [key for key, _ in order], marker, limit, read=lambda page: load(page, columns)
        )
    except DataError as error:
        # PostgreSQL has its own mind about regular expressions, and says so only now.
        raise Invalid("Invalid filter value.", detail=str(error)) from error
    is_full = bool(found) and len(found) == limit
    return Page(found, str(found[-1].pk) if is_full else "")


def _visible(query: QueryDict, actor: Actor, rule: str) -> ServerQuerySet:
    policy.require(actor, rule, project_id=actor.project_id)
    return visible_servers(actor, all_projects=_asks_all_projects(query), rule=rule)


def _asks_all_projects(query: QueryDict) -> bool:
    """Whether servers of all projects are asked for: an empty value asks for them too."""
    asked = query.get("all_tenants")
    if not asked:
        return asked is not None
    if asked.lower() not in _TRUE | _FALSE:
        raise Invalid(
            "Invalid input for query parameters all_tenants. "
            f"Value: {asked}. Unrecognized value '{asked}'"
        )
    return asked.lower() in _TRUE


def read_filter(query: QueryDict, version: Microversion, actor: Actor) -> ServerFilter:
    """What the list is narrowed to; filters that the actor may not use are dropped.

    Raises:
        Invalid: a key or a value is wrong.
        Forbidden: deleted servers are asked for by somebody who may not see them.
    """
    _check_keys(query)
    allowed = {key for key, since in FOR_EVERYONE.items() if Microversion.parse(since) <= version}
    for_admin = policy.allows(actor, "os_compute_api:servers:allow_all_filters")
    if for_admin:
        allowed |= FOR_ADMIN
    values = {key: str(query[key]) for key in query if key in allowed}
    if not _asks_all_projects(query):
        values.pop("project_id", None)
        values.pop("tenant_id", None)
    since, before = (read_instant(values, key) for key in ("changes-since", "changes-before"))
    if since and before and since > before:
        raise Invalid("The value of changes-since must be less than or equal to changes-before.")
    statuses = _statuses(query, version, for_admin=for_admin)
    return ServerFilter(
        matches=_matches(values),
        statuses=statuses,
        ip=values.get("ip", ""),
        ip6=values.get("ip6", ""),
        changed_since=since,
        changed_before=before,
        deleted=_deleted(values, statuses, is_about_changes=bool(since or before)),
        is_locked=_strict_flag(values, "locked"),
        has_config_drive=_flag(values.get("config_drive")),
        disk_config=_disk_config(values.get("auto_disk_config")),
        tags=_split(values.get("tags")),
        tags_any=_split(values.get("tags-any")),
        not_tags=_split(values.get("not-tags")),
        not_tags_any=_split(values.get("not-tags-any")),
    )


def _check_keys(query: QueryDict) -> None:
    for key in query:
        if key.startswith("_") or key in _JOINED:
            raise Invalid(f"Invalid filter field: {key}.")


def _matches(values: Mapping[str, str]) -> dict[str, str]:
    found = {key: value for key, value in values.items() if key not in _SPECIAL}
    if any(values.get(key) for key in _NOWHERE):
        found["uuid"] = ""
    if is_true(values.get("soft_deleted", "")):
        found["vm_state"] = "soft-delete"
    return found


def read_instant(values: Mapping[str, str], key: str) -> datetime | None:
    """The ISO 8601 instant under a key, None when it is absent.

    Raises:
        Invalid: it is no instant.
    """
    if key not in values:
        return None
    try:
        return parse_instant(values[key])
    except ValueError:
        raise Invalid(
            f"Invalid input for query parameters {key}. Value: {values[key]}. "
            f"'{values[key]}' is not a 'date-time'"
        ) from None


def _statuses(query: QueryDict, version: Microversion, *, for_admin: bool) -> list[str] | None:
    if "status" not in query:
        return None
    statuses = [status.upper() for status in query.getlist("status")]
    if "DELETED" in statuses and not for_admin:
        raise Forbidden("Only administrators may list deleted instances")
    known = [status for status in statuses if states_of(status)]
    if not known and version >= STRICT_STATUS:
        raise Invalid("Invalid status value")
    return known


def _deleted(
    values: Mapping[str, str], statuses: list[str] | None, *, is_about_changes: bool
) -> bool | None:
    if statuses is not None and "DELETED" in statuses:
        return True if statuses == ["DELETED"] else None
    if "deleted" in values:
        return is_true(values["deleted"])
    return None if is_about_changes else False


def _flag(text: str | None) -> bool | None:
    return None if text is None else is_true(text)


def _strict_flag(values: Mapping[str, str], key: str) -> bool | None:
    if key not in values:
        return None
    text = values[key].strip().lower()
    if text not in _TRUE | _FALSE:
        raise Invalid(
            f"Invalid input for query parameters {key}. Value: {values[key]}. "
            f"Unrecognized value '{values[key]}'"
        )
    return text in _TRUE


def _disk_config(text: str | None) -> str:
    if text is None:
        return ""
    return "AUTO" if is_true(text) else "MANUAL"


def _split(text: str | None) -> list[str]:
    return text.split(",") if text else []


def _order(query: QueryDict, version: Microversion, actor: Actor) -> list[tuple[SortKey, _Column]]:
    names = query.getlist("sort_key") or ["created_at"]
    directions = query.getlist("sort_dir")
    order: list[tuple[SortKey, _Column]] = []
    for position, name in enumerate(names):
        column = _sort_column(name, version, actor)
        if column is None or any(column.name == known.name for _, known in order):
            continue
        given = directions[position : position + 1] or directions[-1:] or ["desc"]
        if given[0] not in {"asc", "desc"}:
            raise Invalid(
                f"Invalid input for query parameters sort_dir. Value: {given[0]}. "
                f"'{given[0]}' is not one of ['asc', 'desc']"
            )
        order.append((SortKey(_alias(column), given[0] == "desc"), column))
    if not any(column.name == "id" for _, column in order):
        order.append((SortKey("id", order[0][0].descending if order else True), _Column("id")))
    return order


def _sort_column(name: str, version: Microversion, actor: Actor) -> _Column | None:
    column = SORT_KEYS.get(name)
    if column is None and name in IGNORED_SORT_KEYS and version < STRICT:
        return None
    if column is None or version < Microversion.parse(column.since):
        raise Invalid(
            f"Invalid input for query parameters sort_key. Value: {name}. "
            f"'{name}' is not one of {sorted(SORT_KEYS)}"
        )
    if column.admin_only and not actor.is_admin:
        raise Forbidden(f"Only administrators can sort servers by {name}")
    return column


def _alias(column: _Column) -> str:
    return (
        column.name
        if column.empty is None and column.expression is None and "__" not in column.name
        else f"sort_{column.name}"
    )


def _sortable(servers: ServerQuerySet, order: list[tuple[SortKey, _Column]]) -> ServerQuerySet:
    aliases: dict[str, Any] = {}
    for key, column in order:
        if key.column != column.name:
            aliases[key.column] = column.expression or Coalesce(column.name, Value(column.empty))
    return servers.annotate(**aliases) if aliases else servers


def _marker(query: QueryDict, servers: QuerySet[Server]) -> Server | None:
    text = query.get("marker")
    if not text:
        return None
    identifier = as_uuid(text)
    marker = servers.filter(pk=identifier).first() if identifier else None
    if marker is None:
        raise Invalid(f"marker [{text}] not found")
    return marker
