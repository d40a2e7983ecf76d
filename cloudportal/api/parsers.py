"""Reads request bodies as the wire services do: JSON, whatever the content type calls it."""

import json
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import BaseParser

from cloudportal.api.validation import LenientObject
from cloudportal.errors import Invalid, UnsupportedMediaType

ACCEPTED = {
    "",
    "text/plain",
    "application/json",
    "application/vnd.openstack.compute+json",
    "application/openstack-images-v2.1-json-patch",
    "application/openstack-images-v2.0-json-patch",
}


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


class WireJSONParser(BaseParser):
    """JSON under the media types that real clients send; another media type is a 415."""

    media_type = "*/*"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The decoded body; an empty one is None.

        Raises:
            Invalid: the body is not JSON.
            UnsupportedMediaType: the content type is none of the accepted ones.
        """
        kind = (media_type or "").split(";")[0].strip().lower()
        if kind not in ACCEPTED:
            raise UnsupportedMediaType(f"Unsupported Content-Type: {kind}")
        content = stream.read()
        if not content:
            return None
        try:
            text = content.decode("utf-8")
            # NaN and Infinity are not JSON, and PostgreSQL's json type refuses them; NUL neither.
            is_legacy = getattr((parser_context or {}).get("view"), "is_legacy", False)
            hook = LenientObject if is_legacy else None
            value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=hook)
            if "\\u" in text:
                # Half of a surrogate pair is a text that no database and no answer can hold.
                json.dumps(value, ensure_ascii=False).encode("utf-8")
        except (ValueError, RecursionError) as error:
            raise Invalid("Malformed request body", detail=str(error)[:200]) from error
        # Written anew, a NUL is that escape, and an escaped backslash before it is two characters.
        if "\\u0000" in text.lower() and "\\u0000" in json.dumps(value).replace("\\\\", ""):
            raise Invalid("Malformed request body", detail="a NUL character")
        return value
