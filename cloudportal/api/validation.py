"""Request validation by JSON Schema, with the wording that clients of the wire APIs know.

A schema is a plain dict: the same declaration validates, words the error and appears in the
OpenAPI document.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any
from uuid import UUID

from jsonschema import Draft202012Validator, FormatChecker, validators
from jsonschema.exceptions import ValidationError

from cloudportal.errors import Invalid

formats = FormatChecker(formats=())


@formats.checks("uuid", raises=ValueError)
def _uuid(value: object) -> bool:
    if not isinstance(value, str):
        return True
    text = value.removeprefix("urn:").removeprefix("uuid:").strip("{}").replace("-", "").lower()
    return str(UUID(value)).replace("-", "") == text


@formats.checks("ipv4", raises=ValueError)
def _ipv4(value: object) -> bool:
    return not isinstance(value, str) or bool(ipaddress.IPv4Address(value))


@formats.checks("ipv6", raises=ValueError)
def _ipv6(value: object) -> bool:
    return not isinstance(value, str) or bool(ipaddress.IPv6Address(value))


@formats.checks("ip-or-empty", raises=ValueError)
def _ip_or_empty(value: object) -> bool:
    return not isinstance(value, str) or value == "" or bool(ipaddress.ip_address(value))


@formats.checks("base64", raises=(ValueError, binascii.Error))
def _base64(value: object) -> bool:
    if isinstance(value, str):
        base64.b64decode(re.sub(r"\s+", "", value), validate=True)
    return True


@formats.checks("name", raises=ValueError)
def _name(value: object) -> bool:
    """Printable and without white space around it; `isprintable` counts a space as printable."""
    if not isinstance(value, str):
        return True
    return value == value.strip() and bool(value) and value.isprintable()


NAME_REASON = (
    "An invalid 'name' value was provided. The name must be: printable characters. "
    "Can not start or end with whitespace."
)

BOOLEAN: dict[str, Any] = {
    "enum": [
        *(True, "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes"),
        *(False, "False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no"),
    ],
    "not": {"type": "number"},
}
NAME: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 255, "format": "name"}
# The length keeps a text of digits short enough to be read as a number at all.
NON_NEGATIVE: dict[str, Any] = {
    "type": ["integer", "string"],
    "pattern": r"^[0-9]+\Z",
    "minimum": 0,
    "maxLength": 20,
}
POSITIVE: dict[str, Any] = {
    "type": ["integer", "string"],
    "pattern": r"^0*[1-9][0-9]*\Z",
    "minimum": 1,
    "maxLength": 20,
}


def is_true(value: object) -> bool:
    """What a boolean-like value (already validated by `BOOLEAN`) means."""
    return value is True or (isinstance(value, str) and value.lower() in {"true", "1", "on", "yes"})


def closed(properties: dict[str, Any], required: Iterable[str] = (), **more: Any) -> dict[str, Any]:
    """An object schema that refuses unknown keys."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
        **more,
    }


class LenientObject(dict[str, Any]):
    """An object of a body from before microversions.

    What its schema does not know is dropped from it instead of refused, and names lose the white
    space around them.
    """


def _drop_unknown(
    validator: Any, allowed: Any, instance: Any, schema: dict[str, Any]
) -> Iterator[ValidationError]:
    if allowed is False and isinstance(instance, LenientObject):
        patterns = schema.get("patternProperties", {})
        for key in list(instance):
            if key not in schema.get("properties", {}) and not any(
                re.search(pattern, key) for pattern in patterns
            ):
                del instance[key]
        return
    yield from Draft202012Validator.VALIDATORS["additionalProperties"](
        validator, allowed, instance, schema
    )


def _strip_names(
    validator: Any, properties: dict[str, Any], instance: Any, schema: dict[str, Any]
) -> Iterator[ValidationError]:
    if isinstance(instance, LenientObject):
        for key, value in instance.items():
            known = properties.get(key)
            if isinstance(value, str) and isinstance(known, dict) and known.get("format") == "name":
                instance[key] = value.strip()
    yield from Draft202012Validator.VALIDATORS["properties"](
        validator, properties, instance, schema
    )


_LenientValidator: type[Draft202012Validator] = validators.extend(  # type: ignore[no-untyped-call]  # jsonschema's own
    Draft202012Validator,
    {"additionalProperties": _drop_unknown, "properties": _strip_names},
)


class BodySchema:
    """A request body's schema, ready to check many bodies."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema

    @cached_property
    def _validator(self) -> Draft202012Validator:
        # Of a body that has no lenient object in it the two think alike.
        return _LenientValidator(self.schema, format_checker=formats)

    def check(self, body: Any) -> Any:
        """Return the body unchanged if it is valid; a lenient one without what is not known.

        Raises:
            Invalid: with the first fault in the wire's words.
        """
        error = first_error(self._validator, body)
        if error is not None:
            raise Invalid(_words(error))
        return body


def first_error(validator: Draft202012Validator, value: Any) -> ValidationError | None:
    """The fault to report, the outermost first; None when there is none."""
    return min(validator.iter_errors(value), key=_depth, default=None)


def _depth(error: ValidationError) -> tuple[int, str]:
    return len(error.absolute_path), ".".join(map(str, error.absolute_path))


def _words(error: ValidationError) -> str:
    if error.validator == "format" and error.validator_value == "name":
        # The field's clients know this text alone, without the name and value before it.
        return NAME_REASON
    path = [str(part) for part in error.absolute_path]
    reason = error.message
    if len(reason) > 512:
        reason = reason[:512] + "…"
    if not path:
        return reason
    value = str(error.instance)
    if len(value) > 256:
        value = value[:256] + "…"
    return f"Invalid input for field/attribute {path[-1]}. Value: {value}. {reason}"
