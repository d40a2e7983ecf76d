"""The bodies of the larger actions, each from the microversions at which it changed."""

from __future__ import annotations

from typing import Any

from cloudportal.api.validation import BOOLEAN, NAME, NON_NEGATIVE, closed
from servers.api.schemas import (
    ACCESS_IPS,
    DESCRIPTION,
    DISK_CONFIG,
    FQDN,
    HOST_NAME,
    HOSTNAME,
    METADATA,
    USER_DATA,
    UUID,
    V2_1,
)

Schema = dict[str, Any]


def _or_null(schema: Schema) -> Schema:
    return {**schema, "type": ["object", "null"]}


def _without(schema: Schema, key: str) -> Schema:
    return {name: value for name, value in schema.items() if name != key}


PASSWORD: Schema = {"type": "string"}
_ADDRESS: Schema = {"type": "string", "format": "ipv4"}
_ANY_ADDRESS: Schema = {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}
_HOST_OR_NULL: Schema = {**HOST_NAME, "type": ["string", "null"]}

RESCUE = {"2.1": _or_null(closed({"adminPass": PASSWORD, "rescue_image_ref": UUID}))}
RESIZE = {
    "2.1": closed({"flavorRef": V2_1["flavorRef"], "OS-DCF:diskConfig": DISK_CONFIG}, ["flavorRef"])
}
CREATE_IMAGE = {"2.1": closed({"name": NAME, "metadata": METADATA}, ["name"])}
CREATE_BACKUP = {
    "2.1": closed(
        {
            "name": NAME,
            "backup_type": {"type": "string"},
            "rotation": NON_NEGATIVE,
            "metadata": METADATA,
        },
        ["name", "backup_type", "rotation"],
    )
}
CHANGE_PASSWORD = {"2.1": closed({"adminPass": PASSWORD}, ["adminPass"])}
UNSHELVE = {
    "2.1": {},
    "2.77": _or_null(closed({"availability_zone": NAME}, ["availability_zone"])),
    "2.91": _or_null(
        closed({"availability_zone": {**NAME, "type": ["string", "null"]}, "host": HOST_NAME})
    ),
}
SECURITY_GROUP = {"2.1": closed({"name": NAME}, ["name"])}
MIGRATE = {"2.1": {}, "2.56": _or_null(closed({"host": _HOST_OR_NULL}))}

_REBUILD_2_1: Schema = {
    "imageRef": UUID,
    "name": NAME,
    "adminPass": PASSWORD,
    "metadata": METADATA,
    "preserve_ephemeral": BOOLEAN,
    "OS-DCF:diskConfig": DISK_CONFIG,
    "personality": V2_1["personality"],
    **ACCESS_IPS,
}
_REBUILD_2_19 = {**_REBUILD_2_1, "description": DESCRIPTION}
_REBUILD_2_54 = {
    **_REBUILD_2_19,
    "key_name": {"type": ["string", "null"], "minLength": 1, "maxLength": 255},
}
_REBUILD_2_57 = {
    **_without(_REBUILD_2_54, "personality"),
    "user_data": {"oneOf": [USER_DATA, {"type": "null"}]},
}
_REBUILD_2_63 = {
    **_REBUILD_2_57,
    "trusted_image_certificates": {
        "type": ["array", "null"],
        "minItems": 1,
        "maxItems": 50,
        "uniqueItems": True,
        "items": {"type": "string", "minLength": 1},
    },
}
REBUILD = {
    since: closed(properties, ["imageRef"])
    for since, properties in {
        "2.1": _REBUILD_2_1,
        "2.19": _REBUILD_2_19,
        "2.54": _REBUILD_2_54,
        "2.57": _REBUILD_2_57,
        "2.63": _REBUILD_2_63,
        "2.90": {**_REBUILD_2_63, "hostname": HOSTNAME},
        "2.94": {**_REBUILD_2_63, "hostname": FQDN},
    }.items()
}

_LIVE_2_1: Schema = {
    "host": _HOST_OR_NULL,
    "block_migration": BOOLEAN,
    "disk_over_commit": BOOLEAN,
}
_LIVE_2_25: Schema = {
    "host": _HOST_OR_NULL,
    "block_migration": {"anyOf": [BOOLEAN, {"enum": ["auto"]}]},
}
_LIVE_REQUIRED = ["host", "block_migration"]
MIGRATE_LIVE = {
    "2.1": closed(_LIVE_2_1, [*_LIVE_REQUIRED, "disk_over_commit"]),
    "2.25": closed(_LIVE_2_25, _LIVE_REQUIRED),
    "2.30": closed({**_LIVE_2_25, "force": BOOLEAN}, _LIVE_REQUIRED),
    "2.68": closed(_LIVE_2_25, _LIVE_REQUIRED),
}
_EVACUATE: Schema = {"host": HOST_NAME, "adminPass": PASSWORD}
EVACUATE = {
    "2.1": closed({**_EVACUATE, "onSharedStorage": BOOLEAN}, ["onSharedStorage"]),
    "2.14": closed(_EVACUATE),
    "2.29": closed({**_EVACUATE, "force": BOOLEAN}),
    "2.68": closed(_EVACUATE),
}

ADD_FIXED_IP = {
    "2.1": closed(
        {"networkId": {"type": ["string", "integer"], "minLength": 1, "maxLength": 255}},
        ["networkId"],
    )
}
REMOVE_FIXED_IP = {"2.1": closed({"address": _ANY_ADDRESS}, ["address"])}
ADD_FLOATING_IP = {"2.1": closed({"address": _ADDRESS, "fixed_address": _ADDRESS}, ["address"])}
REMOVE_FLOATING_IP = {"2.1": closed({"address": _ADDRESS}, ["address"])}


def console(*types: str) -> dict[str, Schema]:
    """The body of an old action that opens a console of one of these types."""
    return {"2.1": closed({"type": {"enum": list(types)}}, ["type"])}
