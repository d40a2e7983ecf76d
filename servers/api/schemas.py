"""The bodies that servers are created and changed with, a schema a microversion.

A later schema is the earlier one plus its difference.
"""

from __future__ import annotations

from typing import Any

from cloudportal.api.microversions import Versioned
from cloudportal.api.validation import BOOLEAN, NAME, POSITIVE, BodySchema, closed

Schema = dict[str, Any]

MAX_INT = 2**31 - 1
UUID: Schema = {"type": "string", "format": "uuid"}
TEXT: Schema = {"type": "string", "maxLength": 255}
COUNT: Schema = {**POSITIVE, "maximum": MAX_INT, "maxLength": 10}
SIZE: Schema = {
    **POSITIVE,
    "type": ["integer", "string", "null"],
    "maximum": MAX_INT,
    "maxLength": 10,
}
USER_DATA: Schema = {"type": "string", "format": "base64", "maxLength": 65535}
METADATA: Schema = {
    "type": "object",
    "patternProperties": {r"\A[a-zA-Z0-9_:. -]{1,255}\Z": TEXT},
    "additionalProperties": False,
}
TAG: Schema = {"type": "string", "minLength": 1, "maxLength": 60, "pattern": r"\A[^,/]*\Z"}
TAGS: Schema = {"type": "array", "items": TAG, "maxItems": 50}
DESCRIPTION: Schema = {
    "type": ["string", "null"],
    "maxLength": 255,
    "pattern": r"\A[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*\Z",
}
HOST_NAME: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": r"\A[a-zA-Z0-9._-]*\Z",
}
HOSTNAME: Schema = {
    "type": "string",
    "minLength": 2,
    "maxLength": 63,
    "pattern": r"\A[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+\Z",
}
FQDN: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": r"\A[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?\Z",
}
DISK_CONFIG: Schema = {"enum": ["AUTO", "MANUAL"]}
ACCESS_IPS: Schema = {
    "accessIPv4": {"type": "string", "format": "ipv4"},
    "accessIPv6": {"type": "string", "format": "ipv6"},
}
SERVER_ID_OR_LIST: Schema = {"oneOf": [UUID, {"type": "array", "items": UUID}]}

INTERFACE: Schema = {
    "fixed_ip": {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]},
    "port": {"oneOf": [UUID, {"type": "null"}]},
    "uuid": {"type": "string"},
}
BLOCK_DEVICE: Schema = {
    "source_type": {"enum": ["volume", "image", "snapshot", "blank"]},
    "destination_type": {"enum": ["volume", "local"]},
    "uuid": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"\A[a-zA-Z0-9._-]*\Z"},
    "image_id": UUID,
    "volume_id": UUID,
    "snapshot_id": UUID,
    "boot_index": {"type": ["integer", "string", "null"], "pattern": r"\A-?\d{1,10}\Z"},
    "volume_size": SIZE,
    "delete_on_termination": BOOLEAN,
    "guest_format": TEXT,
    "device_name": {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "pattern": r"\A[a-zA-Z0-9._/-]*\Z",
    },
    "device_type": TEXT,
    "disk_bus": TEXT,
    "no_device": {},
    "connection_info": {"type": "string"},
}

OLD_BLOCK_DEVICE: Schema = {
    "virtual_name": TEXT,
    **{
        name: BLOCK_DEVICE[name]
        for name in (
            *("volume_id", "snapshot_id", "volume_size", "delete_on_termination"),
            *("device_name", "no_device", "connection_info"),
        )
    },
}


def interfaces(properties: Schema) -> Schema:
    """A list of interfaces."""
    return {"type": "array", "items": closed(properties)}


def block_devices(properties: Schema) -> Schema:
    """A list of block device mappings."""
    return {"type": "array", "items": closed(properties)}


def body(server: Schema, required: list[str]) -> BodySchema:
    """The whole body around the fields of a new server."""
    hints: Schema = {
        "type": "object",
        "properties": {
            "group": SERVER_ID_OR_LIST,
            # One server need not be a UUID; what is none is at no host.
            "same_host": {"type": ["string", "array"], "items": UUID},
            "different_host": SERVER_ID_OR_LIST,
            "query": {"type": ["string", "object"]},
            "target_cell": {"type": "string"},
            "different_cell": {"type": ["string", "array"]},
            "build_near_host_ip": {
                "type": "string",
                "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}],
            },
            "cidr": {"type": "string", "pattern": r"\A/[0-9]{1,3}\Z"},
        },
        "additionalProperties": True,
    }
    return BodySchema(
        closed(
            {
                "server": closed(server, required),
                "os:scheduler_hints": hints,
                "OS-SCH-HNT:scheduler_hints": hints,
            },
            ["server"],
        )
    )


# This cloud's own, at every microversion.
OPTIONS: Schema = {
    "cloudportal:os_type": {"enum": ["linux", "windows"]},
    "cloudportal:boot_type": {"enum": ["bios", "uefi"]},
    "cloudportal:store_id": {"type": "string", "pattern": r"\A[A-Za-z0-9._-]{1,64}\Z"},
    "cloudportal:enable_ha": BOOLEAN,
    "cloudportal:extra": {"type": "object"},
}
V2_1: Schema = {
    "name": NAME,
    "flavorRef": {"type": ["string", "integer"], "minLength": 1, "maxLength": 1024},
    "imageRef": {"oneOf": [UUID, {"type": "string", "maxLength": 0}]},
    "adminPass": {"type": "string"},
    "metadata": METADATA,
    "networks": interfaces(INTERFACE),
    "OS-DCF:diskConfig": DISK_CONFIG,
    **ACCESS_IPS,
    "personality": {
        "type": "array",
        "items": closed(
            {"path": {"type": "string"}, "contents": {"type": "string", "format": "base64"}},
            ["path", "contents"],
        ),
    },
    "availability_zone": NAME,
    "block_device_mapping": block_devices(OLD_BLOCK_DEVICE),
    "block_device_mapping_v2": block_devices(BLOCK_DEVICE),
    "config_drive": BOOLEAN,
    "key_name": {"type": "string", "minLength": 1, "maxLength": 255},
    "min_count": COUNT,
    "max_count": COUNT,
    "return_reservation_id": BOOLEAN,
    "security_groups": {"type": "array", "items": closed({"name": NAME}, ["name"])},
    "user_data": USER_DATA,
    **OPTIONS,
}
V2_19 = {**V2_1, "description": DESCRIPTION}
_TAGGED = {**BLOCK_DEVICE, "tag": TAG}
V2_32 = {
    **V2_19,
    "networks": interfaces({**INTERFACE, "tag": TAG}),
    "block_device_mapping_v2": block_devices(_TAGGED),
}
V2_33 = {**V2_32, "block_device_mapping_v2": block_devices(BLOCK_DEVICE)}
_INTERFACE_2_37 = {**INTERFACE, "uuid": UUID}


def _networks_or_word(properties: Schema) -> Schema:
    return {"oneOf": [interfaces(properties), {"type": "string", "enum": ["auto", "none"]}]}


V2_37 = {**V2_33, "networks": _networks_or_word(_INTERFACE_2_37)}
V2_42 = {
    **V2_37,
    "networks": _networks_or_word({**_INTERFACE_2_37, "tag": TAG}),
    "block_device_mapping_v2": block_devices(_TAGGED),
}
V2_52 = {**V2_42, "tags": TAGS}
V2_57 = {name: schema for name, schema in V2_52.items() if name != "personality"}
V2_63 = {
    **V2_57,
    "trusted_image_certificates": {
        "type": ["array", "null"],
        "minItems": 1,
        "maxItems": 50,
        "uniqueItems": True,
        "items": {"type": "string", "minLength": 1},
    },
}
V2_67 = {
    **V2_63,
    "block_device_mapping_v2": block_devices(
        {**_TAGGED, "volume_type": {"type": ["string", "null"], "maxLength": 255}}
    ),
}
V2_74 = {**V2_67, "host": HOST_NAME, "hypervisor_hostname": HOST_NAME}
V2_90 = {**V2_74, "hostname": HOSTNAME}
V2_94 = {**V2_90, "hostname": FQDN}

_REQUIRED = ["name", "flavorRef"]
_WITH_NETWORKS = [*_REQUIRED, "networks"]
CREATE = Versioned(
    {
        "2.1": body(V2_1, _REQUIRED),
        "2.19": body(V2_19, _REQUIRED),
        "2.32": body(V2_32, _REQUIRED),
        "2.33": body(V2_33, _REQUIRED),
        "2.37": body(V2_37, _WITH_NETWORKS),
        "2.42": body(V2_42, _WITH_NETWORKS),
        "2.52": body(V2_52, _WITH_NETWORKS),
        "2.57": body(V2_57, _WITH_NETWORKS),
        "2.63": body(V2_63, _WITH_NETWORKS),
        "2.67": body(V2_67, _WITH_NETWORKS),
        "2.74": body(V2_74, _WITH_NETWORKS),
        "2.90": body(V2_90, _WITH_NETWORKS),
        "2.94": body(V2_94, _WITH_NETWORKS),
    }
)


def _update(properties: Schema) -> BodySchema:
    return BodySchema(closed({"server": closed(properties)}, ["server"]))


_UPDATE_2_1: Schema = {"name": NAME, "OS-DCF:diskConfig": DISK_CONFIG, **ACCESS_IPS}
_UPDATE_2_19 = {**_UPDATE_2_1, "description": DESCRIPTION}
_UPDATE_2_90 = {**_UPDATE_2_19, "hostname": HOSTNAME}
_UPDATE_2_94 = {**_UPDATE_2_90, "hostname": FQDN}
_UPDATE_2_104 = {
    **_UPDATE_2_94,
    "pinned_availability_zone": {**NAME, "type": ["string", "null"]},
}
UPDATE = Versioned(
    {
        "2.1": _update(_UPDATE_2_1),
        "2.19": _update(_UPDATE_2_19),
        "2.90": _update(_UPDATE_2_90),
        "2.94": _update(_UPDATE_2_94),
        "2.104": _update(_UPDATE_2_104),
    }
)

METADATA_BODY = BodySchema(closed({"metadata": METADATA}, ["metadata"]))
METADATA_ITEM = BodySchema(
    closed({"meta": {**METADATA, "minProperties": 1, "maxProperties": 1}}, ["meta"])
)
TAGS_BODY = BodySchema(closed({"tags": TAGS}, ["tags"]))
TAG_TEXT = BodySchema(TAG)
