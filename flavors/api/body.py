"""What a flavor looks like on the wire, coming and going, at each microversion."""

from __future__ import annotations

from typing import Any

from cloudportal.api.microversions import Microversion, Versioned
from cloudportal.api.openapi import merged
from cloudportal.api.representation import BOOLEAN as FLAG
from cloudportal.api.representation import (
    INTEGER,
    LINKS,
    STRING,
    Field,
    Representation,
    mapping,
    record,
)
from cloudportal.api.validation import (
    BOOLEAN,
    NAME,
    NON_NEGATIVE,
    POSITIVE,
    BodySchema,
    closed,
    is_true,
)
from cloudportal.api.views import ComputeView
from flavors.create import NewFlavor
from flavors.models import MAX_INT, Flavor

DESCRIPTION: dict[str, Any] = {"type": ["string", "null"], "minLength": 0, "maxLength": 65535}
# Nothing is written as an empty text until 2.74.
_OLD_SWAP: dict[str, Any] = {"anyOf": [INTEGER, {"const": ""}]}
_FIELDS: dict[str, Any] = {
    "name": NAME,
    "id": {
        "oneOf": [
            {
                "type": "string",
                "minLength": 1,
                "maxLength": 255,
                "pattern": r"^(?! )[a-zA-Z0-9. _-]+(?<! )\Z",
            },
            {"type": "number"},
            {"type": "null"},
        ]
    },
    "ram": {**POSITIVE, "maximum": MAX_INT},
    "vcpus": {**POSITIVE, "maximum": MAX_INT},
    "disk": {**NON_NEGATIVE, "maximum": MAX_INT},
    "OS-FLV-EXT-DATA:ephemeral": {**NON_NEGATIVE, "maximum": MAX_INT},
    "swap": {**NON_NEGATIVE, "maximum": MAX_INT},
    "os-flavor-access:is_public": BOOLEAN,
}
_RXTX = {
    "rxtx_factor": {
        "type": ["number", "string"],
        "pattern": r"^[0-9]+(\.[0-9]+)?\Z",
        "exclusiveMinimum": 0,
    }
}
_DESCRIBED = {"description": DESCRIPTION}


def _body(properties: dict[str, Any], *required: str) -> BodySchema:
    return BodySchema(closed({"flavor": closed(properties, required)}, ["flavor"]))


_REQUIRED = ("name", "ram", "vcpus", "disk")
CREATE = Versioned(
    {
        "2.1": _body({**_FIELDS, **_RXTX}, *_REQUIRED),
        "2.55": _body({**_FIELDS, **_RXTX, **_DESCRIBED}, *_REQUIRED),
        "2.102": _body({**_FIELDS, **_DESCRIBED}, *_REQUIRED),
    }
)
UPDATE = _body(_DESCRIBED, "description")


def new_flavor(body: dict[str, Any]) -> NewFlavor:
    """Read a validated body of creation."""
    wanted = body["flavor"]
    flavorid = wanted.get("id")
    return NewFlavor(
        name=wanted["name"],
        vcpus=int(wanted["vcpus"]),
        ram_mib=int(wanted["ram"]),
        disk_gib=int(wanted["disk"]),
        ephemeral_gib=int(wanted.get("OS-FLV-EXT-DATA:ephemeral", 0)),
        swap_mib=int(wanted.get("swap", 0)),
        rxtx_factor=float(wanted.get("rxtx_factor", 1.0)),
        is_public=is_true(wanted.get("os-flavor-access:is_public", True)),
        flavorid=None if flavorid is None else str(flavorid),
        description=wanted.get("description"),
    )


DETAIL: Representation[Flavor] = Representation(
    Field("id", lambda flavor: flavor.flavorid, STRING),
    Field("name", lambda flavor: flavor.name, STRING),
    Field("ram", lambda flavor: flavor.ram_mib, INTEGER),
    Field("disk", lambda flavor: flavor.disk_gib, INTEGER),
    Field("vcpus", lambda flavor: flavor.vcpus, INTEGER),
    Field("swap", lambda flavor: flavor.swap_mib or "", _OLD_SWAP, until="2.74"),
    Field("swap", lambda flavor: flavor.swap_mib, INTEGER, since="2.75"),
    Field("OS-FLV-EXT-DATA:ephemeral", lambda flavor: flavor.ephemeral_gib, INTEGER),
    Field("os-flavor-access:is_public", lambda flavor: flavor.is_public, FLAG),
    Field("OS-FLV-DISABLED:disabled", lambda flavor: flavor.is_disabled, FLAG, until="2.101"),
    Field("rxtx_factor", lambda flavor: flavor.rxtx_factor, {"type": "number"}, until="2.101"),
    Field("description", lambda flavor: flavor.description, DESCRIPTION, since="2.55"),
)
# Not a plain field: only those who may read extra specs are shown it.
EXTRA_SPECS: Representation[Flavor] = Representation(
    Field(
        "extra_specs",
        lambda flavor: dict(flavor.extra_specs),
        mapping(STRING),
        since="2.61",
        optional=True,
    ),
)
SHORT: Representation[Flavor] = Representation(
    Field("id", lambda flavor: flavor.flavorid, STRING),
    Field("name", lambda flavor: flavor.name, STRING),
    Field("description", lambda flavor: flavor.description, DESCRIPTION, since="2.55"),
)


# Links need the view's address, so they are no plain field either.
_LINKED = record({"links": LINKS})
DETAIL_SCHEMA = merged(DETAIL, EXTRA_SPECS, _LINKED)
SHORT_SCHEMA = merged(SHORT, _LINKED)


def show_detail(
    view: ComputeView, flavor: Flavor, version: Microversion, *, with_specs: bool
) -> dict[str, Any]:
    """The whole flavor."""
    shown = {**DETAIL.show(flavor, version), "links": view.links("flavors", flavor.flavorid)}
    return {**shown, **EXTRA_SPECS.show(flavor, version)} if with_specs else shown


def show_short(view: ComputeView, flavor: Flavor, version: Microversion) -> dict[str, Any]:
    """What the short list tells of a flavor."""
    return {**SHORT.show(flavor, version), "links": view.links("flavors", flavor.flavorid)}
