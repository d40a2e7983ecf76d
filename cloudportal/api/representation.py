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
LINKS: dict[str, Any] = {"type": "array", "items": OBJECT}


class Field(Generic[T]):
    """One key: how its value is read, its schema, and from when to when it is shown (inclusive)."""

    def __init__(
        self,
        key: str,
        read: Callable[[T], Any],
        schema: dict[str, Any] | None = None,
        *,
        since: str = "2.1",
        until: str = "",
    ) -> None:
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
        """The JSON Schema of the wire form, for the OpenAPI document."""
        shown = {field.key: field.schema for field in self._fields if field.is_shown(version)}
        return {"type": "object", "properties": shown}
