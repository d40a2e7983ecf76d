"""Reads the query of an image list: filters, order, page."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce
from django.http import QueryDict
from django.utils.dateparse import parse_datetime

from cloudportal.api.paging import SortKey
from cloudportal.errors import Invalid
from identity.actors import Actor
from images.models import ImageMember, ImageQuerySet, MemberStatus, Visibility

DEFAULT_LIMIT = 25
MAX_LIMIT = 1000
_PAGING = frozenset({"limit", "marker", "sort", "sort_key", "sort_dir"})
_LISTS = {"name", "status", "id", "disk_format", "container_format"}
_COLUMNS = {
    "name": "name",
    "status": "status",
    "id": "id",
    "disk_format": "disk_format",
    "container_format": "container_format",
    "owner": "owner",
    "checksum": "checksum",
    "os_hash_value": "sha512",
    "min_disk": "min_disk_gib",
    "min_ram": "min_ram_mib",
    "size": "size",
}
_NUMBERS = {"min_disk", "min_ram", "size", "size_min", "size_max"}
_COMPARISONS = {"gt": "gt", "gte": "gte", "lt": "lt", "lte": "lte", "eq": "exact"}
# Sortable names, the columns behind them, and what stands for null.
_SORTABLE: dict[str, tuple[str, Any]] = {
    "name": ("name", ""),
    "status": ("status", None),
    "container_format": ("container_format", None),
    "disk_format": ("disk_format", None),
    "size": ("size", 0),
    "id": ("id", None),
    "created_at": ("created_at", None),
    "updated_at": ("updated_at", None),
}


def filtered(images: ImageQuerySet, query: QueryDict, actor: Actor) -> ImageQuerySet:
    """The images that the query asks for, of those that the actor may read.

    Raises:
        Invalid: a filter is malformed or unknown.
    """
    images = images.filter(_shared(query.get("member_status", "accepted"), actor))
    visibility = query.get("visibility", "")
    images = _by_visibility(images, visibility, actor)
    images = images.filter(is_hidden=_boolean("os_hidden", query.get("os_hidden", "false")))
    for name, values in query.lists():
        if name in _PAGING or name in ("visibility", "os_hidden", "member_status"):
            continue
        for value in values:
            # PostgreSQL's text has no NUL, so no image has one either.
            if "\0" in f"{name}{value}":
                raise Invalid("Invalid filter: a NUL character")
            images = images.filter(_condition(name, str(value)))
    return images


def _by_visibility(images: ImageQuerySet, visibility: str, actor: Actor) -> ImageQuerySet:
    if visibility in ("", "all"):
        hidden = ~Q(visibility=Visibility.COMMUNITY) | Q(owner=actor.project_id or "")
        return images if visibility else images.filter(hidden)
    if visibility not in Visibility.values:
        raise Invalid(f"Invalid visibility value: {visibility[:64]}")
    return images.filter(visibility=visibility)


def _condition(name: str, value: str) -> Q:
    special = _SPECIAL.get(name)
    if special is not None:
        return special(name, value)
    if name in _LISTS and value.startswith("in:"):
        return Q(**{f"{_COLUMNS[name]}__in": [_value(name, item) for item in _items(value[3:])]})
    if name in _COLUMNS:
        return Q(**{_COLUMNS[name]: _value(name, value)})
    if name == "changes-since":
        raise Invalid("Unsupported filter: changes-since")
    return _property(name, value)


def _items(text: str) -> list[str]:
    """The members of an `in:` list: comma-separated, quoted where they hold commas."""
    try:
        rows = list(csv.reader([text], strict=True, skipinitialspace=True))
    except csv.Error as error:
        raise Invalid(f"Invalid filter value {text[:200]!r}", detail=str(error)) from None
    return rows[0] if rows else []


def _value(name: str, value: str) -> Any:
    if name in _NUMBERS:
        return _number(name, value)
    if name == "id":
        try:
            return UUID(value)
        except ValueError:
            return UUID(int=0)  # nobody's id: not found, as any other value that no image has
    return value


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 19):
        raise Invalid(f"Invalid value for {name}: {value[:64]!r} is not a number")
    return int(value)


def _boolean(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise Invalid(f"Invalid value for {name}: {value[:64]!r} is neither true nor false")
    return value.lower() == "true"


def _tag(name: str, value: str) -> Q:
    return Q(tags__has_item=value)


def _protected(name: str, value: str) -> Q:
    return Q(is_protected=_boolean(name, value))


def _size_bound(name: str, value: str) -> Q:
    return Q(**{f"size__{'gte' if name == 'size_min' else 'lte'}": _number(name, value)})


def _when(name: str, value: str) -> Q:
    operator, colon, text = value.partition(":")
    if not colon or operator not in (*_COMPARISONS, "neq"):
        operator, text = "eq", value
    aware = _instant(text)
    if aware is None:
        raise Invalid(f"Invalid time for {name}: {value[:64]!r}")
    if operator == "neq":
        return ~_same_second(name, aware)
    return (
        _same_second(name, aware)
        if operator == "eq"
        else Q(**{f"{name}__{_COMPARISONS[operator]}": aware})
    )


def _instant(text: str) -> datetime | None:
    """The time that a text is, in UTC, where it is taken to be without a zone."""
    try:
        moment = parse_datetime(text)
        if moment is None:
            return None
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _same_second(name: str, moment: datetime) -> Q:
    """The wire shows whole seconds, so equality means the same second."""
    start = moment.replace(microsecond=0)
    return Q(**{f"{name}__gte": start, f"{name}__lte": start.replace(microsecond=999_999)})


def _shared(status: str, actor: Actor) -> Q:
    """Of images that others share with the actor those of this status; all else passes."""
    if status not in (*MemberStatus.values, "all"):
        raise Invalid(f"Invalid status: {status[:64]}")
    if actor.is_admin:
        return Q()
    mine = ImageMember.objects.filter(member=actor.project_id or "")
    if status != "all":
        mine = mine.filter(status=status)
    return (
        Q(owner=actor.project_id)
        | ~Q(visibility=Visibility.SHARED)
        | Q(pk__in=mine.values("image"))
    )


def _property(name: str, value: str) -> Q:
    if not name:
        raise Invalid("Invalid filter: it has no name")
    return Q(properties__has_pair=(name, value))


_SPECIAL: dict[str, Callable[[str, str], Q]] = {
    "tag": _tag,
    "protected": _protected,
    "size_min": _size_bound,
    "size_max": _size_bound,
    "created_at": _when,
    "updated_at": _when,
}


def sort_order(images: ImageQuerySet, query: QueryDict) -> tuple[ImageQuerySet, list[SortKey]]:
    """The images with null-free sort columns, and the order; newest first without a wish.

    Raises:
        Invalid: both ways of asking at once, or an unknown key or direction.
    """
    pairs = _asked_order(query)
    order: list[SortKey] = []
    for name, direction in pairs:
        if name not in _SORTABLE or direction not in ("asc", "desc"):
            raise Invalid(f"Invalid sort: {name[:64]}:{direction[:64]}")
        column, null = _SORTABLE[name]
        if null is not None:
            images = images.annotate(**{f"sort_{column}": Coalesce(F(column), Value(null))})
            column = f"sort_{column}"
        if column not in [key.column for key in order]:
            order.append(SortKey(column, descending=direction == "desc"))
    for column in ("created_at", "id"):
        if column not in [key.column for key in order]:
            order.append(SortKey(column, descending=True))
    return images, order


def _asked_order(query: QueryDict) -> list[tuple[str, str]]:
    if "sort" in query:
        if "sort_key" in query or "sort_dir" in query:
            raise Invalid("Old and new sorting syntax cannot be combined")
        parts = [part.strip().partition(":") for part in str(query["sort"]).split(",")]
        return [(name, direction or "desc") for name, _, direction in parts]
    keys = [str(key) for key in query.getlist("sort_key")]
    directions = [str(way) for way in query.getlist("sort_dir")] or ["desc"]
    if len(directions) not in (1, len(keys)) and keys:
        raise Invalid("Number of sort dirs does not match the number of sort keys")
    if len(directions) == 1:
        directions = directions * len(keys)
        if not keys:
            return [("created_at", str(query["sort_dir"]))] if "sort_dir" in query else []
    return list(zip(keys, directions, strict=False))
