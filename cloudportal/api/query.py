"""Query strings: their keys and values by a schema, as strict as the microversion asks."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.http import QueryDict
from jsonschema import Draft202012Validator

from cloudportal.api.microversions import Versioned
from cloudportal.api.validation import first_error, formats
from cloudportal.errors import Invalid

ANY: dict[str, Any] = {"type": "string"}
NON_NEGATIVE_TEXT: dict[str, Any] = {"type": "string", "pattern": r"^[0-9]*\Z"}


class QuerySchema:
    """The keys that a query string may have, each with the schema of one value.

    `single` names the keys that may come once only; of the others the caller sees all values.
    Unknown keys are refused when it is `closed`, else ignored.
    """

    def __init__(
        self,
        values: dict[str, dict[str, Any]],
        *,
        closed: bool = False,
        single: frozenset[str] | set[str] = frozenset(),
    ) -> None:
        self.schema: dict[str, Any] = {
            "type": "object",
            "properties": {
                key: {"type": "array", "items": value, **({"maxItems": 1} if key in single else {})}
                for key, value in values.items()
            },
            "additionalProperties": not closed,
        }

    @cached_property
    def _validator(self) -> Draft202012Validator:
        return Draft202012Validator(self.schema, format_checker=formats)

    def check(self, query: QueryDict) -> QueryDict:
        """The known part of the query.

        Raises:
            Invalid: with the first fault in the wire's words.
        """
        error = first_error(self._validator, dict(query.lists()))
        if error is not None:
            if not error.absolute_path:
                raise Invalid(error.message)
            raise Invalid(
                f"Invalid input for query parameters {error.absolute_path[0]}. "
                f"Value: {error.instance}. {error.message}"
            )
        known = QueryDict(mutable=True)
        for key in self.schema["properties"]:
            if key in query:
                known.setlist(key, query.getlist(key))
        return known


# Most single things ignore the query until 2.101 and refuse any key after.
NO_QUERY = Versioned({"2.1": QuerySchema({}), "2.102": QuerySchema({}, closed=True)})
# Tags, quota defaults and one volume attachment ignore it at every microversion.
IGNORED = QuerySchema({})
