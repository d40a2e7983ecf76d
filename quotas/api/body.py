"""Which limits the wire shows and takes at each microversion, and how they are written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cloudportal.api.microversions import Microversion, Versioned
from cloudportal.api.representation import INTEGER, STRING, record
from cloudportal.api.validation import BOOLEAN, BodySchema, closed
from quotas.resources import MAX_LIMIT, UNLIMITED

_ALWAYS = ("instances", "cores", "ram", "metadata_items", "key_pairs")
_GROUPS = ("server_groups", "server_group_members")
_INJECTED = ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes")
# Limits of the network service under their old names: always unlimited here.
RELICS = ("fixed_ips", "floating_ips", "security_groups", "security_group_rules")

SET_NAMES = Versioned(
    {
        "2.1": (*_ALWAYS, *_GROUPS, *_INJECTED, *RELICS),
        "2.36": (*_ALWAYS, *_GROUPS, *_INJECTED),
        "2.57": (*_ALWAYS, *_GROUPS),
    }
)
CLASS_NAMES = Versioned(
    {
        "2.1": (*_ALWAYS, *_INJECTED, *RELICS),
        "2.50": (*_ALWAYS, *_GROUPS, *_INJECTED),
        "2.57": (*_ALWAYS, *_GROUPS),
    }
)
_LIMIT = {
    "type": ["integer", "string"],
    "pattern": r"^-?[0-9]+\Z",
    "maxLength": 20,
    "minimum": UNLIMITED,
    "maximum": MAX_LIMIT,
}
_UNLIMITED_ONLY = {"enum": [UNLIMITED, str(UNLIMITED)]}


def _limits(names: tuple[str, ...]) -> dict[str, Any]:
    return {name: _UNLIMITED_ONLY if name in RELICS else _LIMIT for name in names}


def _update_set(version: str) -> BodySchema:
    names = SET_NAMES.at(Microversion.parse(version))
    body = closed({**_limits(names), "force": BOOLEAN})
    return BodySchema(closed({"quota_set": body}, ["quota_set"]))


def _update_class(version: str) -> BodySchema:
    names = CLASS_NAMES.at(Microversion.parse(version))
    return BodySchema(closed({"quota_class_set": closed(_limits(names))}, ["quota_class_set"]))


UPDATE_SET = Versioned({version: _update_set(version) for version in ("2.1", "2.36", "2.57")})
UPDATE_CLASS = Versioned({version: _update_class(version) for version in ("2.1", "2.50", "2.57")})


def wanted_limits(values: Mapping[str, Any]) -> dict[str, int]:
    """The limits in a validated body; the relics are unlimited already."""
    return {
        name: int(value) for name, value in values.items() if name != "force" and name not in RELICS
    }


@dataclass(frozen=True)
class ShownLimits:
    """The form of the limits in an answer, with the id or without it."""

    names: Versioned[tuple[str, ...]]
    with_id: bool = True
    value: dict[str, Any] = field(default_factory=lambda: INTEGER)

    def at(self, version: Microversion) -> dict[str, Any]:
        """Its schema at a microversion."""
        identifier = {"id": STRING} if self.with_id else {}
        return record({**identifier, **dict.fromkeys(self.names.at(version), self.value)})


def shown_limits(names: tuple[str, ...], limits: Mapping[str, int]) -> dict[str, int]:
    """The limits as the wire shows them."""
    return {name: UNLIMITED if name in RELICS else limits[name] for name in names}
