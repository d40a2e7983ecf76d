"""Writes answers as JSON, quickly: a list of servers is mostly this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from rest_framework.renderers import JSONRenderer
from rest_framework.utils.encoders import JSONEncoder

# Instants and subclasses go through the framework's own encoder, as with its own renderer.
OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS


class WireJSONRenderer(JSONRenderer):
    """JSON in UTF-8, without spaces."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """The bytes of the answer; none for an answer without a body."""
        if data is None:
            return b""
        return orjson.dumps(data, default=JSONEncoder().default, option=OPTIONS)
