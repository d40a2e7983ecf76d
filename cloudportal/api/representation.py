"""How a thing looks on the wire: one table of fields, each with the microversions that show it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from cloudportal.api.microversions import Microversion

T = TypeVar("T")

STRING: dict[str, Any] = {"type": "string"}
INTEGER: dict[str, Any] = {"type": "integer"}
BOOLEAN: dict[str, Any] = {"type": "boolean"}
OBJECT: dict[str, Any] = {"type": "object"}
NULL: dict[str, Any] = {"type": "null"}


def record(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """The schema of an object with these keys and no others; `optional` ones may be absent."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def mapping(values: Any) -> dict[str, Any]:
    """The schema of an object with any keys, whose values are all of one kind."""
    return {"type": "object", "additionalProperties": values}


def array(items: Any) -> dict[str, Any]:
    """The schema of a list of things of one kind."""
    return {"type": "array", "items": items}


def nullable(schema: Any) -> dict[str, Any]:
    """The schema of a value that may be null."""
    return {"anyOf": [schema, NULL]}


LINKS: dict[str, Any] = array(record({"rel": STRING, "href": STRING}, {"type": STRING}))


class Field(Generic[T]):
    """One key: how its value is read, its schema, and from when to when it is shown (inclusive).

    An `optional` key is not in every answer: the view takes it out, or puts it in.
    """

    def __init__(
        self,
        key: str,
        read: Callable[[T], Any],
        schema: dict[str, Any] | None = None,
        *,
        since: str = "2.1",
        until: str = "",
        optional: bool = False,
    ) -> None:
        self.optional = optional
        self.key = key
        self.read = read
        self.schema = schema or {}
        self._since = Microversion.parse(since)
        self._until = Microversion.parse(until) if until else None

    def is_shown(self, version: Microversion) -> bool:
        """Whether the field exists at a microversion."""
        return self._since <= version and (self._until is None or version <= self._until)


class Representation(Generic[T]):
    """The fields of one kind of answer, in their order."""

    def __init__(self, *fields: Field[T]) -> None:
        self._fields = fields

    def show(self, thing: T, version: Microversion) -> dict[str, Any]:
        """The wire form of a thing at a microversion."""
        return {field.key: field.read(thing) for field in self._fields if field.is_shown(version)}

    def at(self, version: Microversion) -> dict[str, Any]:
        """The JSON Schema of the wire form: these keys and no others."""
        shown = [field for field in self._fields if field.is_shown(version)]
        return record(
            {field.key: field.schema for field in shown if not field.optional},
            {field.key: field.schema for field in shown if field.optional},
        )
