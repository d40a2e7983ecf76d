"""Which servers a list shows: filters over many servers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import Q

from networks.models import FixedIP
from servers.errors import InvalidServerRequest
from servers.models import ServerQuerySet
from servers.states import TaskState, VmState, states_of, status_of

# Filters whose value is a regular expression, and the column that it is searched in.
PATTERN_COLUMNS = {
    "name": "name",
    "hostname": "hostname",
    "key_name": "key_name",
    "reservation_id": "reservation_id",
    "node": "hypervisor__hostname",
    "availability_zone": "availability_zone",
    "description": "description",
    "display_description": "description",
    "display_name": "name",
    "root_device_name": "root_device_name",
    "access_ip_v4": "access_ip_v4",
    "access_ip_v6": "access_ip_v6",
}
EXACT_COLUMNS = {
    "project_id": "project_id",
    "tenant_id": "project_id",
    "user_id": "user_id",
    "vm_state": "vm_state",
    "task_state": "task_state",
    "host": "hypervisor__name",
    "locked_by": "locked_by",
    "flavor": "flavor__flavorid",
}
UUID_COLUMNS = {"uuid": "id", "image": "image_id", "image_ref": "image_id"}
NUMBER_COLUMNS = {
    "power_state": "power_state",
    "progress": "progress",
    "launch_index": "launch_index",
}
INSTANT_COLUMNS = {
    "created_at": "created_at",
    "launched_at": "launched_at",
    "terminated_at": "terminated_at",
}
MAX_PATTERN = 255


@dataclass(frozen=True, kw_only=True)
class ServerFilter:
    """What a list is narrowed to.

    `matches` are the filters of the tables above, by name. `statuses` None means any. `deleted`:
    True only deleted servers, False none, None both.
    """

    matches: Mapping[str, str] = field(default_factory=dict)
    statuses: Sequence[str] | None = None
    ip: str = ""
    ip6: str = ""
    changed_since: datetime | None = None
    changed_before: datetime | None = None
    deleted: bool | None = False
    is_locked: bool | None = None
    has_config_drive: bool | None = None
    disk_config: str = ""
    tags: Sequence[str] = ()
    tags_any: Sequence[str] = ()
    not_tags: Sequence[str] = ()
    not_tags_any: Sequence[str] = ()


def narrow(servers: ServerQuerySet, wanted: ServerFilter) -> ServerQuerySet:
    """Apply a filter.

    Raises:
        InvalidServerRequest: a value is not a regular expression where one is expected.
    """
    condition = Q()
    for name, value in wanted.matches.items():
        condition &= _match(name, value)
    if wanted.deleted is not None:
        condition &= Q(deleted_at__isnull=not wanted.deleted)
    if wanted.statuses is not None:
        condition &= _of_statuses(wanted.statuses)
    if wanted.changed_since is not None:
        condition &= Q(updated_at__gte=wanted.changed_since)
    if wanted.changed_before is not None:
        condition &= Q(updated_at__lte=wanted.changed_before)
    condition &= _of_columns(wanted)
    return _tagged(_with_address(servers.filter(condition), wanted), wanted)


def _of_columns(wanted: ServerFilter) -> Q:
    condition = Q()
    if wanted.is_locked is not None:
        condition &= ~Q(locked_by="") if wanted.is_locked else Q(locked_by="")
    if wanted.has_config_drive is not None:
        condition &= Q(has_config_drive=wanted.has_config_drive)
    if wanted.disk_config:
        condition &= Q(disk_config=wanted.disk_config)
    return condition


def _match(name: str, value: str) -> Q:
    if name in PATTERN_COLUMNS:
        return Q(**{f"{PATTERN_COLUMNS[name]}__regex": checked_pattern(value)})
    if name in UUID_COLUMNS:
        try:
            return Q(**{UUID_COLUMNS[name]: UUID(value)})
        except ValueError:
            return Q(pk__in=[])
    if name in NUMBER_COLUMNS:
        # Beyond what a column holds is a value that no server has.
        small = value.isdecimal() and len(value) < 10
        return Q(**{NUMBER_COLUMNS[name]: int(value)}) if small else Q(pk__in=[])
    if name in INSTANT_COLUMNS:
        return Q(**{INSTANT_COLUMNS[name]: _instant(value)})
    column = EXACT_COLUMNS[name]
    if value == "None" and name == "task_state":
        return Q(task_state=None)
    return Q(**{column: value})


def _instant(value: str) -> datetime:
    try:
        return parse_instant(value)
    except ValueError:
        raise InvalidServerRequest(f"Invalid filter value: {value} is not a time.") from None


def parse_instant(text: str) -> datetime:
    """An ISO 8601 instant; without a zone it is UTC.

    Raises:
        ValueError: it is none.
    """
    # A "+" of a zone arrives as a space when a client does not quote it.
    found = datetime.fromisoformat(text.strip().replace(" +", "+"))
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def checked_pattern(text: str) -> str:
    """A regular expression that both databases read alike.

    Raises:
        InvalidServerRequest: it is none.
    """
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError):
        raise InvalidServerRequest(
            f"Invalid filter value: {text} is no regular expression."
        ) from None
    if len(text) > MAX_PATTERN:
        raise InvalidServerRequest("Invalid filter value: the regular expression is too long.")
    return text


def _of_statuses(statuses: Iterable[str]) -> Q:
    condition = Q(pk__in=[])
    for status in statuses:
        for vm_state, tasks in states_of(status) or ():
            if tasks is not None:
                condition |= Q(vm_state=vm_state, task_state__in=tasks)
                continue
            others = [task for task in TaskState if status_of(vm_state, task) != status.upper()]
            with_task = ~Q(task_state__in=others) if others else Q()
            condition |= Q(vm_state=vm_state) & (Q(task_state=None) | with_task)
        if status.upper() == VmState.DELETED.upper():
            condition |= Q(deleted_at__isnull=False)
    return condition


def _with_address(servers: ServerQuerySet, wanted: ServerFilter) -> ServerQuerySet:
    for pattern, version in ((wanted.ip, 4), (wanted.ip6, 6)):
        if pattern:
            found = FixedIP.objects.filter(
                address__regex=checked_pattern(pattern), subnet__ip_version=version
            ).exclude(port__device_id="")
            owners = found.values_list("port__device_id", flat=True)
            servers = servers.filter(pk__in=[owner for owner in map(as_uuid, owners) if owner])
    return servers


def as_uuid(text: str) -> UUID | None:
    """The uuid that a text is, or None."""
    try:
        return UUID(text)
    except ValueError:
        return None


def _tagged(servers: ServerQuerySet, wanted: ServerFilter) -> ServerQuerySet:
    """Narrow by tags, which are few and read with the ids: JSON lists differ by database."""
    if not (wanted.tags or wanted.tags_any or wanted.not_tags or wanted.not_tags_any):
        return servers
    matching = [
        identifier
        for identifier, tags in servers.values_list("pk", "tags")
        if _tags_match(set(tags), wanted)
    ]
    return servers.filter(pk__in=matching)


def _tags_match(tags: set[str], wanted: ServerFilter) -> bool:
    return (
        tags.issuperset(wanted.tags)
        and (not wanted.tags_any or not tags.isdisjoint(wanted.tags_any))
        and (not wanted.not_tags or not tags.issuperset(wanted.not_tags))
        and tags.isdisjoint(wanted.not_tags_any)
    )
