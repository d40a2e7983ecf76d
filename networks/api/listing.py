"""Lists as the network service has them: any shown field filters, repeated values mean "or"."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from django.http import QueryDict

from cloudportal.api.paging import SortKey, after, next_link, parse_limit
from cloudportal.api.query import ANY, QuerySchema
from cloudportal.api.representation import LINKS, array, record
from cloudportal.api.validation import is_true
from cloudportal.errors import Invalid
from identity.actors import Actor
from networks.lookup import find
from networks.models import SecurityGroup
from networks.models.sharing import TAGGED
from networks.tags import tags_of

Body = dict[str, Any]
_PAGING = ("fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir")
# What is shown of one thing.
FIELDS = QuerySchema({"fields": ANY})
_TRUTH = {"true", "false", "1", "0", "yes", "no", "on", "off"}


def text(value: str) -> Any:
    """Any text; NUL is in no column."""
    return value.replace("\0", "")


def identifier(value: str) -> Any:
    """A uuid; what is none is nobody's."""
    try:
        return UUID(value)
    except ValueError:
        return UUID(int=0)


def address(value: str) -> Any:
    """An IP address; what is none is nobody's."""
    try:
        return str(ip_address(value))
    except ValueError:
        return "::"


def number(value: str) -> Any:
    """A number; what is none, or too long for a column, equals nothing."""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else -1


def boolean(value: str) -> Any:
    """A truth value.

    Raises:
        Invalid: it is none.
    """
    if value.lower() not in _TRUTH:
        raise Invalid(
            f"Invalid input for operation: '{value[:64]}' cannot be converted to boolean."
        )
    return is_true(value.lower())


def attach_words(rows: Sequence[Any]) -> None:
    """Put their tags on things of one kind, and on the rules of groups, for their bodies."""
    if not rows or type(rows[0]) not in TAGGED:
        return
    _put_words(rows)
    if isinstance(rows[0], SecurityGroup):
        _put_words([rule for group in rows for rule in group.rules.all()])


def _put_words(rows: Sequence[Any]) -> None:
    words = tags_of(rows)
    for row in rows:
        row.words = words[row.pk]


@dataclass(frozen=True)
class Resource:
    """One kind of thing: its names, how it is shown, what filters and sorts it.

    `shape`: all keys of its body. `columns`: by wire name, the column and how its values are read.
    `constants`: wire names whose value is the same for all. `conditions`: filters that are more
    than one column. `sorts`: what sorts it and filters it otherwise. `for_admins`: filters by what
    others are not shown. `key`: the column of the wire's id. `attach` puts on rows what bodies need
    besides.
    """

    name: str
    plural: str
    body: Callable[[Any, Actor], Body]
    shape: Body
    columns: Mapping[str, tuple[str, Callable[[str], Any]]]
    constants: Mapping[str, str] = field(default_factory=dict)
    conditions: Mapping[str, Callable[[str], Q]] = field(default_factory=dict)
    sorts: Mapping[str, str] = field(default_factory=dict)
    for_admins: frozenset[str] = frozenset()
    key: str = "id"
    attach: Callable[[Sequence[Any]], None] = attach_words

    @property
    def asked(self) -> QuerySchema:
        """The query of a list: what narrows it, orders it, and the page; others are ignored."""
        narrowing = {**self.columns, **self.constants, **self.conditions}
        return QuerySchema(dict.fromkeys((*narrowing, *_PAGING), ANY))

    @property
    def shown(self) -> Body:
        """The shape of a thing by itself, with the fields that are asked for."""
        return record({self.name: self._some})

    @property
    def listed(self) -> Body:
        """The shape of a list."""
        return record({self.plural: array(self._some)}, {f"{self.plural}_links": LINKS})

    @property
    def made(self) -> Body:
        """The shape of one new thing, or of several."""
        return {
            "anyOf": [record({self.name: self.shape}), record({self.plural: array(self.shape)})]
        }

    @property
    def _some(self) -> Body:
        return {**self.shape, "required": []}

    def show(self, row: Model, query: QueryDict, actor: Actor) -> Body:
        """The thing in its envelope, with the fields that are asked for."""
        self.attach([row])
        return {self.name: self._chosen(row, query, actor)}

    def _chosen(self, row: Model, query: QueryDict, actor: Actor) -> Body:
        body = self.body(row, actor)
        fields = {str(name) for name in query.getlist("fields")}
        return {key: body[key] for key in body if key in fields} if fields else body

    def page(self, rows: QuerySet[Any], query: QueryDict, actor: Actor, url: str) -> Body:
        """One page in its envelope, with links when a limit was asked for.

        Raises:
            Invalid: a malformed filter, sort key, marker or limit.
        """
        marker = self._marker(rows, query)
        for name, values in query.lists():
            if name in self.for_admins and not actor.is_admin:
                continue
            rows = rows.filter(self._condition(name, [str(value) for value in values]))
        limit = parse_limit(query)
        backwards = query.get("page_reverse", "").lower() in ("true", "1")
        found = after(rows.distinct(), self._order(query, backwards=backwards), marker, limit)
        if backwards:
            found.reverse()
        self.attach(found)
        body: Body = {self.plural: [self._chosen(row, query, actor) for row in found]}
        if query.get("limit") and found:
            body[f"{self.plural}_links"] = _links(
                [str(getattr(row, self.key)) for row in found],
                limit,
                query,
                url,
                backwards=backwards,
            )
        return body

    def _condition(self, name: str, values: list[str]) -> Q:
        if name in self.columns:
            column, read = self.columns[name]
            return Q(**{f"{column}__in": [read(value) for value in values]})
        if name in self.constants:
            same = self.constants[name].lower() in [value.lower() for value in values]
            return Q() if same else Q(pk__in=[])
        if name in self.conditions:
            condition = Q(pk__in=[])
            for value in values:
                condition |= self.conditions[name](value)
            return condition
        return Q()  # the service ignores what it does not know, unless it says it validates

    def _marker(self, rows: QuerySet[Any], query: QueryDict) -> Any:
        marker = query.get("marker")
        if not marker:
            return None
        found = find(rows, str(marker), self.key)
        if found is None:
            raise Invalid(f"Marker {str(marker)[:64]} could not be found.")
        return found

    def _order(self, query: QueryDict, *, backwards: bool) -> list[SortKey]:
        keys = [str(key) for key in query.getlist("sort_key")]
        directions = [str(way) for way in query.getlist("sort_dir")]
        if directions and len(directions) != len(keys):
            raise Invalid("The number of sort_keys and sort_dirs must be same")
        order = []
        for position, key in enumerate(keys):
            direction = directions[position] if directions else "asc"
            column = self.sorts.get(key) or self.columns.get(key, ("",))[0]
            if not column or direction not in ("asc", "desc"):
                raise Invalid(f"[{key[:64]!r}] is invalid attribute for sort_key, or its sort_dir.")
            order.append(SortKey(column, descending=direction == "desc"))
        if "id" not in [key.column for key in order]:
            order.append(SortKey("id"))
        if not backwards:
            return order
        return [SortKey(key.column, descending=not key.descending) for key in order]


def _links(
    page: list[str], limit: int, query: QueryDict, url: str, *, backwards: bool
) -> list[dict[str, str]]:
    plain = query.copy()
    plain.pop("page_reverse", None)
    links = []
    if backwards or len(page) == limit:
        links.append({"rel": "next", "href": next_link(url, plain, page[-1])})
    if query.get("marker") and not (backwards and len(page) < limit):
        plain["page_reverse"] = "True"
        links.append({"rel": "previous", "href": next_link(url, plain, page[0])})
    return links
